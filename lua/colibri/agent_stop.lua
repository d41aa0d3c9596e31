-- agent_stop.lua - stopping agents: one, or all of them.

local core_agent = require "core.agent"
local ephemeral = require "colibri.ephemeral"
local err = require "colibri.err"
local json = require "core.json"
local restart = require "colibri.agent_restart"
local store = require "colibri.agent_store"
local sys = require "core.sys"
local task = require "core.task"

local M = {}

local live = store.live

local GRACE = 5 -- seconds from the signal to KILL

local SIGNALS = { HUP = 1, INT = 2, QUIT = 3, KILL = 9, TERM = 15, USR1 = 10, USR2 = 12 }
if sys.platform == "freebsd" then
  SIGNALS.USR1, SIGNALS.USR2 = 30, 31
end

--- The names that --signal takes.
M.SIGNALS = { "TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "KILL" }

-- Ask the processes to end, and wait until they have.
local function stop_processes(agent_id, known, grace, signal)
  known.stopping = true
  if not known.handle then
    return core_agent.stop_found(store.dir(agent_id), signal == SIGNALS.KILL and 0 or grace)
  end
  local ended, e = known.handle:stop(signal, grace)
  if ended and live[agent_id] == known then
    store.ending[agent_id] = known -- its report is still to come
  end
  return ended, e
end

-- What the reply says besides the row.
local function with_victims(row, ended)
  row.signalled, row.killed = ended.signalled, ended.killed
  if ended.victims and ended.victims ~= "" then
    row.victims = json.array {}
    for word in ended.victims:gmatch("[^,]+") do
      row.victims[#row.victims + 1] = word
    end
  end
  return row
end

--- Stop an agent: the signal (TERM) to its processes, KILL after the grace.
-- Waits until they are gone. One that waits for its restart will not be started.
-- @param agents the facade of a request
-- @param options { grace = seconds, signal = name } | nil
-- @return row, with signalled, killed (how many processes) and victims ("pid:name") | nil, err(AgentNotFound, AgentNotRunning)
function M.one(agents, agent_id, options)
  local ctx = agents.ctx
  local row, e = agents:get(agent_id)
  if not row then
    return nil, e
  end
  local known = live[agent_id]
  if not known then
    local waited = row.status == "waiting" and restart.cancel(ctx, agent_id)
    if waited then
      ephemeral.ended(ctx, agent_id)
      return agents:get(agent_id)
    end
    return nil, err.new("AgentNotRunning", "agent '%s' is not running (status %s)", agent_id, row.status)
  end
  local ok, ended = true, nil
  if row.restart ~= "never" then
    ok, e = restart.is_wanted(ctx, agent_id)
  end
  options = options or {}
  if ok then
    ended, e = stop_processes(agent_id, known, options.grace or GRACE, SIGNALS[options.signal or "TERM"])
  end
  if not ended then
    return nil, e
  end
  ok, e = restart.ended(ctx, agent_id, ended)
  if not ok then
    return nil, e
  end
  ephemeral.ended(ctx, agent_id)
  row, e = agents:get(agent_id)
  return row and with_victims(row, ended), e
end

--- Stop all agents, also those that wait for a restart, side by side. Waits.
-- @return list of rows | nil, err of the store
function M.all(agents, options)
  local rows, e = agents:list()
  if not rows then
    return nil, e
  end
  local tasks, out = {}, json.array {}
  for i, row in ipairs(rows) do
    tasks[i] = task.go(M.one, agents, row.agent_id, options)
  end
  for i, one in ipairs(tasks) do
    local row, why = one:wait()
    if row then
      out[#out + 1] = row
    elseif why.code ~= "AgentNotRunning" and why.code ~= "AgentLost" then
      e = e or why
    else
      out[#out + 1] = agents:get(rows[i].agent_id)
    end
  end
  if e then
    return nil, e
  end
  return out
end

return M
