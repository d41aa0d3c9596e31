-- agent_wait.lua - waiting for an agent: until it is ready, or has ended.

local clock = require "core.clock"
local err = require "colibri.err"
local store = require "colibri.agent_store"
local task = require "core.task"

local M = {}

local DEFAULT_SECONDS, GRACE_SECONDS = 300, 30

local OPEN = { starting = true, running = true, waiting = true }

-- Is it so? Returns row | nil | nil, err when it never will be.
local function look(agents, agent_id, what)
  local row, e = agents:get(agent_id)
  if not row then
    return nil, e
  elseif not OPEN[row.status] then
    if what == "exit" then
      return row
    end
    return nil, err.new("AgentEnded", "agent '%s' ended before it was ready: status %s, %s", agent_id, row.status,
      row.reason or row.exit_signal and "signal " .. row.exit_signal or "exit code " .. tostring(row.exit_code))
  end
  -- One that waits for its next run was ready; it is not.
  return what == "ready" and row.ready_at and row.status ~= "waiting" and row or nil
end

--- Wait until an agent is ready, or has ended for good.
-- @param agents the facade of a request
-- @param what "ready" | "exit"
-- @param seconds number|nil: at most
-- @return row | nil, err(AgentNotFound, AgentEnded, DeadlineExceeded)
function M.until_it(agents, agent_id, what, seconds)
  local limit = seconds and clock.monotonic() + seconds
  while true do
    local row, e = look(agents, agent_id, what)
    if row or e then
      return row, e
    end
    local left = limit and limit - clock.monotonic()
    if left and left <= 0 then
      return nil, err.new("DeadlineExceeded", "agent '%s' %s in %g s; it goes on", agent_id,
        what == "ready" and "was not ready" or "did not end", seconds)
    end
    store.wait_change(agent_id, left)
  end
end

--- What a spawn waits for beyond its own end.
-- @param out the reply of the spawn
-- @param what nil | "provisioned" | "ready" | "exit"
-- @param seconds number|nil: at most
-- @return out, for "ready" and "exit" with the row's columns | nil, err
function M.after_spawn(agents, out, what, seconds)
  if what == "provisioned" then
    local result = out.provision
    if result.result ~= "provisioned" and result.result ~= "unchanged" then
      return nil, err.new("ProvisionFailed", "agent '%s' runs, but provision %s: %s: %s", out.agent_id, result.result,
        tostring(result.code), tostring(result.message))
    end
  elseif what and not agents.ctx.dry_run then
    seconds = seconds or DEFAULT_SECONDS
    task.deadline(seconds + GRACE_SECONDS) -- more than a spawn has
    local row, e = M.until_it(agents, out.agent_id, what, seconds)
    if not row then
      return nil, e
    end
    for _, name in ipairs { "status", "run", "ready_at", "exit_code", "exit_signal", "ended_at", "reason" } do
      out[name] = row[name]
    end
  end
  return out
end

return M
