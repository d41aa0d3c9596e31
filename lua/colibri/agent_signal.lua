-- agent_signal.lua - a signal to an agent that is not a stop.

local core_agent = require "core.agent"
local err = require "colibri.err"
local store = require "colibri.agent_store"
local sys = require "core.sys"

local M = {}

local BSD = sys.platform == "freebsd"

-- The numbers of those that one may send; systems differ.
local NUMBERS = { HUP = 1, INT = 2, QUIT = 3, TERM = 15, USR1 = BSD and 30 or 10, USR2 = BSD and 31 or 12 }

--- Send a signal to all processes of an agent.
-- @param name string: HUP, INT, QUIT, TERM, USR1, USR2
-- @return true | nil, err(AgentNotRunning, AgentStateFailed)
function M.send(agent_id, name)
  local number = NUMBERS[name] or error("no signal '" .. tostring(name) .. "'", 2)
  local known = store.live[agent_id]
  if not known then
    return nil, err.new("AgentNotRunning", "agent '%s' is not running", agent_id)
  end
  local handle, e = known.handle, nil
  if not handle then -- of an earlier daemon
    handle, e = core_agent.attach { id = agent_id, dir = store.dir(agent_id) }
  end
  if not handle then
    return nil, e
  end
  handle:signal(number)
  return true
end

return M
