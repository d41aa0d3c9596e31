-- policy/restart and the supervision around it, on a clock that the test moves.
local core_script = require "core.script"
local sandbox = require "colibri.sandbox"
local sys = require "core.sys"
local t = require "colibri.test"

local path = sys.conf.share_dir .. "/lua/policy/restart.lua"
local policy = core_script.call(core_script.load(path, "@policy/restart.lua", sandbox.env()))

local function middle() return 0.5 end -- no jitter

local function decide(mode, run, memory, options, random)
  run.seconds, run.now = run.seconds or 0, run.now or 1000
  return policy.decide(mode, run, memory or {}, options or {}, random or middle)
end

t.test("which end is followed by a restart", function()
  local ends = { ok = { code = 0, signal = 0 }, bad = { code = 3, signal = 0 }, killed = { code = -1, signal = 9 },
    lost = { lost = true }, unstarted = { error = "ExecFailed: no" } }
  for mode, want in pairs { never = {}, ["on-failure"] = { bad = 1, killed = 1, lost = 1, unstarted = 1 },
    always = { ok = 1, bad = 1, killed = 1, lost = 1, unstarted = 1 } } do
    for name, run in pairs(ends) do
      t.eq(decide(mode, run).action, want[name] and "restart" or "end", mode .. " " .. name)
    end
  end
end)

t.test("the delay grows to its bound, with jitter; a stable run resets it", function()
  local memory, delays = {}, {}
  for i = 1, 8 do
    local d = decide("always", { code = 1, now = 1000 + i }, memory)
    delays[i], memory = d.delay, d.memory
  end
  t.eq(delays, { 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0 })
  t.eq(decide("always", { code = 1, seconds = 59 }, memory).delay, 60.0)
  local d = decide("always", { code = 1, seconds = 60 }, memory)
  t.eq({ d.delay, #d.memory.failures }, { 1.0, 1 })
  t.eq(decide("always", { code = 1 }, {}, {}, function() return 0 end).delay, 0.8)
  t.eq(decide("always", { code = 1 }, {}, {}, function() return 1 end).delay, 1.2)
  t.eq(decide("always", { code = 1 }, { streak = 64 }, { delay = 5, delay_max = 7 }).delay, 7.0)
end)

t.test("too many failures within the window are given up, with the reason", function()
  local memory = {}
  for i = 1, 2 do
    memory = decide("on-failure", { code = 7, now = 1000 + i }, memory, { tries = 3, window = 10 }).memory
  end
  local d = decide("on-failure", { code = -1, signal = 11, now = 1009 }, memory, { tries = 3, window = 10 })
  t.eq({ d.action, d.reason }, { "fail", "3 failures in 10 s, the last one: signal 11" })
  t.eq(decide("on-failure", { code = 7, now = 1011 }, memory, { tries = 3, window = 10 }).action, "restart",
    "the first one is too old")
  t.eq(decide("always", { code = 0, now = 1009 }, memory, { tries = 3, window = 10 }).action, "restart",
    "success is no failure")
end)

-- A spawn in a world; returns its id.
local function spawn(w, args)
  args.provider, args.model = args.provider or "local", "/bin/x"
  return t.ok(w:call("spawn-agent", args)).agent_id
end

local function get(w, id)
  return t.ok(w:call("get-agent", { agent_id = id }))
end

local function world(site)
  return t.site(site, { clock = "manual" })
end

t.test("an agent that fails is started again: same id, next run, after its delay", function()
  local w <close> = world()
  local id = spawn(w, { restart = "on-failure", restart_delay = 10, arg = { "a", "b" }, session_id = "s1" })
  t.eq({ get(w, id).run, get(w, id).restart }, { 1, "on-failure" })
  w.agents:last():exit(3)
  w.clock:settle()
  local row = get(w, id)
  t.eq({ row.status, row.exit_code, row.reason, row.state }, { "waiting", 3, "exit code 3", nil })
  t.ok(row.restart_at > w.clock:now())
  t.eq(#w:call("list-agents"), 1, "one that waits has not ended")
  w.clock:advance(7.9)
  t.eq(#w.agents.list, 1)
  w.clock:advance(4.2)
  row = get(w, id)
  t.eq({ #w.agents.list, row.status, row.run, row.restarts, row.exit_code }, { 2, "running", 2, 1, nil })
  local again = w.agents:last()
  t.eq({ again.argv, again.env.COLIBRI_SESSION_ID }, { { "/bin/x", "a", "b" }, "s1" })
  again:exit(0)
  w.clock:settle()
  row = get(w, id)
  t.eq({ row.status, row.exit_code, row.run }, { "exited", 0, 2 }, "success is the end")
  w.clock:advance(1000)
  t.eq(#w.agents.list, 2)
end)

t.test("n failures are the end: failed, with the reason; restart-agent begins anew", function()
  local w <close> = world()
  local id = spawn(w, { restart = "always", restart_delay = 1, restart_tries = 3, restart_window = 100 })
  for _ = 1, 3 do
    w.agents:last():exit(1)
    w.clock:advance(5)
  end
  local row = get(w, id)
  t.eq({ row.status, row.reason, row.run }, { "failed", "3 failures in 100 s, the last one: exit code 1", 3 })
  w.clock:advance(1000)
  t.eq(#w.agents.list, 3)
  t.eq(t.ok(w:call("restart-agent", { agent_id = id })).run, 4)
  t.eq(get(w, id).restarts, 0)
  w.agents:last():exit(1)
  w.clock:settle()
  t.eq(get(w, id).status, "waiting", "what it did before is forgotten")
end)

t.test("a stop is no failure; a stop of one that waits keeps it down", function()
  local w <close> = world()
  local id = spawn(w, { restart = "always" })
  t.eq(t.ok(w:call("stop-agent", { agent_id = id })).status, "exited")
  w.clock:advance(1000)
  t.eq(#w.agents.list, 1)
  t.err("AgentNotRunning", w:call("stop-agent", { agent_id = id }))
  t.ok(w:call("restart-agent", { agent_id = id }))
  w.agents:last():exit(2)
  w.clock:settle()
  t.eq(get(w, id).status, "waiting")
  t.eq({ t.ok(w:call("stop-agent", { agent_id = id })).status, get(w, id).reason }, { "exited", "stopped" })
  w.clock:advance(1000)
  t.eq(#w.agents.list, 2)
end)

t.test("restart-agent of one that runs: its end is not taken for that of the next run", function()
  local w <close> = world()
  local id = spawn(w, { restart = "always" })
  for run = 2, 5 do
    t.eq(t.ok(w:call("restart-agent", { agent_id = id })).run, run)
    w.clock:settle()
    t.eq({ get(w, id).status, get(w, id).run }, { "running", run })
  end
  t.err("AgentNotFound", w:call("restart-agent", { agent_id = "none" }))
end)

t.test("a restart that cannot start counts as a failure, and goes on", function()
  local w <close> = world()
  local id = spawn(w, { restart = "on-failure", restart_delay = 1, restart_tries = 3 })
  w.agents:on_start(function() return nil, { code = "ExecFailed", message = "no such program" } end)
  w.agents:last():exit(1)
  w.clock:advance(2)
  t.eq(get(w, id).status, "waiting")
  w.clock:advance(60)
  local row = get(w, id)
  t.eq(row.status, "failed")
  t.ok(row.reason:find("3 failures", 1, true) and row.reason:find("no such program", 1, true), row.reason)
end)

t.test("a site's policy decides; one that is broken leaves the agent ended", function()
  local w <close> = world { ["policy/restart.lua"] = [[
return { api = 1, summary = "x", decide = function(_, run)
  if run.code == 9 then error("oops") end
  return { action = "restart", delay = 3, reason = "mine", memory = {} }
end }]] }
  local id = spawn(w, {})
  w.agents:last():exit(0)
  w.clock:settle()
  t.eq({ get(w, id).status, get(w, id).reason }, { "waiting", "mine" })
  w.clock:advance(3)
  w.agents:last():exit(9)
  w.clock:settle()
  t.eq(get(w, id).status, "exited")
  t.ok(w:logged("no proper decision"))
end)

t.test("ready: at the start, by an event, by a probe; who waits for it is told", function()
  local w <close> = world { ["providers/probed.lua"] = [[
local n = 0
return { api = 1, summary = "x", command = function() return { "/bin/x" }, {} end,
  ready = function(_, agent) n = n + 1 return n > 3 and agent.run == 1 end }]] }
  local id = spawn(w, {})
  w.clock:settle()
  t.ok(get(w, id).ready)
  id = spawn(w, { ready = "event:session" })
  local pending = w:start("wait-agent", { agent_id = id, ["for"] = "ready" })
  w.clock:advance(30)
  t.ok(not pending:done() and get(w, id).ready == false)
  w.agents:last():emit { type = "session" }
  w.clock:settle()
  t.ok(pending:done() and get(w, id).ready)
  t.ok(pending:wait().ready_at)
  id = spawn(w, { provider = "probed" })
  w.clock:settle()
  t.eq(get(w, id).ready, false)
  w.clock:advance(1)
  t.ok(get(w, id).ready)
  t.err("BadParameter", w:call("spawn-agent", { provider = "local", model = "/bin/x", ready = "probe" }))
  t.err("BadParameter", w:call("spawn-agent", { provider = "local", model = "/bin/x", ready = "event:a b" }))
end)

t.test("--wait: provisioned, ready, exit, and how long", function()
  local w <close> = world()
  local spec = { provider = "local", model = "/bin/x", wait = "exit", timeout = 400 }
  local pending = w:start("spawn-agent", spec)
  w.clock:advance(330)
  t.ok(not pending:done(), "longer than a spawn may take by itself")
  w.agents:last():exit(6)
  w.clock:settle()
  local out = t.ok(pending:wait())
  t.eq({ out.status, out.exit_code }, { "exited", 6 })
  pending = w:start("spawn-agent", { provider = "local", model = "/bin/x", wait = "ready", timeout = 5, ready = "event:x" })
  w.clock:advance(6)
  t.err("DeadlineExceeded", pending:wait())
  pending = w:start("spawn-agent", { provider = "local", model = "/bin/x", wait = "ready", ready = "event:x" })
  w.clock:settle()
  w.agents:last():exit(1)
  w.clock:settle()
  t.err("AgentEnded", pending:wait())
  local e = t.err("ProvisionFailed", w:call("spawn-agent", { provider = "local", model = "/bin/x", wait = "provisioned" }))
  t.ok(e.message:find("skipped: NoJail: it has no jail", 1, true), e.message)
end)

t.test("what agents say they used is summed, whatever they say", function()
  local w <close> = world()
  local id = spawn(w, { restart = "always" })
  local agent = w.agents:last()
  agent:emit { type = "usage", input = 150, output = 80, cache_read = 200, cache_write = 50, cost_usd = 0.0042 }
  agent:emit { type = "usage", input = 1, output = -5, cache_read = "x", cost_usd = 1e300, cache_write = {} }
  w.clock:settle()
  local want = { input = 151, output = 80, cache_read = 200, cache_write = 50, cost_micros = 4200 }
  t.eq(get(w, id).usage, want)
  w.clock:advance(3)
  t.eq(get(w, id).usage, want, "out of the store")
  agent:emit { type = "usage", input = 9 }
  agent:exit(1)
  w.clock:advance(10)
  want.input = 160
  t.eq({ get(w, id).run, get(w, id).usage }, { 2, want }, "over all runs")
end)

t.test("silent for long is stalled; lists by state and jail", function()
  local w <close> = t.site(nil, { clock = "manual", conf = { stall_after = 100 } })
  local id = spawn(w, {})
  spawn(w, { jail_name = "j1" })
  w.agents:last():emit { type = "turn_start" }
  w.clock:advance(99)
  t.eq(get(w, id).stalled, false)
  w.clock:advance(1)
  t.eq(get(w, id).stalled, true)
  w.agents:last():emit { type = "queue_update" }
  w.clock:settle()
  local function list(args) return #t.ok(w:call("list-agents", args)) end
  t.eq({ list { state = "stalled" }, list { state = "blocked" }, list { state = "running" }, list { jail = "j1" },
    list { jail = "j2" }, list { state = "idle", jail = "j1" } }, { 1, 1, 2, 1, 0, 0 })
  w.agents:last():exit(0)
  w.clock:settle()
  t.eq({ list {}, list { state = "exited" }, list { state = "exited", jail = "j2" }, list { state = "failed" } },
    { 1, 1, 0, 0 }, "a state of those that have ended lists them")
end)

t.test("a dry run of restart-agent and of a spawn that waits changes nothing and ends", function()
  local w <close> = world()
  local id = spawn(w, { restart = "always" })
  for _, request in ipairs { { cmd = "restart-agent", agent_id = id, dry_run = true },
    { cmd = "spawn-local", model = "/bin/y", wait = "exit", dry_run = true } } do
    local reply = w:send(request):reply()
    t.ok(reply.ok, reply.error)
    t.ok(#reply.effects > 0)
  end
  w.clock:advance(100)
  t.eq({ #w.agents.list, get(w, id).run, get(w, id).status }, { 1, 1, "running" })
end)

local FLEETING = [[
local jid = 1
return { api = 1, summary = "x", identity = function(_, jail) return jail.name == "moved" and jid or 0 end,
  launch = function(_, jail, argv) if jail.name == "moved" then jid = jid + 1 end return argv end }]]

t.test("a jail that is destroyed and made anew during a spawn is noticed, before and after", function()
  local w <close> = t.site({ ["jail/none.lua"] = FLEETING, ["hooks/spawn_held/provision.lua"] =
    "return { api = 1, summary = 'x', run = function(_, event) event.provision = { result = 'unchanged', keys = 0 } end }" },
    { clock = "manual" })
  local function try(args)
    args.provider, args.model = "local", "/bin/x"
    return w:call("spawn-agent", args)
  end
  t.ok(try { jail_name = "stays" })
  local e = t.err("JailChanged", try { jail_name = "moved" })
  t.ok(e.message:find("(1, then 2)", 1, true), e.message)
  t.eq({ w.agents:last().running, #w:call("list-agents") }, { false, 1 }, "it was stopped")
  t.err("JailChanged", try { jail_name = "moved", provision = "before" })
  t.eq(w.agents:last().stopped_with, 9)
  local row = w:call("list-agents", { all = true, jail = "moved" })[1]
  t.eq(row.status, "failed")
  t.ok(row.reason:find("^JailChanged"), row.reason)
end)

t.test("a launcher that does not get into its jail is given up after a minute", function()
  local w <close> = t.site({ ["jail/none.lua"] = "return { api = 1, summary = 'x', launch = function(_, _, argv) " ..
    "return argv end }", ["hooks/spawn_held/provision.lua"] =
    "return { api = 1, summary = 'x', run = function() error 'too early' end }" }, { clock = "manual" })
  w:tree { ["jails/j/bin/sh"] = "" }
  w.agents:on_start(function(spec)
    t.eq(spec.gate, "jail")
    return true
  end)
  w.agents.enter = false
  local request = w:send { cmd = "spawn-local", model = "/bin/x", jail_name = "j", jail_root = w.base .. "/j",
    provision = "before" }
  w.clock:advance(59)
  t.eq(w:call("list-agents")[1].status, "starting")
  t.eq(w.agents:last().argv[1], "/bin/sh")
  w.clock:advance(1)
  local reply = request:reply()
  t.eq({ reply.error.code, reply.error.message },
    { "JailNotEntered", "the launcher did not enter the jail in 60 seconds" })
  t.eq({ w.agents:last().stopped_with, w:call("list-agents", { all = true })[1].status }, { 9, "failed" })
end)

t.test("ctx.jail: what is known of a jail, and how something would start in it", function()
  local w <close> = t.site { ["commands/plan.lua"] = [[
return { api = 1, summary = "x", access = "read", run = function(ctx)
  local plan = ctx.jail:plan({ name = "j", backend = "none" }, { "/bin/x", "1" }, { A = "b" })
  local none, e = ctx.jail:plan({ backend = "nope" }, { "/bin/x" })
  local found, why = ctx.jail:lookup("j")
  return { argv = plan.argv, backend = plan.backend, unknown = none == nil and e.code, lookup = found or why.code }
end }]] }
  local out = t.ok(w:call("plan"))
  t.eq({ out.argv, out.backend, out.unknown }, { { "/bin/x", "1" }, "none", "UnknownBackend" })
  t.ok(out.lookup == "JailUnsupported" or out.lookup == "JailNotFound", out.lookup)
end)

-- While fn runs, the store takes no change of an agent's row, as if its disk was full.
local function without_store(w, fn)
  local function exec(sql)
    t.ok(w:run(function() return w:ctx().db:write(function(tx) return tx:exec(sql) end) end))
  end
  exec "CREATE TRIGGER full BEFORE UPDATE ON agents BEGIN SELECT RAISE(ABORT, 'full'); END"
  fn()
  exec "DROP TRIGGER full"
end

t.test("an end that the store cannot take is written down, and followed, once it can", function()
  local w <close> = world()
  local id = spawn(w, { restart = "on-failure", restart_delay = 1 })
  local once = spawn(w, {})
  without_store(w, function()
    w.agents.list[1]:exit(3)
    w.agents.list[2]:exit(4)
    w.clock:advance(200)
    t.eq({ get(w, id).status, #w.agents.list }, { "running", 2 })
    t.err("AgentBusy", w:call("restart-agent", { agent_id = id }))
  end)
  w.clock:advance(61)
  local row = get(w, once)
  t.eq({ row.status, row.exit_code, row.ended_at - row.started_at }, { "exited", 4, 0 })
  w.clock:advance(5)
  t.eq({ get(w, id).status, get(w, id).run, #w.agents.list }, { "running", 2, 3 })
  w.clock:advance(1000)
  t.eq(#w.agents.list, 3)
end)

t.test("a restart that the store cannot take is tried again", function()
  local w <close> = world()
  local id = spawn(w, { restart = "always", restart_delay = 1 })
  w.agents:last():exit(3)
  w.clock:settle()
  without_store(w, function()
    w.clock:advance(100)
    t.eq(get(w, id).status, "waiting")
    t.err("StoreConstraint", w:call("restart-agent", { agent_id = id }))
    t.err("StoreConstraint", w:call("stop-agent", { agent_id = id }))
  end)
  w.clock:advance(11)
  t.eq({ get(w, id).status, get(w, id).run }, { "running", 2 })
end)

t.test("a spawn that the store cannot take leaves no agent behind, and says so once it can", function()
  local w <close> = world()
  without_store(w, function()
    t.err("StoreConstraint", w:call("spawn-local", { model = "/bin/x" }))
    t.eq(w.agents:last().stopped_with, 9)
  end)
  w.clock:advance(61)
  local rows = t.ok(w:call("list-agents", { all = true }))
  t.eq({ #rows, rows[1].status }, { 1, "failed" })
  t.ok(rows[1].reason:find "^StoreConstraint", rows[1].reason)
end)

t.test("stop-agent while an end is not written down yet: there is no next run", function()
  local w <close> = world()
  local id = spawn(w, { restart = "always", restart_delay = 1 })
  local stop
  without_store(w, function()
    w.agents:last():exit(3)
    w.clock:settle()
    stop = w:start("stop-agent", { agent_id = id })
    w.clock:settle()
  end)
  w.clock:advance(2)
  t.eq({ t.ok(stop:wait()).status, get(w, id).reason }, { "exited", "stopped" })
  w.clock:advance(100)
  t.eq(#w.agents.list, 1)
end)

t.test("between two runs an agent is not ready", function()
  local w <close> = world()
  local id = spawn(w, { restart = "always", restart_delay = 10 })
  w.agents:last():exit(3)
  w.clock:settle()
  local pending = w:start("wait-agent", { agent_id = id, ["for"] = "ready" })
  w.clock:settle()
  t.ok(not pending:done())
  w.clock:advance(13)
  t.eq(pending:wait().run, 2)
end)

t.test("output that did not get into a log is told", function()
  local w <close> = world()
  spawn(w, {})
  w.agents:last().log_lost = 7
  w.agents:last():exit(0)
  w.clock:settle()
  t.eq(w:logged("could not be kept").fields.bytes, 7)
end)

t.test("a provider that breaks, or never comes back, before a next run: that is a failed run", function()
  local w <close> = world { ["providers/frail.lua"] = [[
return { api = 1, summary = "x", command = function(_, spawn)
  if spawn.run == 2 then error("oops") end
  while spawn.run == 4 do end
  return { "/bin/x" }, {} end }]] }
  local id = spawn(w, { provider = "frail", restart = "always", restart_delay = 1 })
  w.agents:last():exit(1)
  w.clock:advance(2)
  local row = get(w, id)
  t.eq({ row.status, row.run }, { "waiting", 2 })
  t.ok(row.reason:find("oops", 1, true), row.reason)
  w.clock:advance(10)
  t.eq({ get(w, id).status, get(w, id).run }, { "running", 3 })
  w.agents:last():exit(1)
  w.clock:advance(10)
  t.eventually(function() return get(w, id).status == "failed" end, 20)
  t.eq(get(w, id).run, 4)
end)

t.test("a probe that waits for ever, or breaks, is asked again", function()
  local w <close> = world { ["providers/probed.lua"] = [[
local n = 0
return { api = 1, summary = "x", command = function() return { "/bin/x" }, {} end,
  ready = function(ctx)
    n = n + 1
    if n == 1 then ctx.task.sleep(1e6) elseif n == 2 then error("oops") end
    return true
  end }]] }
  local id = spawn(w, { provider = "probed" })
  w.clock:advance(29)
  t.eq(get(w, id).ready, false)
  w.clock:advance(10)
  t.eq(get(w, id).ready, true)
  t.ok(w:logged("probe failed"))
end)

t.test("usage that the store cannot take is kept until it can", function()
  local w <close> = world()
  local id, once = spawn(w, {}), spawn(w, {})
  without_store(w, function()
    w.agents.list[1]:emit { type = "usage", input = 5 }
    w.clock:advance(3)
    w.agents.list[1]:emit { type = "usage", input = 2 }
    w.agents.list[2]:emit { type = "usage", input = 9 }
    w.clock:settle()
    w.agents.list[2]:exit(0)
    w.clock:advance(30)
  end)
  w.clock:advance(61)
  t.eq({ get(w, id).usage.input, get(w, once).usage.input }, { 7, 9 })
  w.agents.list[1]:exit(0)
  w.clock:advance(1)
  t.eq(get(w, id).usage.input, 7)
end)
