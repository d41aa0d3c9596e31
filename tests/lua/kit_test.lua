-- The test kit's worlds: real scripts and dispatch over fakes of what reaches
-- outside.
local t = require "colibri.test"
local proc = require "core.proc"
local sys = require "core.sys"

local function command(access, body, more)
  return ("return { api = 1, summary = 'x', access = '%s', %s run = function(ctx, args)\n%s\nend }\n"):format(access,
    more or "", body)
end

t.test("the main job, without a jail, a vault or a socket", function()
  local w <close> = t.site()
  w:collection("proof0", { KEY = "va lue" })
  local root = w:tenant("proof0")
  t.eq(t.ok(w:call("provision-tenant", { tenant_id = "proof0" })).result, "provisioned")
  t.eq(w:read("jails/proof0/root/.env"), "KEY='va lue'\n")
  local spawned = t.ok(w:call("spawn-agent", { provider = "local", model = "/bin/x", jail_name = "proof0",
    jail_root = root }))
  t.eq(spawned.provision.result, "unchanged")
  local agent = w.agents:last()
  t.eq({ #w.agents.list, agent.argv[1], agent.running }, { 1, "/bin/x", true })
  agent:emit { type = "turn_start" }
  w.clock:settle()
  t.eq(w:call("get-agent", { agent_id = spawned.agent_id }).state, "working")
  agent:exit(3)
  w.clock:settle()
  local row = w:call("get-agent", { agent_id = spawned.agent_id })
  t.eq({ row.status, row.exit_code }, { "exited", 3 })
  t.ok(w:logged("vault provision complete"))
end)

t.test("dispatch is the real one: parameters, access, audit, JSON", function()
  local w <close> = t.site { ["commands/change.lua"] = command("change", "return { n = args.n, at = ctx.clock.now() }",
    "params = { { 'n', 'integer', required = true } },"),
    ["commands/leak.lua"] = command("read", "return { f = function() end }") }
  t.err("UnknownCommand", w:call("nope"))
  t.err("MissingParameter", w:call("change"))
  t.err("BadParameter", w:call("change", { n = "x" }))
  t.err("BadValue", w:call("leak"))
  t.err("Forbidden", w:call("change", { n = 1 }, { uid = sys.uid + 4321 }))
  t.eq(w:call("change", { n = 7 }), { n = 7, at = 1767614400 })
  t.eq(w.clock:now(), 1767614400.0)
  local rows = w:call("audit")
  t.eq({ #rows, rows[1].result, rows[2].result, rows[1].at }, { 4, "ok", "Forbidden", 1767614400 })
  local reply = w:send({ cmd = "change", n = 7, id = { 1 } }):reply()
  t.eq(reply.id, { 1 })
end)

t.test("time passes by itself, or when the test says so", function()
  local site = { ["commands/nap.lua"] = command("read", "ctx.task.sleep(args.s)\nreturn { at = ctx.clock.now() }",
    "timeout = 500, params = { { 's', 'number', required = true } },") }
  do
    local w <close> = t.site(site, { now = 1000 })
    t.eq(w:call("nap", { s = 400 }).at, 1400)
    t.err("DeadlineExceeded", w:call("nap", { s = 501 }))
  end
  local w <close> = t.site(site, { now = 1000, clock = "manual" })
  local first, second = w:start("nap", { s = 10 }), w:start("nap", { s = 20 })
  w.clock:advance(9.5)
  t.eq({ first:done(), second:done() }, { false, false })
  w.clock:advance(1)
  t.eq({ first:done(), second:done() }, { true, false })
  t.eq(first:wait().at, 1010)
  t.raises(function() return second:wait() end, "waits for the clock")
  w.clock:advance(100)
  t.eq(second:wait().at, 1020)
  t.eq(w:call("nap", { s = 0 }).at, 1110.5)
end)

t.test("sleepers, timeouts and children keep their order", function()
  local w <close> = t.site({ ["commands/order.lua"] = command("read", [[
    local out = ctx.json.array {}
    local function at(s, name)
      return ctx.task.go(function() ctx.task.sleep(s) out[#out + 1] = name end)
    end
    local c, a, b = at(3, "c"), at(1, "a"), at(2, "b")
    local value, e = ctx.task.timeout(1.5, function() ctx.task.sleep(9) end)
    out[#out + 1] = e.code
    out[#out + 1] = ctx.task.timeout(9, function() ctx.task.sleep(0.25) return "in time" end)
    a:wait() b:wait() c:wait()
    return out]]) })
  t.eq(w:call("order"), { "a", "DeadlineExceeded", "in time", "b", "c" })
end)

t.test("programs do what the test says, and none is run", function()
  local w <close> = t.site { ["commands/tool.lua"] = command("read", [[
    local r, e = ctx.proc.run { "/usr/bin/tool", args.word, secret_output = args.secret }
    if not r then return nil, e end
    return { code = r.code, out = tostring(r.stdout), len = args.secret and r.stdout:len() }]],
    "params = { { 'word', 'string' }, { 'secret', 'boolean' } },") }
  local _, e = w:call("tool", { word = "x" })
  t.eq(e.code, "ScriptError")
  t.ok(e.message:find("no outcome is scripted for: /usr/bin/tool x", 1, true), e.message)
  w.proc:on("tool", function(call)
    return call[2] == "fail" and { code = 4, stdout = "no" } or { stdout = "it's\nfine" }
  end)
  t.eq(w:call("tool", { word = "fail" }), { code = 4, out = "no" })
  t.eq(w:call("tool", { word = "ok", secret = true }), { code = 0, out = "[secret]", len = 9 })
  t.eq({ #w.proc.runs, w.proc.runs[3][2] }, { 3, "ok" })
end)

t.test("the vault and agents fail as the test wants it", function()
  local w <close> = t.site()
  w:tenant("a")
  t.err("CollectionNotFound", w:call("provision-tenant", { tenant_id = "a" }))
  w:collection("a", { K = "1" })
  w.vault:fail("VaultUnreachable")
  t.err("VaultUnreachable", w:call("provision-tenant", { tenant_id = "a" }))
  w.vault:ok()
  t.ok(w:call("provision-tenant", { tenant_id = "a" }))
  w.agents:on_start(function() return nil, { code = "ExecFailed", message = "no" } end)
  t.err("ExecFailed", w:call("spawn-local", { model = "/bin/x" }))
  t.eq(w:call("list-agents", { all = true })[1].status, "failed")
end)

t.test("hooks of an event, steps and adapters can be run by themselves", function()
  local w <close> = t.site {
    ["hooks/spawn_before/a.lua"] = "return { api = 1, summary = 'x', run = function(ctx, event)\n" ..
      "event.seen = ctx.clock.now()\nif event.model == 'bad' then return false, { code = 'NoBad', message = 'x' } end end }",
    ["steps/mine.lua"] = "return { api = 1, summary = 'x', run = function(ctx, proof)\n" ..
      "ctx.task.sleep(5)\nctx.out('hello')\nlocal c = ctx.client.connect('x')\n" ..
      "proof.rows = c:request({ cmd = 'list-tenants' }).data\nreturn true end }",
    ["vault/mine.lua"] = "return { api = 1, summary = 'x', open = function(ctx)\n" ..
      "return { fetch = function(_, name) return { { key = 'K', value = name, item = 'i' } } end, close = function() end } end }",
  }
  local event = { model = "good" }
  t.ok(w:hooks("spawn_before", event))
  t.eq(event.seen, 1767614400)
  local e = t.err("NoBad", w:hooks("spawn_before", { model = "bad" }))
  t.eq({ e.hook, e.refused }, { "spawn_before/a", true })
  local proof = {}
  t.eq(w:step("mine", proof), true)
  t.eq({ w.out[1], proof.rows }, { "hello", {} })
  local session = t.ok(w:open_vault("mine"))
  t.eq(session:fetch("c")[1].value, "c")
  session:close()
end)

t.test("effects are written down", function()
  local w <close> = t.site()
  w:collection("a", { K = "top-secret" })
  w:tenant("a")
  t.ok(w:call("provision-tenant", { tenant_id = "a" }))
  local writes = w:effects("root:write_env")
  t.eq({ #writes, writes[1][1], tostring(writes[1][2].K) }, { 1, ".env", "[secret]" })
  t.eq(w:effects("vault:fetch")[1][1], "a")
  t.eq(#w:effects("tenants:register"), 1)
  t.ok(#w:effects("db:write") >= 2)
  t.eq(#w:effects("proc.run"), 0)
end)

t.test("a broken site is told with file and line", function()
  local why = t.raises(function()
    t.site { ["commands/x.lua"] = "return {\n  api = 1,\n  oops\n  x }", ["hooks/spawn_after/y.lua"] = "return 7" }
  end, "site/commands/x.lua")
  t.ok(why:find("site/commands/x.lua:4", 1, true) and why:find("site/hooks/spawn_after/y.lua", 1, true), why)
end)

t.test("worlds do not see each other, nor this host", function()
  local a <close> = t.site({ ["commands/only.lua"] = command("read", "return { a = true }") }, { now = 5 })
  local b <close> = t.site()
  a:tenant("x")
  t.eq({ #a:call("list-tenants"), #b:call("list-tenants") }, { 1, 0 })
  t.err("UnknownCommand", b:call("only"))
  t.ok(b.clock:now() > a.clock:now())
  t.ok(a:call("reload"))
end)

-- colibri-run test PATH on a directory of small test files.
local function run(...)
  return assert(proc.run { sys.program "colibri-run", "--log-level", "error", "test", timeout = 60, cwd = "/",
    max_stdout = 65536, max_stderr = 65536, env = { COLIBRI_SHARE_DIR = sys.conf.share_dir }, ... })
end

t.test("colibri-run test takes directories, makes one plan, and says where a file is broken", function()
  local w <close> = t.site()
  local head = 'local t = require "colibri.test"\n'
  w:tree { ["tests/a_test.lua"] = head .. "t.test('one', function() t.eq(t.dir:match('[^/]*$'), 'tests') end)\n",
    ["tests/deep/b_test.lua"] = head .. "t.test('two', function() t.ok(t.dir:find('/deep$')) end)\n" ..
      "t.test('world', function() local w <close> = t.site('../site') t.ok(w:call('status')) end)\n",
    ["tests/helper.lua"] = "error('not a test')" }
  local r = run(w.dir .. "/tests")
  t.eq({ r.code, r.stdout }, { 0, "1..3\nok 1 - one\nok 2 - two\nok 3 - world\n" }, r.stderr)
  w:tree { ["tests/deep/c_test.lua"] = head .. "t.test('three', function() t.eq(1, 2) end)\n" ..
    "t.test('left', function() require('core.task').spawn_detached('x', require('core.task').sleep, 1000) end)\n" }
  r = run(w.dir .. "/tests")
  t.eq(r.code, 1)
  t.ok(r.stdout:find("not ok 4 %- three\n# .-c_test.lua:2: got 1, expected 2"), r.stdout)
  t.ok(r.stdout:find("not ok 5 - left\n# a task was left over", 1, true), r.stdout)
  w:tree { ["tests/d_test.lua"] = "local t = \n" }
  r = run(w.dir .. "/tests")
  t.eq({ r.code, r.stdout }, { 2, "" })
  t.ok(r.stderr:find("d_test.lua:", 1, true), r.stderr)
end)
