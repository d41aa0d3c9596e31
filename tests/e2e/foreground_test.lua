-- `colibri spawn-local ... --wait exit`: what a shell script, cron or Nomad's
-- raw_exec sees of an agent in front.
local t = require "colibri.test"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"
local task = require "core.task"

local SIGINT, SIGTERM = 2, 15
local ENV = { PATH = "/usr/bin:/bin" }

local function words(d, script, ...)
  local argv = { sys.program "colibri", "--socket", d.socket, "spawn-local", "/bin/sh", "--arg", "-c", "--arg", script,
    "--wait", "exit", ... }
  argv.env = { PATH = ENV.PATH, COLIBRI_SHARE_DIR = sys.conf.share_dir }
  return argv
end

local function run(d, script, ...)
  return assert(proc.run(words(d, script, ...)))
end

-- Start it in the background; returns once the agent has made the file `up`.
local function start(d, script, ...)
  local process = assert(proc.start(words(d, "echo up >" .. d.dir .. "/up; " .. script, ...)))
  t.eventually(function() return d:read("up") == "up\n" end, 30)
  return process
end

t.test("the exit code is the agent's; a signal is 128 and its number", function()
  local d <close> = scratch.daemon {}
  local r = run(d, "exit 0")
  t.eq({ r.code, r.stderr }, { 0, "" })
  t.ok(r.stdout:find('"status":"exited"', 1, true) and r.stdout:find('"exit_code":0', 1, true), r.stdout)
  t.eq(run(d, "exit 77").code, 77)
  t.eq(run(d, "kill -9 $$").code, 137)
  local bad = run(d, "exit 0", "--limit", "nope=1")
  t.eq(bad.code, 1)
  t.ok(bad.stderr:find("BadParameter", 1, true), bad.stderr)
  t.eq(#d:call("list-agents"), 0)
end)

t.test("the end of all runs counts, and a failed agent is 1", function()
  local d <close> = scratch.daemon {}
  local r = run(d, "exit 5", "--restart", "on-failure", "--restart-delay", "0.01", "--restart-tries", "2")
  t.eq(r.code, 1)
  t.ok(r.stdout:find("2 failures in 600 s", 1, true), r.stdout)
  t.eq(run(d, "echo x >>" .. d.dir .. "/n; [ $(wc -l <" .. d.dir .. "/n) -ge 3 ]", "--restart", "on-failure",
    "--restart-delay", "0.01").code, 0)
end)

t.test("TERM and INT stop the agent, the second one kills it", function()
  local d <close> = scratch.daemon {}
  local p = start(d, "trap 'exit 9' TERM; while :; do sleep 0.05; done")
  p:kill(SIGTERM)
  t.eq(p:wait().code, 9, "the agent chose it")
  t.eq(#d:call("list-agents"), 0)
  d:tree { up = "" }
  p = start(d, "trap 'exit 8' INT; while :; do sleep 0.05; done")
  p:kill(SIGINT)
  t.eq(p:wait().code, 8, "it is told by which")
  d:tree { up = "" }
  p = start(d, "trap '' TERM INT; echo term >" .. d.dir .. "/deaf; while :; do sleep 0.05; done")
  t.eventually(function() return d:read("deaf") end)
  p:kill(SIGINT)
  t.eventually(function() return d.process and not p:done() and d:call("list-agents")[1] ~= nil end)
  p:kill(SIGINT)
  t.eq(p:wait().code, 137)
  t.eq(#d:call("list-agents"), 0)
end)

t.test("--timeout stops it: exit status 4", function()
  local d <close> = scratch.daemon {}
  local r = run(d, "exec sleep 1000", "--timeout", "0.3")
  t.eq(r.code, 4)
  t.ok(r.stderr:find("did not end in time and is stopped", 1, true), r.stderr)
  t.eq(#d:call("list-agents"), 0)
  local argv = words(d, "exec sleep 1000")
  table.move({ "--timeout", "0.5" }, 1, 2, 2, table.move(argv, 2, #argv, 4))
  r = assert(proc.run(argv))
  t.eq(r.code, 4)
  t.ok(r.stderr:find("did not end in time and is stopped", 1, true), r.stderr)
  t.eq(#d:call("list-agents"), 0)
end)

t.test("the daemon may go and come back meanwhile", function()
  local d <close> = scratch.daemon {}
  local p = start(d, "while [ ! -e " .. d.dir .. "/go ]; do sleep 0.05; done; exit 6")
  -- The audit row is the last thing before the reply; one turn later that is out.
  t.eventually(function()
    local last = d:call("audit")[1]
    return last and last.command == "spawn-local"
  end)
  t.ok(d:call("status"))
  d:crash()
  p:kill(SIGINT) -- nobody can be told; the agent goes on, and that is said
  task.sleep(0.3)
  t.ok(d:start())
  d:tree { go = "" }
  local r = p:wait()
  t.eq(r.code, 6, r.stderr)
  t.ok(r.stderr:find("stop-agent: DaemonUnreachable", 1, true), r.stderr)
end)
