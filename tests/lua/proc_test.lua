-- core.proc: programs, their output, their end; secrets in and out.
local t = require "colibri.test"
local fs = require "core.fs"
local proc = require "core.proc"
local task = require "core.task"

local SIGTERM, SIGKILL = 15, 9

local function sh(script, options)
  options = options or {}
  options[1], options[2], options[3] = "/bin/sh", "-c", script
  return options
end

-- The value of a KEY=value text as a secret.
local function secret(text)
  return fs.parse_env("K=" .. text, "test")[1].value
end

t.test("run gives output, status and times", function()
  local r = t.ok(proc.run(sh("echo out; echo err >&2; exit 3")))
  t.eq(r.stdout, "out\n")
  t.eq(r.stderr, "err\n")
  t.eq({ r.code, r.signal, r.timed_out, r.overflow }, { 3, 0, false, false })
  t.ok(r.seconds >= 0)
  r = proc.run(sh("kill -9 $$"))
  t.eq({ r.code, r.signal }, { -1, SIGKILL })
end)

t.test("a bare name is found in the fixed list", function()
  t.eq(proc.run { "sh", "-c", "echo $0", "x" }.stdout, "x\n")
  t.ok(proc.find("sh"):find("^/"))
  t.err("ProgramNotFound", proc.find("no-such-program"))
  t.err("ProgramNotFound", proc.run { "no-such-program" })
  t.err("ProgramNotFound", proc.run { "/no/such/program" })
  t.err("ProgramNotTrusted", proc.run { "bin/sh" })
  t.err("SpawnFailed", proc.run(sh("true", { cwd = "/no/such/dir" })))
end)

t.test("the environment is what is given, secrets too", function()
  local r = proc.run { "/usr/bin/env", env = { B = "2", A = secret("hunter2x"), C = "" } }
  t.eq(r.stdout, "A=hunter2x\nB=2\nC=\n")
  t.eq(proc.run { "/usr/bin/env" }.stdout, "")
  t.eq(proc.run(sh("pwd", { cwd = "/usr" })).stdout, "/usr\n")
end)

t.test("stdin and stdout may be secret", function()
  t.eq(proc.run(sh("cat", { input = "a\0b" })).stdout, "a\0b")
  t.eq(proc.run(sh("cat")).stdout, "")
  local r = proc.run(sh("cat", { input = secret("hunter2x"), secret_output = true }))
  t.eq(tostring(r.stdout), "[secret]")
  t.eq(r.stdout:reveal(), "hunter2x")
end)

t.test("descriptors can be handed over", function()
  local fd = proc.fd_of(secret("hunter2x"))
  local r = proc.run(sh("cat <&5; ls /proc/self/fd", { fds = { [5] = fd } }))
  t.eq(r.stdout, "hunter2x0\n1\n2\n3\n5\n")
  fd:close()
  t.raises(function() proc.run(sh("true", { fds = { [5] = fd } })) end, "not an open descriptor")
  t.err("SpawnFailed", proc.fd_of(("x"):rep(2 * 1024 * 1024)))
end)

t.test("caps and deadlines", function()
  local r = proc.run(sh("printf 123456", { max_stdout = 5 }))
  t.eq({ r.stdout, r.overflow }, { "12345", true })
  r = proc.run(sh("yes", { max_stdout = 5, kill_on_overflow = true }))
  t.eq({ r.signal, r.overflow }, { SIGTERM, true })
  r = proc.run(sh("trap '' TERM; while :; do sleep 9; done", { timeout = 0.05, grace = 0.05 }))
  t.eq({ r.signal, r.timed_out }, { SIGKILL, true })
end)

t.test("a cancelled run kills its process group", function()
  local dir = fs.scratch("proc-test")
  local root = fs.open_trusted(dir)
  local child = task.go(function() return proc.run(sh("echo $$ >" .. dir .. "/pid; sleep 1000 & wait")) end)
  local pid = t.eventually(function()
    local text = root:read("pid")
    return text and text:match("^(%d+)\n")
  end)
  child:cancel()
  child:wait()
  t.eventually(function() return proc.run(sh("kill -0 -" .. pid)).code ~= 0 end)
  root:close()
  fs.remove_tree(dir)
end)

t.test("a started process: pid, kill, wait twice, done", function()
  local p <close> = t.ok(proc.start(sh("sleep 1000")))
  t.ok(p:pid() > 1)
  t.eq(p:done(), false)
  local waiter = task.go(function() return p:wait() end)
  t.ok(p:kill(SIGTERM))
  local r = p:wait()
  t.eq(r.signal, SIGTERM)
  t.eq(waiter:wait(), r)
  t.ok(rawequal(p:wait(), r))
  t.eq({ p:done(), p:kill(), p:pid() }, { true, false })
end)

t.test("closing a process ends the waits for it", function()
  local p = t.ok(proc.start(sh("sleep 1000")))
  local waiter = task.go(function() return p:wait() end)
  task.sleep(0)
  p:close()
  t.err("Cancelled", waiter:wait())
  t.err("Cancelled", p:wait())
  p:close()
end)

t.test("a forgotten process is killed", function()
  local dir = fs.scratch("proc-test")
  local root = fs.open_trusted(dir)
  local process = t.ok(proc.start(sh("echo $$ >" .. dir .. "/pid; sleep 1000")))
  local pid = t.eventually(function()
    local text = root:read("pid")
    return process and text and text:match("^(%d+)\n")
  end)
  process = nil
  t.eventually(function()
    collectgarbage()
    return proc.run(sh("kill -0 " .. pid)).code ~= 0
  end)
  root:close()
  fs.remove_tree(dir)
end)

t.test("misuse raises", function()
  t.raises(function() proc.run {} end, "no program")
  t.raises(function() proc.run { 1 } end, "word 1 must be a string")
  t.raises(function() proc.run { "/bin/sh\0" } end, "NUL")
  t.raises(function() proc.run { "/bin/sh", evn = {} } end, "unknown field 'evn'")
  t.raises(function() proc.run({ "/bin/sh" }, 1) end, "too many arguments")
  t.raises(function() proc.run { "/bin/sh", env = 1 } end, "field 'env' must be a table")
  t.raises(function() proc.run { "/bin/sh", env = { "x" } } end, "must be a string")
  t.raises(function() proc.run { "/bin/sh", env = { ["a=b"] = "" } } end, "not a name")
  t.raises(function() proc.run { "/bin/sh", env = { [""] = "" } } end, "not a name")
  t.raises(function() proc.run { "/bin/sh", env = { a = 1 } } end, "env.a must be a string or a secret")
  t.raises(function() proc.run { "/bin/sh", env = { a = "\0" } } end, "NUL")
  t.raises(function() proc.run { "/bin/sh", input = {} } end, "field 'input'")
  t.raises(function() proc.run { "/bin/sh", timeout = -1 } end, "'timeout'")
  t.raises(function() proc.run { "/bin/sh", timeout = 0 / 0 } end, "'timeout'")
  t.raises(function() proc.run { "/bin/sh", max_stdout = -1 } end, "'max_stdout'")
  t.raises(function() proc.run { "/bin/sh", fds = { [1] = 1 } } end, "from 3 to 63")
  t.raises(function() proc.run { "/bin/sh", fds = { [3] = 1 } } end, "not an open descriptor")
end)
