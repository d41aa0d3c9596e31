-- agent_restart.lua - supervision: what follows the end of a run.
--
-- policy/restart.lua decides; this file keeps what it must remember in the
-- row, waits, and starts the next run. One agent has one id and many runs, each
-- with a number. Status `waiting`: it ended and will be started again.

local agent_spawn = require "colibri.agent_spawn"
local clock = require "core.clock"
local core_agent = require "core.agent"
local ephemeral = require "colibri.ephemeral"
local events = require "colibri.events"
local json = require "core.json"
local limits = require "colibri.agent_limits"
local log = require "colibri.log"
local script = require "core.script"
local spawn_params = require "colibri.spawn_params"
local store = require "colibri.agent_store"
local task = require "core.task"
local usage = require "colibri.agent_usage"

local M = {}

local live, ending = store.live, store.ending
local pending = {} -- agent_id -> a token of the task that will start it
local new_ctx -- function() -> ctx of the current generation

local lost = 0 -- agents, since the start
local REPORT_SECONDS = 5 -- for the report of an end that we know of already
local STORE_SECONDS = 10 -- until the next try when the store could not take a restart

--- How to make a ctx for what nobody asked for. Called once at start.
function M.setup(make_ctx)
  new_ctx = make_ctx
end

local function decode(text)
  local value = text and json.decode(text)
  return type(value) == "table" and value or {}
end

-- Ask the policy; one that is broken is logged, and the agent stays ended.
local function decide(gen, row, ended, now)
  local policy = gen.policy.restart
  if not policy or row.stop_run == row.run then
    return { action = "end" }
  end
  local run = { code = ended.code, signal = ended.signal, lost = ended.lost, error = ended.error,
    seconds = math.max((ended.ended_at or now) - row.started_at, 0), now = now }
  local ok, decision = xpcall(policy.decide, script.traceback, row.restart, run, decode(row.restart_memory),
    decode(row.spec).restart_options or {}, math.random)
  if ok and type(decision) == "table" and (decision.action ~= "restart" or type(decision.delay) == "number" and
    decision.delay >= 0 and decision.delay < 1e9) then
    return decision
  end
  log.error("agent", "policy/restart gave no proper decision", { agent = row.agent_id,
    error = not ok and tostring(decision) or nil })
  return { action = "end" }
end

-- What else is to be said of an end.
local function why(ended)
  local n = ended.oom_killed or 0
  return ended.error or n > 0 and ("memory.max: %d of its processes killed"):format(n) or nil
end

-- The columns after an end.
local function outcome(decision, ended, now)
  local code, signal = ended.code, ended.signal
  local out = { exit_code = code and code >= 0 and code or nil, exit_signal = signal and signal > 0 and signal or nil,
    ended_at = ended.ended_at or now, status = ended.lost and "lost" or ended.error and "failed" or "exited",
    reason = decision.reason or why(ended) }
  if decision.action == "restart" then
    out.status = "waiting"
    out.restart_at = math.ceil(now + decision.delay)
  elseif decision.action == "fail" then
    out.status = "failed"
  end
  return out
end

-- Within a transaction: the row of a run that has just ended | nil.
local function ended_row(tx, agent_id, ended)
  return tx:one([[SELECT agent_id, run, restart, spec, restart_memory, started_at, stop_run, status FROM agents
    WHERE agent_id = ? AND (status IN ('starting', 'running') OR (status = 'failed' AND ? = 1))]], agent_id,
    ended.error and 1 or 0)
end

local function write_end(tx, gen, agent_id, ended, pending_usage)
  local row, e = ended_row(tx, agent_id, ended)
  if not row then
    return not e and { action = "none" } or nil, e -- it was written down already, maybe in this very turn
  end
  local now = store.now()
  local decision = decide(gen, row, ended, now)
  local out = outcome(decision, ended, now)
  local ok
  ok, e = tx:exec([[UPDATE agents SET status = ?, exit_code = ?, exit_signal = ?, ended_at = ?, reason = ?,
    restart_at = ?, restart_memory = ? WHERE agent_id = ?]], out.status, out.exit_code, out.exit_signal, out.ended_at,
    out.reason, out.restart_at, decision.memory and json.encode(decision.memory), agent_id)
  if ok then
    ok, e = usage.store(tx, agent_id, pending_usage)
  end
  if not ok then
    return nil, e
  end
  decision.status, decision.run = out.status, row.run
  return decision
end

local function log_end(agent_id, ended, decision)
  local level = decision.action == "fail" and "warn" or "info"
  log[level]("agent", "agent ended", { agent = agent_id, run = decision.run, status = decision.status,
    code = ended.code, signal = ended.signal, reason = decision.action ~= "end" and decision.reason or nil,
    delay = decision.delay and ("%.1f"):format(decision.delay) })
end

-- The end of a run, in the store, and what follows from it. Waits for the commit.
local function record(ctx, agent_id, ended, pending_usage)
  local gen = new_ctx and new_ctx().gen or ctx.gen -- a dry run was not set up
  local decision, e = ctx.db:write(function(tx)
    return write_end(tx, gen, agent_id, ended, pending_usage)
  end)
  if decision and decision.action ~= "none" then
    lost = lost + (ended.lost and 1 or 0)
    log_end(agent_id, ended, decision)
    events.emit("agent", { agent_id = agent_id, status = decision.status,
      data = { code = ended.code, signal = ended.signal, run = decision.run, reason = decision.reason } })
  end
  if decision and decision.action == "restart" then
    M.schedule(agent_id, decision.delay)
  elseif decision then
    ephemeral.ended_later(ctx, agent_id)
  end
  store.changed(agent_id)
  return decision ~= nil or nil, e
end

--- A run has ended: write it down, and have it started again when the policy
-- says so. Waits for the commit; idempotent. When the store fails it is written down
-- later: until then the agent counts as running, and is not started again.
-- @param ended { code, signal, lost, ended_at, error, oom_killed }
-- @return true | nil, err
function M.ended(ctx, agent_id, ended)
  local known = live[agent_id]
  live[agent_id] = nil
  if ended.lost then
    core_agent.sweep(agent_id, store.dir(agent_id), limits.cgroup(agent_id))
  end
  ended.ended_at = ended.ended_at or store.now()
  local pending_usage = known and known.usage
  return store.insist(ctx, "end of " .. agent_id, function()
    return record(ctx, agent_id, ended, pending_usage)
  end)
end

--- How many agents were lost since the start.
function M.lost()
  return lost
end

-- The shim of the last run has told its end and is on its way out: it holds the
-- lock of the agent's directory for a moment more.
local function wait_for_shim(agent_id)
  local dir, limit = store.dir(agent_id), clock.monotonic() + REPORT_SECONDS
  local pause = 0.002
  while clock.monotonic() < limit do
    local found = core_agent.find(dir)
    if not found or found.found ~= "alive" then
      return
    end
    task.sleep(pause)
    pause = math.min(pause * 2, 0.1)
  end
end

-- The next run of an agent that waits, or has ended. Waits.
-- @return what a spawn replies | nil, err
local function start(ctx, agent_id, manual)
  local before = ending[agent_id]
  if before and not ctx.dry_run then
    -- The report of its last end is on the way; it must not count for the next run.
    local limit = clock.monotonic() + REPORT_SECONDS
    while ending[agent_id] == before and clock.monotonic() < limit do
      store.wait_change(agent_id, limit - clock.monotonic())
    end
    if ending[agent_id] == before then
      ending[agent_id] = nil
    end
  end
  if not ctx.dry_run and not live[agent_id] then
    wait_for_shim(agent_id)
  end
  local out, e = agent_spawn.again(ctx, agent_id, manual)
  if not out and e.started then
    M.ended(ctx, agent_id, { error = e.code .. ": " .. e.message })
  end
  return out, e
end

-- The store could not take a restart: it waits still.
local function try_later(agent_id, e)
  if not e.started and e.code:find "^Store" and not pending[agent_id] then
    M.schedule(agent_id, STORE_SECONDS)
  end
end

local function wait_and_start(agent_id, token, delay)
  task.sleep(delay)
  if pending[agent_id] ~= token then
    return
  end
  pending[agent_id] = nil
  -- A task of its own has the budgets that scripts have in a request.
  local out, e = task.timeout(spawn_params.TIMEOUT, start, new_ctx(), agent_id)
  if not out then
    log.warn("agent", "restart failed", { agent = agent_id, code = e.code, error = e.message })
    try_later(agent_id, e)
  end
end

--- Have an agent that waits started after some seconds.
function M.schedule(agent_id, delay)
  local token = {}
  pending[agent_id] = token
  task.spawn_detached("restart " .. agent_id, wait_and_start, agent_id, token, delay)
end

--- An agent that waits for its restart shall not be started. Waits for the commit.
-- @return boolean: it waited | nil, err
function M.cancel(ctx, agent_id)
  local n, e = ctx.db:write(function(tx)
    return tx:exec([[UPDATE agents SET status = 'exited', restart_at = NULL, reason = 'stopped'
      WHERE agent_id = ? AND status = 'waiting']], agent_id)
  end)
  if not n then
    return nil, e
  end
  pending[agent_id] = nil
  store.changed(agent_id)
  return n > 0
end

--- Before a stop is asked for: the end that comes is wanted, also when the
-- daemon is not there to see it. Waits for the commit.
-- @return true | nil, err
function M.is_wanted(ctx, agent_id)
  local n, e = ctx.db:write(function(tx)
    return tx:exec("UPDATE agents SET stop_run = run WHERE agent_id = ? AND restart <> 'never'", agent_id)
  end)
  return n ~= nil or nil, e
end

--- Start an agent that has ended or waits; what the policy remembered is forgotten.
-- Waits until it has started and the hooks are done.
-- @return what a spawn replies | nil, err(AgentNotFound, AgentBusy, AgentNotRestartable, ...)
function M.restart(ctx, agent_id)
  local waits = pending[agent_id] ~= nil
  pending[agent_id] = nil
  local out, e = start(ctx, agent_id, true)
  if not out and waits then
    try_later(agent_id, e)
  end
  return out, e
end

--- After a start of the daemon: go on with those that wait. Waits for the store.
-- @return true | nil, err
function M.resume(ctx)
  local rows, e = ctx.db:all("SELECT agent_id, restart_at, ended_at FROM agents WHERE status = 'waiting'")
  if not rows then
    return nil, e
  end
  for _, row in ipairs(rows) do
    -- Not longer than was meant: the clock may have been set back.
    local at = row.restart_at or 0
    M.schedule(row.agent_id, math.max(math.min(at - store.now(), at - (row.ended_at or 0)), 0))
  end
  return true
end

return M
