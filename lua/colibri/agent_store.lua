-- agent_store.lua - what is known of agents: rows in the store, and live state.
--
-- The row says what is known for good. What changes often (state, last event)
-- is kept in `live`, by agent id, for as long as the agent runs; a new daemon
-- begins it anew.

local clock = require "core.clock"
local log = require "colibri.log"
local sys = require "core.sys"

local M = {}

--- agent_id -> { handle, state, last_event, last_event_at, adopted }
M.live = {}

local live = M.live

--- Columns of a row, as callers see it.
M.COLUMNS = [[agent_id, status, provider, model, session_id, jail_name, jail_root_path, backend, pid, exit_code,
  exit_signal, provision_result, provision_code, started_at, ended_at]]

--- UNIX seconds, whole.
function M.now()
  return math.floor(clock.now())
end

--- The directory of an agent, on the host.
function M.dir(agent_id)
  return sys.conf.state_dir .. "/agents/" .. agent_id
end

--- The row as callers see it: with the live state.
function M.with_live(row)
  local known = live[row.agent_id]
  if row.status == "running" and known then
    row.state, row.last_event, row.last_event_at = known.state, known.last_event, known.last_event_at
    row.adopted = known.adopted
  end
  return row
end

--- Set columns of one agent's row. Waits for the commit.
function M.update(ctx, agent_id, values)
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
      signal and signal > 0 and signal or nil, ended.ended_at or M.now(), agent_id)
  end)
end

return M
