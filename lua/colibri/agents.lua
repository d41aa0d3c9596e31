-- agents.lua - agents: spawned into a jail, watched, stopped.
--
-- The row in the store says what is known for good; what changes often (state,
-- last event) is kept in `live`, by agent id, and refreshed by supervise().

local clock = require "core.clock"
local core_agent = require "core.agent"
local err = require "colibri.err"
local hooks = require "colibri.hooks"
local json = require "core.json"
local log = require "colibri.log"
local provision = require "colibri.provision"
local sys = require "core.sys"
local task = require "core.task"

local M = {}

local Agents = {}
Agents.__index = Agents

local live = {} -- agent_id -> { handle, state, last_event, last_event_at, adopted }

local COLUMNS = [[agent_id, status, provider, model, session_id, jail_name, jail_root_path, backend, pid, exit_code,
  exit_signal, provision_result, provision_code, started_at, ended_at]]
local SPAWNED = json.ordered { "agent_id", "status", "pid", "provider", "model", "session_id", "jail_name",
  "jail_root_path", "provision" }

local STOP_GRACE = 5 -- seconds from TERM to KILL
local SIGTERM = 15

--- The agents as a request may see and change them: `ctx.agents`.
function M.bind(ctx)
  return setmetatable({ ctx = ctx }, Agents)
end

local function now()
  return math.floor(clock.now())
end

local function agent_dir(agent_id)
  return sys.conf.state_dir .. "/agents/" .. agent_id
end

-- The row as callers see it: with the live state.
local function with_live(row)
  local known = live[row.agent_id]
  if row.status == "running" and known then
    row.state, row.last_event, row.last_event_at = known.state, known.last_event, known.last_event_at
    row.adopted = known.adopted
  end
  return row
end

--- One agent.
-- @return row | nil, err(AgentNotFound)
function Agents:get(agent_id)
  local row, e = self.ctx.db:one("SELECT " .. COLUMNS .. " FROM agents WHERE agent_id = ?", agent_id)
  if not row then
    return nil, e or err.new("AgentNotFound", "no agent '%s'", agent_id)
  end
  return with_live(row)
end

--- Agents, newest first; only those that have not ended unless all is true.
-- @return list | nil, err
function Agents:list(all)
  local rows, e = self.ctx.db:all("SELECT " .. COLUMNS .. " FROM agents" ..
    (all and "" or " WHERE status IN ('starting', 'running')") .. " ORDER BY started_at DESC, agent_id")
  if not rows then
    return nil, e
  end
  for _, row in ipairs(rows) do
    with_live(row)
  end
  return rows
end

-- Set columns of one agent's row. Waits for the commit.
local function update(ctx, agent_id, values)
  local sets, binds = {}, {}
  for _, column in ipairs { "status", "pid", "exit_code", "exit_signal", "provision_result", "provision_code",
    "ended_at" } do
    if values[column] ~= nil then
      sets[#sets + 1] = column .. " = ?"
      binds[#binds + 1] = values[column]
    end
  end
  binds[#binds + 1] = agent_id
  local sql = "UPDATE agents SET " .. table.concat(sets, ", ") .. " WHERE agent_id = ?"
  return ctx.db:write(function(tx) return tx:exec(sql, table.unpack(binds)) end)
end

-- The script that answers for a name of a kind.
local function pick(gen, kind, name, code, what)
  local def = gen[kind][name]
  if not def then
    return nil, err.new(code, "no %s '%s'", what, name)
  end
  return def
end

-- argv and env of the launcher, for one spawn request.
local function plan(ctx, spawn)
  local provider, e = pick(ctx.gen, "providers", spawn.provider, "UnknownProvider", "provider")
  if not provider then
    return nil, e
  end
  local launcher
  launcher, e = pick(ctx.gen, "jail", spawn.backend, "UnknownBackend", "jail backend")
  if not launcher then
    return nil, e
  end
  local argv, env = provider.command(ctx, spawn)
  if not argv then
    return nil, env
  end
  local jail = { name = spawn.jail_name, root = spawn.jail_root }
  local launched, why = launcher.launch(ctx, jail, argv, env)
  if not launched then
    return nil, why
  end
  return { argv = launched, env = env }
end

-- The row of an agent that is about to start. Waits for the commit.
local function insert(ctx, spawn)
  return ctx.db:write(function(tx)
    return tx:exec([[INSERT INTO agents (agent_id, provider, model, session_id, jail_name, jail_root_path, backend,
      status, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'starting', ?)]], spawn.agent_id, spawn.provider, spawn.model,
      spawn.session_id, spawn.jail_name, spawn.jail_root, spawn.backend, now())
  end)
end

-- The agent did not come to life: stop what there is, say so in its row.
local function give_up(ctx, spawn, e)
  local known = live[spawn.agent_id]
  live[spawn.agent_id] = nil
  if known and known.handle then
    known.handle:stop(9, 0)
  end
  update(ctx, spawn.agent_id, { status = "failed", ended_at = now() })
  log.warn("agent", "spawn failed", { agent = spawn.agent_id, code = e.code, error = e.message })
  return nil, e
end

-- --provision before: the agent is held in front of its exec until .env is
-- there, and never runs if that fails.
local function provision_held(ctx, event)
  local ok, e = hooks.run(ctx.gen, "spawn_held", ctx, event)
  if not ok then
    return nil, e
  end
  local result = event.provision
  if result.result ~= "provisioned" and result.result ~= "unchanged" then
    e = err.new("ProvisionFailed", "the agent was not started: provision %s: %s: %s", result.result,
      tostring(result.code), tostring(result.message))
    return nil, e
  end
  return true
end

-- Start the shim, and through it the agent.
local function start(ctx, spawn, planned, event)
  local handle, e = core_agent.start { id = spawn.agent_id, dir = agent_dir(spawn.agent_id),
    shim = sys.program "colibri-agent-shim", argv = planned.argv, env = planned.env, cwd = "/",
    gate = spawn.provision == "before", grace = STOP_GRACE }
  if not handle then
    return give_up(ctx, spawn, e)
  end
  live[spawn.agent_id] = { handle = handle, state = "idle" }
  if spawn.provision == "before" then
    local ok
    ok, e = provision_held(ctx, event)
    if ok then
      ok, e = handle:go()
    end
    if not ok then
      return give_up(ctx, spawn, e)
    end
  end
  return handle
end

-- What remains of a spawn whose task was killed: an agent that runs is written
-- down as such, one that does not is put away.
local function finish_killed(ctx, spawn)
  local known = live[spawn.agent_id]
  if known and known.handle and spawn.runs then
    return update(ctx, spawn.agent_id, { status = "running", pid = known.handle:pid(), provision_result = "failed",
      provision_code = "Cancelled" })
  end
  return give_up(ctx, spawn, err.new("Cancelled", "the spawn was ended half-way"))
end

-- Closed on every way out of a spawn; in a task of its own, as this one may be killed.
local unfinished = { __close = function(guard)
  if not guard.done then
    task.spawn_detached("unfinished spawn", finish_killed, guard.ctx, guard.spawn)
  end
end }

-- The facts of a spawn request, with everything filled in.
local function complete(args)
  local spawn = { agent_id = sys.uuid(), provider = args.provider, model = args.model,
    session_id = args.session_id, system_prompt = args.system_prompt, args = args.arg or {},
    jail_name = args.jail_name, jail_root = args.jail_root, provision = args.provision }
  spawn.session_id = spawn.session_id or "session-" .. spawn.agent_id:sub(1, 8)
  spawn.backend = spawn.jail_name and sys.conf.jail_backend or "none"
  return spawn
end

--- Spawn an agent and run the hooks around it. Waits until it has started and
-- the hooks are done.
-- @param args the parameters of spawn-agent
-- @return { agent_id, status, pid, ..., provision = { result, code, keys } } | nil, err
function Agents:spawn(args)
  local ctx = self.ctx
  local spawn = complete(args)
  local planned, e = plan(ctx, spawn)
  if not planned then
    return nil, e
  end
  local event = { agent_id = spawn.agent_id, provider = spawn.provider, model = spawn.model,
    session_id = spawn.session_id, jail_name = spawn.jail_name, jail_root = spawn.jail_root,
    provision_mode = spawn.provision, provision = provision.result("skipped", { code = "NoJail" }) }
  local ok
  ok, e = hooks.run(ctx.gen, "spawn_before", ctx, event)
  if ok then
    ok, e = insert(ctx, spawn)
  end
  if not ok then
    return nil, e
  end
  ctx.audit:subject(spawn.agent_id, { jail = spawn.jail_name, model = spawn.model })
  local guard <close> = setmetatable({ ctx = ctx, spawn = spawn }, unfinished)
  local handle
  handle, e = start(ctx, spawn, planned, event)
  if not handle then
    guard.done = true -- given up already
    return nil, e
  end
  spawn.runs = true
  log.info("agent", "agent started", { agent = spawn.agent_id, jail = spawn.jail_name, pid = handle:pid() })
  local out
  out, e = self:settle(spawn, handle, event)
  guard.done = out ~= nil
  return out, e
end

--- The part of a spawn after the agent runs: hooks, then the row.
function Agents:settle(spawn, handle, event)
  local ctx = self.ctx
  local ok, e = hooks.run(ctx.gen, "spawn_after", ctx, event)
  if not ok then
    log.warn("agent", "a hook after the spawn failed", { agent = spawn.agent_id, hook = e.hook, code = e.code,
      error = e.message })
    event.provision = provision.result("failed", e)
  end
  local result = event.provision
  local code = result.code ~= json.null and result.code or nil
  ok, e = ctx.db:write(function(tx)
    return tx:exec([[UPDATE agents SET pid = ?, provision_result = ?, provision_code = ?,
      status = CASE status WHEN 'starting' THEN 'running' ELSE status END WHERE agent_id = ?]], handle:pid(),
      result.result, code, spawn.agent_id)
  end)
  if not ok then
    return nil, e
  end
  return setmetatable({ agent_id = spawn.agent_id, status = "running", pid = handle:pid(), provider = spawn.provider,
    model = spawn.model, session_id = spawn.session_id, jail_name = spawn.jail_name,
    jail_root_path = spawn.jail_root, provision = result }, SPAWNED)
end

--- Stop an agent: TERM to its processes, KILL after the grace. Waits until
-- they are gone.
-- @return { agent_id, status, exit_code, exit_signal } | nil, err(AgentNotFound, AgentNotRunning)
function Agents:stop(agent_id, grace)
  local ctx = self.ctx
  local row, e = self:get(agent_id)
  if not row then
    return nil, e
  end
  ctx.audit:subject(agent_id)
  local known = live[agent_id]
  if not known then
    return nil, err.new("AgentNotRunning", "agent '%s' is not running (status %s)", agent_id, row.status)
  end
  local ended
  if known.handle then
    ended, e = known.handle:stop(SIGTERM, grace or STOP_GRACE)
  else
    ended, e = core_agent.stop_found(agent_dir(agent_id), grace or STOP_GRACE)
  end
  if not ended then
    return nil, e
  end
  local ok
  ok, e = M.record_end(ctx, agent_id, ended)
  if not ok then
    return nil, e
  end
  return self:get(agent_id)
end

--- Write down that an agent has ended. Waits for the commit; idempotent.
function M.record_end(ctx, agent_id, ended)
  local known = live[agent_id]
  live[agent_id] = nil
  local status = ended.lost and "lost" or "exited"
  if known then
    log.info("agent", "agent ended", { agent = agent_id, status = status, code = ended.code, signal = ended.signal })
  end
  local code, signal = ended.code, ended.signal
  return ctx.db:write(function(tx)
    return tx:exec([[UPDATE agents SET status = ?, exit_code = ?, exit_signal = ?, ended_at = ?
      WHERE agent_id = ? AND status IN ('starting', 'running')]], status, code and code >= 0 and code or nil,
      signal and signal > 0 and signal or nil, ended.ended_at or now(), agent_id)
  end)
end

-- A line of an agent's stdout that looks like an event.
local function take_event(gen, known, line)
  local event = json.decode(line)
  if type(event) ~= "table" or type(event.type) ~= "string" then
    return
  end
  known.last_event, known.last_event_at = event.type, now()
  local states = gen.policy.states
  if states then
    known.state = states.decide(known.state, event.type) or known.state
  end
end

--- The supervisor: takes what agents report, for ever. One task of the daemon.
-- @param gen function returning the current generation
function M.supervise(ctx, gen)
  while true do
    local report = core_agent.next_event()
    local known = live[report.id]
    if report.type == "event" then
      if known then
        take_event(gen(), known, report.line)
      end
    else
      local ok, e = M.record_end(ctx, report.id, { code = report.code, signal = report.signal,
        lost = report.type == "lost" })
      if not ok then
        log.error("agent", "end not recorded", { agent = report.id, code = e.code, error = e.message })
      end
    end
  end
end

-- An adopted agent reports to nobody: wait until its lock is free.
local function watch_adopted(ctx, agent_id)
  local ended, e = core_agent.wait_found(agent_dir(agent_id))
  local ok
  ok, e = M.record_end(ctx, agent_id, ended or { lost = true, why = e })
  if not ok then
    log.error("agent", "end not recorded", { agent = agent_id, code = e.code, error = e.message })
  end
end

--- After a start: what became of the agents of an earlier daemon. Waits.
function M.adopt(ctx)
  local rows, e = ctx.db:all("SELECT agent_id FROM agents WHERE status IN ('starting', 'running')")
  if not rows then
    return nil, e
  end
  for _, row in ipairs(rows) do
    local found = core_agent.find(agent_dir(row.agent_id))
    if found and found.found == "alive" then
      live[row.agent_id] = { state = "idle", adopted = true }
      task.spawn_detached("agent " .. row.agent_id, watch_adopted, ctx, row.agent_id)
      log.info("agent", "agent adopted", { agent = row.agent_id })
    else
      local ok
      local ended = found and found.found == "exited" and found or { lost = true }
      ok, e = M.record_end(ctx, row.agent_id, ended)
      if not ok then
        return nil, e
      end
    end
  end
  return true
end

--- How many agents run: for `status`.
-- @return number, and { state = number } when by_state is true
function M.count(by_state)
  local n, counts = 0, by_state and {} or nil
  for _, known in pairs(live) do
    n = n + 1
    if counts then
      counts[known.state] = (counts[known.state] or 0) + 1
    end
  end
  return n, counts
end

return M
