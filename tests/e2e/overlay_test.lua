-- The site overlay: what wins, what is refused, how generations change.
local t = require "colibri.test"
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"
local task = require "core.task"

local ENV = { PATH = "/usr/local/bin:/usr/bin:/bin" }

local function command(body, more)
  return "return { api = 1, summary = 'a site command', access = 'read',\n  " .. (more or "") .. "run = function(ctx, args)\n    " ..
    body .. "\n  end }\n"
end

local function hook(body, more)
  return "return { api = 1, summary = 'a site hook', " .. (more or "") .. "run = function(ctx, ev)\n  " .. body .. "\nend }\n"
end

local function daemon(files)
  return scratch.daemon { log_level = "warn", files = files }
end

local function cli(d, ...)
  local r = assert(proc.run { sys.program "colibri", "--socket", d.socket, env = ENV, timeout = 60, ... })
  return r.code, r.stdout, r.stderr
end

local function sh(...)
  local r = assert(proc.run { env = ENV, ... })
  t.eq({ r.code, r.stderr }, { 0, "" })
end

local function find(list, name)
  for _, item in ipairs(list) do
    if item.name == name then
      return item
    end
  end
end

-- reload must fail; its errors as { [where without line] = error }, and their number.
local function broken(d)
  local generation = assert(d:call("status")).generation
  local e = t.err("ReloadFailed", d:call("reload"))
  local by = {}
  for _, one in ipairs(e and e.errors or {}) do
    local where = type(one.where) == "string" and one.where or one.message
    by[where:gsub(":%d+$", "")] = one
  end
  t.eq(d:call("status").generation, generation, "the old generation goes on")
  return by, #(e and e.errors or {})
end

t.test("the site's file wins, stock() wraps, disabled removes", function()
  local d <close> = daemon {
    ["site/commands/get-tenant.lua"] = command("return { mine = args.tenant_id }", "params = { { 'tenant_id', 'string' } }, "),
    ["site/commands/list-tenants.lua"] = "local s = stock()\nreturn { api = 1, summary = s.summary .. '!', access = s.access, " ..
      "params = s.params,\n  run = function(ctx, args) local rows = s.run(ctx, args) return { n = #rows, rows = rows } end }\n",
    ["site/commands/delete-tenant.lua"] = "return { api = 1, disabled = true }\n",
  }
  t.eq(d:call("get-tenant", { tenant_id = "a/b" }).mine, "a/b")
  t.eq(d:call("list-tenants"), { n = 0, rows = {} })
  t.err("UnknownCommand", d:call("delete-tenant"))
  t.err("UnknownCommand", d:call("unregister-tenant"))
  local commands = d:call("describe").commands
  t.eq({ find(commands, "delete-tenant"), find(commands, "list-tenants").summary:sub(-1) }, { nil, "!" })
  t.eq((cli(d, "delete-tenant", "x")), 2, "nor is it a verb")
  sh("rm", d.dir .. "/site/commands/delete-tenant.lua", d.dir .. "/site/commands/get-tenant.lua")
  t.eq(d:call("reload").generation, 2)
  t.eq(d:call("delete-tenant", { tenant_id = "x" }).deleted, false, "the shipped ones are back")
  t.err("TenantNotFound", d:call("get-tenant", { tenant_id = "x" }))
end)

t.test("a new command is at once in describe, help, completion and a CLI verb", function()
  local d <close> = daemon()
  t.err("UnknownCommand", d:call("greet"))
  d:tree { ["site/commands/greet.lua"] = command("return { hello = args.who, loud = args.loud }",
    "aliases = { 'hi' }, params = { { 'who', 'name', positional = true, required = true, help = 'whom to greet' }, " ..
    "{ 'loud', 'boolean', help = 'shout' } }, ") }
  t.err("UnknownCommand", d:call("greet", { who = "you" }))
  t.ok(d:call("reload"))
  t.eq(d:call("greet", { who = "you" }).hello, "you")
  t.eq(find(d:call("describe").commands, "greet").params[1].help, "whom to greet")
  t.eq({ cli(d, "--json", "greet", "you", "--loud") }, { 0, '{"loud":true,"hello":"you"}\n', "" })
  t.eq((cli(d, "--json", "hi", "you")), 0)
  t.eq((cli(d, "greet")), 2)
  local code, out = cli(d, "greet", "--help")
  t.ok(code == 0 and out:find("whom to greet", 1, true) and out:find("--loud", 1, true), out)
  code, out = cli(d, "help")
  t.ok(code == 0 and out:find("greet", 1, true), out)
  code, out = cli(d, "completion", "bash")
  t.ok(code == 0 and out:find("greet", 1, true))
end)

-- Hooks of `authorize` that leave their name in a list of the event.
local function mark(name)
  return "ev.args.seen = (ev.args.seen or '') .. '" .. name .. " '"
end

t.test("hooks run by name, then before and after; all shipped ones stay", function()
  local files = { ["site/commands/seen.lua"] = command("return { seen = args.seen }") }
  files["site/hooks/authorize/a.lua"] = hook(mark "a", "after = { 'c' }, ")
  files["site/hooks/authorize/b.lua"] = hook(mark "b")
  files["site/hooks/authorize/c.lua"] = hook(mark "c")
  files["site/hooks/authorize/z.lua"] = hook(mark "z", "before = { 'b', 'by_peer' }, ")
  local d <close> = daemon(files)
  t.eq(d:call("seen").seen, "c a z b ")
  d:tree { ["site/hooks/authorize/a.lua"] = hook(mark "a", "before = { 'z' }, ") }
  t.ok(d:call("reload"))
  t.eq(d:call("seen").seen, "a c z b ")
  d:tree { ["site/hooks/authorize/b.lua"] = hook("return false, { code = 'NotToday', message = 'no' }") }
  t.ok(d:call("reload"))
  local _, e = d:call("seen")
  t.eq(e and e.code, "NotToday")
  d.conn:close()
  d.conn = nil
end)

t.test("cycles and unknown names in before and after are load errors that name the chain", function()
  local d <close> = daemon()
  d:tree {
    ["site/hooks/spawn_before/a.lua"] = hook("", "after = { 'b' }, "), ["site/hooks/spawn_before/b.lua"] = hook("", "after = { 'c' }, "),
    ["site/hooks/spawn_before/c.lua"] = hook("", "after = { 'a' }, "), ["site/hooks/spawn_before/d.lua"] = hook(""),
    ["site/hooks/spawn_after/x.lua"] = hook("", "before = { 'nobody' }, "),
    ["site/hooks/authorize/y.lua"] = hook("", "after = { 'y' }, "),
  }
  local by, n = broken(d)
  t.eq(n, 3)
  local message = by["hooks/spawn_before"] and by["hooks/spawn_before"].message or ""
  t.ok(message:find("a after b after c after a", 1, true), message)
  local e = by["hooks/spawn_after/x"] or by["site/hooks/spawn_after/x.lua"]
  t.ok(e and e.message:find("nobody", 1, true), e and e.message)
  e = by["hooks/authorize"]
  t.ok(e and e.message:find("y after y", 1, true), e and e.message)
end)

local BROKEN = {
  ["commands/b01.lua"] = { "return {", 1, "ScriptSyntax" },
  ["commands/b02.lua"] = { "return {\n  api = 2, summary = 'x', access = 'read', run = function() end }", nil, "BadScript", "api" },
  ["commands/b03.lua"] = { "return { summary = 'x', access = 'read', run = function() end }", nil, "BadScript", "api" },
  ["commands/b04.lua"] = { command("", "colour = 1, "), nil, "BadScript", "colour" },
  ["commands/b05.lua"] = { "\nerror('at load')", 2, "ScriptError", "at load" },
  ["commands/b06.lua"] = { "local x = 1\nctx.log.info('x')\nreturn {}", 2, "ScriptError", "ctx" },
  ["commands/b07.lua"] = { "return 7", nil, "BadScript", "number" },
  ["commands/b08.lua"] = { "", nil, "BadScript", "nothing" },
  ["commands/b09.lua"] = { "return { api = 1, access = 'read', run = function() end }", nil, "BadScript", "summary" },
  ["commands/b10.lua"] = { "return { api = 1, summary = 'x', access = 'write', run = function() end }", nil, "BadScript", "access" },
  ["commands/b11.lua"] = { command("", "params = { { 'x', 'colour' } }, "), nil, "BadScript", "colour" },
  ["commands/b12.lua"] = { "return { api = 1, summary = 'x', access = 'read', run = 'x' }", nil, "BadScript", "run" },
  ["commands/b13.lua"] = { "print('x')\nreturn {}", 1, "ScriptError", "print" },
  ["commands/b14.lua"] = { "counter = 1\nreturn {}", 1, "ScriptError", "counter" },
  ["commands/b15.lua"] = { command("", "aliases = { 'status' }, "), nil, "BadScript", "status" },
  ["commands/b16.lua"] = { "local s = stock()\nreturn s", 1, "ScriptError", "b16" },
  ["commands/b17.lua"] = { "while true do end", 1, "BudgetExceeded" },
  ["commands/b18.lua"] = { "local t = {}\nwhile true do t[#t + 1] = {} end", 2, "MemoryExceeded" },
  ["commands/b19.lua"] = { "\27Lua", nil, "ScriptSyntax" },
  ["commands/b20.lua"] = { "require('core.task').sleep(1)\nreturn {}", 1, "ScriptError", "core.task" },
  ["commands/b21.lua"] = { command("", "aliases = { 7 }, "), nil, "BadScript", "alias" },
  ["commands/b22.lua"] = { command("", "timeout = -1, "), nil, "BadScript", "timeout" },
  ["hooks/spawn_after/provision.lua"] = { "return { api = 1, summary = 'x', run = function() end", 1, "ScriptSyntax" },
  ["hooks/spawn_after/b2.lua"] = { hook("", "on_error = 'shrug', "), nil, "BadScript", "on_error" },
  ["hooks/spawn_after/b3.lua"] = { hook("", "access = 'read', "), nil, "BadScript", "access" },
  ["hooks/spawn_after/b4.lua"] = { hook("", "before = { 7 }, "), nil, "BadScript", "7" },
  ["vault/file.lua"] = { "return { api = 1, summary = 'x' }", nil, "BadScript", "open" },
}

local function plant_broken(d)
  local files, n = {}, 0
  for name, case in pairs(BROKEN) do
    files["site/" .. name] = case[1]
    n = n + 1
  end
  d:tree(files)
  return n
end

t.test("broken overrides keep the old generation; the reply lists every one with file and line", function()
  local d <close> = daemon { ["site/commands/keep.lua"] = command("return { v = 1 }") }
  local planted = plant_broken(d)
  d:tree { ["site/commands/keep.lua"] = command("return { v = 2 }") }
  local by, n = broken(d)
  t.eq(n, planted)
  for name, case in pairs(BROKEN) do
    local e = by["site/" .. name] or by[("site/" .. name):gsub("%.lua$", "")] or by[name:gsub("%.lua$", "")]
    if t.ok(e, name .. " is in the list") then
      t.eq(e.code, case[3], name .. ": " .. e.message)
      t.ok(not case[4] or e.message:find(case[4], 1, true), name .. ": " .. e.message)
      t.eq(tostring(e.where):match(":(%d+)$"), case[2] and tostring(case[2]), name .. ": line in " .. tostring(e.where))
    end
  end
  t.eq(d:call("keep").v, 1, "nothing of it is served")
  local code, _, err = cli(d, "reload")
  t.eq(code, 1)
  for name in pairs(BROKEN) do
    t.ok(err:find(name:gsub("%.lua$", ""), 1, true), "the CLI shows " .. name)
  end
  t.eq(d:call("audit")[1].result, "ReloadFailed")
  for name in pairs(BROKEN) do
    sh("rm", d.dir .. "/site/" .. name)
  end
  t.eq(d:call("reload").generation, 2)
  t.eq(d:call("keep").v, 2)
end)

t.test("one file cannot keep the others' errors from being told", function()
  for _, text in ipairs { "return setmetatable({}, { __index = error, __pairs = error })",
    "return setmetatable({ api = 1, summary = 'x', access = 'read', run = error }, { __newindex = error })",
    "error(setmetatable({}, { __index = error, __tostring = error }))", "error(nil)", "error({ code = 7, message = {} })" } do
    local d <close> = daemon()
    d:tree { ["site/commands/hostile.lua"] = text, ["site/commands/other.lua"] = "return {" }
    local by, n = broken(d)
    t.eq(n, 2, text)
    t.ok(by["site/commands/other.lua"] and (by["site/commands/hostile.lua"] or by["commands/hostile"]), text)
  end
end)

t.test("a daemon does not start on a broken overlay; --check lists every mistake and opens nothing", function()
  local d <close> = scratch.daemon { start = false }
  local function check(...)
    return assert(proc.run { sys.program "colibri-daemon", "--socket", d.socket, "--db", d.dir .. "/colibri.sqlite", "--state-dir",
      d.dir .. "/new-state", "--site-dir", d.dir .. "/site", "--vault-dir", d.dir .. "/vault", "--provider-env",
      d.dir .. "/provider.env", timeout = 60, max_stderr = 1048576, env = { PATH = ENV.PATH,
      COLIBRI_SHARE_DIR = sys.conf.share_dir }, ... })
  end
  local fine = check("--jail-root-base", d.base, "--vault", "file", "--jail-backend", "none", "--check")
  t.eq(fine.code, 0, fine.stderr)
  plant_broken(d)
  local r = check("--jail-root-base", d.dir .. "/none", "--vault", "nosuch", "--jail-backend", "none", "--check")
  t.eq(r.code, 1)
  for name in pairs(BROKEN) do
    t.ok(r.stderr:find(name:gsub("%.lua$", ""), 1, true), "--check shows " .. name)
  end
  t.ok(r.stderr:find("BaseMissing", 1, true), "the base too")
  r = check("--jail-root-base", d.base, "--vault", "file", "--jail-backend", "none")
  t.eq(r.code, 1, "it does not start either")
  for name in pairs(BROKEN) do
    t.ok(r.stderr:find(name:gsub("%.lua$", ""), 1, true), "the start shows " .. name)
  end
  for _, path in ipairs { d.socket, d.dir .. "/colibri.sqlite" } do
    t.eq(fs.exists(path), false, path)
  end
  sh("rm", "-rf", d.dir .. "/site", d.dir .. "/new-state")
  r = check("--jail-root-base", d.dir .. "/none", "--vault", "nosuch", "--jail-backend", "nosuch", "--check")
  t.eq(r.code, 1)
  for _, word in ipairs { "vault script 'nosuch'", "jail script 'nosuch'", "BaseMissing" } do
    t.ok(r.stderr:find(word, 1, true), word .. ": " .. r.stderr)
  end
  t.eq(fs.exists(d.dir .. "/new-state"), false, "nothing is made")
  sh("mkdir", "-m", "755", d.dir .. "/new-state")
  r = check("--jail-root-base", d.base, "--vault", "file", "--jail-backend", "none", "--check")
  t.eq(r.code, 1)
  t.ok(r.stderr:find("new-state has mode 0755", 1, true), r.stderr)
  r = check("--max-line", "x", "--idle-timeout", "soon", "--log-level", "loud", "--check")
  t.eq(r.code, 2)
  for _, word in ipairs { "max", "idle", "log" } do
    t.ok(r.stderr:find(word, 1, true), word .. ": " .. r.stderr)
  end
end)

t.test("reload swaps; a running request finishes on its own generation, hooks too", function()
  local d <close> = daemon { ["site/commands/slow.lua"] = [[
local function helper() return 1 end
return { api = 1, summary = "x", access = "read", params = { { "dir", "path" } }, run = function(ctx, args)
  local root <close> = ctx.fs.open_trusted(args.dir)
  root:write("started", "")
  while not ctx.fs.exists(args.dir .. "/go") do ctx.task.sleep(0.01) end
  return { v = helper(), generation = ctx.gen.number }
end }]],
    ["site/hooks/spawn_after/mark.lua"] = hook("ev.provision.message = 'old'"),
    ["site/hooks/spawn_before/wait.lua"] = hook("local root <close> = ctx.fs.open_trusted(ev.session_id)\n  root:write('spawning', '')\n" ..
      "  while not ctx.fs.exists(ev.session_id .. '/go') do ctx.task.sleep(0.01) end"),
  }
  local one, two = d:connect(), d:connect()
  local slow = task.go(function() return one:request({ cmd = "slow", dir = d.dir }, 60) end)
  local function spawn(conn)
    return conn:request({ cmd = "spawn-local", model = "/bin/true", session_id = d.dir }, 60)
  end
  local spawning = task.go(spawn, two)
  t.eventually(function() return fs.exists(d.dir .. "/started") and fs.exists(d.dir .. "/spawning") end)
  d:tree { ["site/commands/slow.lua"] = command("return { v = 2, generation = ctx.gen.number }", "params = { { 'dir', 'path' } }, "),
    ["site/hooks/spawn_after/mark.lua"] = hook("ev.provision.message = 'new'") }
  t.eq(d:call("reload").generation, 2)
  t.eq(d:call("slow"), { v = 2, generation = 2 })
  d:tree { go = "" }
  t.eq(slow:wait().data, { v = 1, generation = 1 })
  local reply = spawning:wait()
  t.eq(reply.ok and reply.data.provision.message, "old", reply.error and reply.error.message)
  reply = spawn(d.conn)
  t.eq(reply.ok and reply.data.provision.message, "new", reply.error and reply.error.message)
  one:close()
  two:close()
end)

t.test("200 reloads leak nothing", function()
  local d <close> = daemon { ["site/commands/x.lua"] = command("return {}") }
  local function stats()
    local s = d:call("status", { full = true }).stats
    return s.lua_bytes, { s.tasks, s.ops, s.fds, s.secrets }
  end
  local function reload(n)
    for i = 1, n do
      d:tree { ["site/commands/x.lua"] = command("return { v = " .. i .. ", t = {} }") }
      if not t.ok(d:call("reload")) then
        return
      end
    end
  end
  -- The smallest of a few: garbage of some generations is always there.
  local function settled()
    local least, rest = math.huge, nil
    for _ = 1, 12 do
      local bytes
      reload(1)
      bytes, rest = stats()
      least = math.min(least, bytes)
    end
    return least, rest
  end
  reload(10)
  local bytes, rest = settled()
  reload(100)
  d:tree { ["site/commands/broken.lua"] = "return {" }
  for _ = 1, 50 do
    t.err("ReloadFailed", d:call("reload"))
  end
  sh("rm", d.dir .. "/site/commands/broken.lua")
  reload(50)
  local bytes_after, rest_after = settled()
  t.eq(rest_after, rest, "tasks, ops, descriptors, secrets")
  t.ok(bytes_after < bytes * 1.5, ("Lua held %d bytes, now %d"):format(bytes, bytes_after))
end)

t.test("SIGHUP reloads; a broken file is logged and the old ones go on", function()
  local d <close> = daemon { ["site/commands/x.lua"] = command("return { v = 1 }") }
  t.eq(d:call("x").v, 1)
  d:tree { ["site/commands/x.lua"] = command("return { v = 2 }") }
  d.process:kill(1)
  t.eventually(function() return d:call("x").v == 2 end)
  d:tree { ["site/commands/x.lua"] = "return {", ["site/commands/y.lua"] = command("return {}") }
  d.process:kill(1)
  task.sleep(0.1)
  t.eq(d:call("x").v, 2)
  t.err("UnknownCommand", d:call("y"))
  d:tree { ["site/commands/x.lua"] = command("return { v = 3 }") }
  d.process:kill(1)
  t.eventually(function() return d:call("x").v == 3 end)
  local log = d:stop().stderr
  t.ok(log:find("site/commands/x.lua:1", 1, true), log)
end)

t.test("SIGHUP right after the socket is there reloads too", function()
  for _ = 1, 10 do
    local d <close> = daemon()
    d.process:kill(1)
    if not d:call("status") then
      t.eq(d:stop().signal, 0, "the daemon lives")
      return
    end
    t.eventually(function() return d:call("status").generation == 2 end)
  end
end)

t.test("files that others could write are NotTrusted", function()
  local good = command("return {}")
  local cases = {
    { "chmod", "0666", "commands/x.lua" }, { "chmod", "0620", "commands/x.lua" }, { "chmod", "0602", "commands/x.lua" },
    { "chmod", "0770", "commands" }, { "chmod", "0777", "hooks/authorize" }, { "chmod", "0702", "." },
  }
  if sys.uid == 0 then
    cases[#cases + 1] = { "chown", "65534", "commands/x.lua" }
    cases[#cases + 1] = { "chown", "65534", "commands" }
  end
  for _, case in ipairs(cases) do
    local d <close> = daemon()
    d:tree { ["site/commands/x.lua"] = good, ["site/hooks/authorize/x.lua"] = hook("") }
    t.ok(d:call("reload"))
    sh(case[1], case[2], d.dir .. "/site/" .. case[3])
    local e = t.err("ReloadFailed", d:call("reload"))
    local first = e and e.errors and e.errors[1] or {}
    t.eq({ #(e and e.errors or {}), first.code }, { 1, "NotTrusted" }, table.concat(case, " "))
    t.ok(case[3] == "." or (tostring(first.where) .. tostring(first.message)):find(case[3]:gsub("%.lua$", ""), 1, true), first.message)
    t.ok(d:call("x"), "the old generation goes on")
  end
end)

t.test("symlinks, odd names, directories too deep and other file types are refused", function()
  for _, case in ipairs {
    { "ln", "-s", "/dev/null", "commands/x.lua" }, { "ln", "-s", "../outside.lua", "commands/x.lua" },
    { "ln", "-s", "/nonexistent", "commands/x.lua" }, { "ln", "-s", "/tmp", "hooks" }, { "mkfifo", "commands/x.lua" },
    { "mkdir", "commands/x.lua" }, { "touch", "commands/-x.lua" }, { "touch", "commands/a b.lua" },
    { "mkdir", "-p", "hooks/authorize/deep" },
  } do
    local d <close> = daemon()
    d:tree { ["outside.lua"] = command("return {}"), ["site/commands/"] = true }
    case[#case] = d.dir .. "/site/" .. case[#case]
    sh(table.unpack(case))
    local e = t.err("ReloadFailed", d:call("reload"))
    t.eq(#(e and e.errors or {}), 1, table.concat(case, " "))
    t.err("UnknownCommand", d:call("x"))
  end
end)

t.test("scripts lists the winner and what it shadows", function()
  local d <close> = daemon { ["site/commands/status.lua"] = "return stock()\n", ["site/commands/new.lua"] = command("return {}"),
    ["site/commands/reload2.lua"] = "return { api = 1, disabled = true }\n" }
  local rows = d:call("scripts")
  local row = find(rows, "commands/status")
  t.eq({ row.layer, row.path }, { "site", d.dir .. "/site/commands/status.lua" })
  t.ok(row.shadows and row.shadows:find("/lua/commands/status.lua$"), row.shadows)
  row = find(rows, "commands/new")
  t.eq({ row.layer, row.path, row.shadows }, { "site", d.dir .. "/site/commands/new.lua", nil })
  row = find(rows, "commands/describe")
  t.eq({ row.layer, row.shadows }, { "stock", nil })
  t.eq(find(rows, "commands/reload2").disabled, true)
  t.eq(find(rows, "commands/status").disabled, nil)
  local code, out = cli(d, "scripts")
  t.ok(code == 0 and out:find("commands/new", 1, true) and out:find("steps/verify", 1, true), out)
end)
