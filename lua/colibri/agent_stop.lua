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
local CATCH_TRIES, CATCH_SECONDS = 20, 1 -- for one that is being started

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

-- The agent as it is to be stopped. One that is just being started (again) has no
-- process yet and will have one in a moment; the end of one that the store could not
-- take yet is written down in a moment; one that waits for its restart is kept from
-- it, unless that begins in this very moment.
-- @return row, known | row, nil: it waited, and is down | nil, err
local function catch(agents, agent_id)
  local row, e
  for _ = 1, CATCH_TRIES do
    row, e = agents:get(agent_id)
    local known = live[agent_id]
    if not row or known then
      return row, row and known or e
    elseif row.status == "waiting" then
      local cancelled, why = restart.cancel(agents.ctx, agent_id)
      if cancelled then
        return agents:get(agent_id)
      elseif why then
        return nil, why
      end
    elseif row.status == "starting" or row.status == "running" then
      store.wait_change(agent_id, CATCH_SECONDS)
    else
      break
    end
  end
  return nil, err.new("AgentNotRunning", "agent '%s' is not running (status %s)", agent_id, row.status)
end

--- Stop an agent: the signal (TERM) to its processes, KILL after the grace.
-- Waits until they are gone. One that waits for its restart will not be started.
-- @param agents the facade of a request
-- @param options { grace = seconds, signal = name } | nil
-- @return row, with signalled, killed (how many processes) and victims ("pid:name") | nil, err(AgentNotFound, AgentNotRunning)
function M.one(agents, agent_id, options)
  local ctx = agents.ctx
  local row, known = catch(agents, agent_id)
  if not row then
    return nil, known
  elseif not known then
    ephemeral.ended(ctx, agent_id)
    return row
  end
  local ok, ended, e = true, nil, nil
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
