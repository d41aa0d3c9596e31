-- Supervision with real agents: runs of one agent, also over a daemon's death.
local t = require "colibri.test"
local core_db = require "core.db"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"

local function spawn(d, script, args)
  local request = { model = "/bin/sh", arg = { "-c", script } }
  for key, value in pairs(args or {}) do
    request[key] = value
  end
  return t.ok(d:call("spawn-local", request)).agent_id
end

local function get(d, id)
  return t.ok(d:call("get-agent", { agent_id = id }))
end

t.test("a real agent that fails gets its next runs, up to the last one", function()
  local d <close> = scratch.daemon {}
  local id = spawn(d, "echo run >>" .. d.dir .. "/runs; exit 3",
    { restart = "on-failure", restart_delay = 0.02, restart_tries = 3 })
  local row = t.ok(d:call("wait-agent", { agent_id = id, timeout = 60 }))
  t.eq({ row.status, row.run, row.restarts, row.exit_code }, { "failed", 3, 2, 3 })
  t.ok(row.reason:find("^3 failures in 600 s"), row.reason)
  t.eq(d:read("runs"), "run\nrun\nrun\n")
end)

t.test("a run never meets the shim of the one before: every restart really runs", function()
  local d <close> = scratch.daemon {}
  local id = spawn(d, "echo run >>" .. d.dir .. "/runs; exit 3",
    { restart = "on-failure", restart_delay = 0.01, stable_after = 0, restart_tries = 1000 })
  t.eventually(function() return get(d, id).run >= 15 end, 60)
  t.eq(t.ok(d:call("stop-agent", { agent_id = id })).run, get(d, id).run)
  local row = get(d, id)
  local lines = select(2, d:read("runs"):gsub("run\n", ""))
  t.ok(lines >= row.run - 1, ("%d runs, %d of them ran"):format(row.run, lines))
  for _ = 1, 5 do
    t.ok(d:call("restart-agent", { agent_id = id }))
  end
end)

t.test("the next daemon goes on: one that waits, one that ended meanwhile, one that was stopped", function()
  local d <close> = scratch.daemon {}
  local waits = spawn(d, "echo x >>" .. d.dir .. "/w; [ $(wc -l <" .. d.dir .. "/w) -ge 2 ] && exec sleep 1000; exit 1",
    { restart = "always", restart_delay = 1 })
  local dies = spawn(d, "echo x >>" .. d.dir .. "/d; exec sleep 1000", { restart = "on-failure", restart_delay = 0.01 })
  local never = spawn(d, "exec sleep 1000")
  t.eventually(function() return get(d, waits).status == "waiting" end)
  t.eq({ get(d, dies).run, get(d, never).run }, { 1, 1 })
  local pid, plain = get(d, dies).pid, get(d, never).pid
  d:crash()
  t.eq(t.ok(proc.run { "/bin/sh", "-c", ("kill -9 %d %d"):format(pid, plain) }).code, 0)
  t.eventually(function() return d:read("state/agents/" .. dies .. "/exit") and d:read("state/agents/" .. never .. "/exit") end)
  t.ok(d:start())
  t.eventually(function() return get(d, dies).run == 2 and get(d, dies).status == "running" end)
  t.eventually(function() return get(d, waits).run == 2 and get(d, waits).status == "running" end)
  local row = get(d, never)
  t.eq({ row.status, row.exit_signal, row.run }, { "exited", 9, 1 })
  t.eq(d:read("d"), "x\nx\n")
  t.eq(t.ok(d:call("stop-agent", { agent_id = dies })).status, "exited")
  t.eq(t.ok(d:call("restart-agent", { agent_id = dies })).run, 3)
  t.eq(t.ok(d:call("restart-agent", { agent_id = dies, grace = 1 })).run, 4)
end)

t.test("a clock that was set back while there was no daemon does not make an agent wait for long", function()
  local d <close> = scratch.daemon {}
  local id = spawn(d, "exit 1", { restart = "always", restart_delay = 1 })
  t.eventually(function() return get(d, id).status == "waiting" end)
  d:crash()
  local db = t.ok(core_db.open(d.dir .. "/colibri.sqlite"))
  t.ok(db:write(function(tx)
    return tx:exec "UPDATE agents SET restart_at = restart_at + 1000000, ended_at = ended_at + 1000000"
  end))
  db:close()
  t.ok(d:start())
  t.eventually(function() return get(d, id).run == 2 end, 20)
end)

t.test("agents that have ended may be very many: the newest are listed", function()
  local d <close> = scratch.daemon {}
  local id = spawn(d, "exit 0", { wait = "exit" })
  d:stop()
  local db = t.ok(core_db.open(d.dir .. "/colibri.sqlite"))
  t.ok(db:write(function(tx)
    return tx:exec([[INSERT INTO agents (agent_id, provider, model, session_id, backend, status, started_at, ended_at)
      WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000)
      SELECT printf('%036d', x), 'local', '/bin/true', 's', 'none', iif(x = 1, 'failed', 'exited'), x, x FROM c]])
  end))
  db:close()
  t.ok(d:start())
  local rows = t.ok(d:call("list-agents", { all = true }))
  t.eq({ #rows, rows[1].agent_id, rows[1000].started_at }, { 1000, id, 20000 - 998 })
  t.eq(#t.ok(d:call("list-agents", { all = true, limit = 3 })), 3)
  t.eq(t.ok(d:call("list-agents", { state = "failed" }))[1].started_at, 1)
  t.eq(#t.ok(d:call("list-agents")), 0)
end)

t.test("usage events of the test agent are summed", function()
  local d <close> = scratch.daemon {}
  local id = t.ok(d:call("spawn-local", { model = sys.program "colibri-test-agent", wait = "exit",
    arg = { "--step-ms", "0", "--hold-secs", "0", "--emit-usage" } })).agent_id
  t.eq(get(d, id).usage, { input = 150, output = 80, cache_read = 200, cache_write = 50, cost_micros = 4200 })
  local snapshot = t.ok(d:call("snapshot"))
  t.eq({ snapshot.counts.agents, #snapshot.panes }, { 0, 0 })
  local seen = t.ok(d:call("spawn-local", { model = sys.program "colibri-test-agent", ready = "event:turn_start",
    wait = "ready", arg = { "--step-ms", "0" } }))
  t.ok(seen.ready_at)
  t.eventually(function()
    snapshot = d:call("snapshot")
    return snapshot.counts.done == 1 and snapshot.panes[1].state == "done"
  end)
  t.eq({ snapshot.counts.agents, snapshot.panes[1].id }, { 1, seen.agent_id })
end)

t.test("a site's policy/states that raises or loops harms no other agent", function()
  local d <close> = scratch.daemon { log_level = "warn", flags = { "--script-instructions", "1000000" }, files = {
    ["site/policy/states.lua"] = [[
return { api = 1, summary = "x", decide = function(state, event)
  if event == "boom" then error "boom" end
  while event == "loop" do end
  return event == "fine" and "working" or state
end }]] } }
  for _, bad in ipairs { "boom", "loop" } do
    local out = t.ok(d:call("spawn-local", { model = "/bin/sh", arg = { "-c", ("echo '{\"type\":\"%s\"}'; echo '{\"type\":\"fine\"}'; " ..
      "read -r _; exit 3"):format(bad) }, input = true }))
    t.eventually(function() return d:call("get-agent", { agent_id = out.agent_id }).state == "working" end)
    t.ok(d:call("send-agent", { agent_id = out.agent_id, text = "go" }))
    t.eventually(function() return d:call("get-agent", { agent_id = out.agent_id }).exit_code == 3 end)
  end
  local log = d:stop().stderr
  t.ok(log:find("policy/states failed", 1, true), log)
end)
