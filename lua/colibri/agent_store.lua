-- agent_store.lua - what is known of agents: rows in the store, and live state.
--
-- The row says what is known for good. What changes often (state, last event)
-- is kept in `live`, by agent id, for as long as the agent runs; a new daemon
-- begins it anew.

local clock = require "core.clock"
local err = require "colibri.err"
local sys = require "core.sys"
local task = require "core.task"
local usage = require "colibri.agent_usage"

local M = {}

--- agent_id -> { handle, run, state, last_event, last_event_at, adopted, ready, stopping, usage }
M.live = {}

--- agent_id -> known: ended by us, while the report of its end is still to come.
M.ending = {}

local live = M.live

--- Columns of a row, as callers see it.
M.COLUMNS = [[agent_id, status, provider, model, session_id, jail_name, jail_root_path, backend, pid, exit_code,
  exit_signal, provision_result, provision_code, started_at, ended_at, run, restart, restarts, restart_at, ready_at,
  reason, usage_input, usage_output, usage_cache_read, usage_cache_write, usage_cost_micros]]

--- Statuses of an agent that has not ended for good, for SQL.
M.OPEN = "('starting', 'running', 'waiting')"

--- UNIX seconds, whole.
function M.now()
  return math.floor(clock.now())
end

--- The directory of an agent, on the host.
function M.dir(agent_id)
  return sys.conf.state_dir .. "/agents/" .. agent_id
end

local WHOLE = 36 -- letters of an id
local SHORTEST = 4 -- beginning of one that may stand for it

--- The id that is meant by an id or by the beginning of one, as a table on a
-- terminal shows it.
-- @return string | nil, err(AgentNotFound, AgentAmbiguous)
function M.resolve(ctx, id)
  if #id >= WHOLE then
    return id
  end
  local rows, e = {}, nil
  if #id >= SHORTEST then
    rows, e = ctx.db:all("SELECT agent_id FROM agents WHERE substr(agent_id, 1, ?) = ? LIMIT 2", #id, id)
  end
  if not rows then
    return nil, e
  elseif #rows == 0 then
    return nil, err.new("AgentNotFound", "no agent '%s'", id)
  elseif #rows > 1 then
    return nil, err.new("AgentAmbiguous", "several agents begin with '%s'; name more of the id", id)
  end
  return rows[1].agent_id
end

-- Nothing was heard of it for so long that somebody should look.
local function is_stalled(row)
  local since = row.last_event_at or row.started_at
  return sys.conf.stall_after > 0 and M.now() - since >= sys.conf.stall_after
end

--- The row as callers see it: with the live state, and its usage in one table.
function M.with_live(row)
  local known = live[row.agent_id]
  row.usage = usage.of_row(row, known and known.usage)
  if (row.status == "running" or row.status == "starting") and known then
    row.state, row.last_event, row.last_event_at = known.state, known.last_event, known.last_event_at
    row.adopted, row.foreign = known.adopted, known.foreign
    row.events_dropped, row.events_malformed = known.events_dropped, known.events_malformed
    row.ready = row.ready_at ~= nil
    row.stalled = is_stalled(row)
  end
  return row
end

--- Set columns of one agent's row. Waits for the commit.
function M.update(ctx, agent_id, values)
  local sets, binds = {}, {}
  for _, column in ipairs { "status", "pid", "exit_code", "exit_signal", "provision_result", "provision_code",
    "ended_at", "ready_at", "reason", "restart_at", "stop_run" } do
    if values[column] ~= nil then
      sets[#sets + 1] = column .. " = ?"
      binds[#binds + 1] = values[column]
    end
  end
  binds[#binds + 1] = agent_id
  local sql = "UPDATE agents SET " .. table.concat(sets, ", ") .. " WHERE agent_id = ?"
  return ctx.db:write(function(tx) return tx:exec(sql, table.unpack(binds)) end)
end

local RETRY_FIRST, RETRY_MOST = 1, 60 -- seconds

--- Have a write done that nobody else would make up for: when the store fails, its
-- disk is full maybe, a task of its own tries again until it does not.
-- @param what string: name of that task
-- @param write function() -> true | nil, err; waits for the commit
-- @return what the first try gave
function M.insist(ctx, what, write)
  local ok, e = write()
  if not ok and not ctx.dry_run then
    task.spawn_detached(what, function()
      local pause = RETRY_FIRST
      repeat
        task.sleep(pause)
        pause = math.min(pause * 2, RETRY_MOST)
      until write()
    end)
  end
  return ok, e
end

-- Who waits for a change of one agent.
local waiters = {}

--- Something about this agent has changed: look again, whoever waits for it.
function M.changed(agent_id)
  local waiter = waiters[agent_id]
  if waiter then
    waiters[agent_id] = nil
    waiter:wake()
  end
end

--- Wait for a change of this agent, from now on.
-- @param seconds number|nil: at most
-- @return true | nil, err(DeadlineExceeded)
function M.wait_change(agent_id, seconds)
  local waiter = waiters[agent_id]
  if not waiter then
    waiter = task.waiter()
    waiters[agent_id] = waiter
  end
  return waiter:wait(seconds)
end

return M
