-- agents.lua - agents, as requests see them: `ctx.agents`.
--
-- Spawned by agent_spawn.lua, watched by agent_watch.lua; what is known of them
-- is in agent_store.lua.

local agent_spawn = require "colibri.agent_spawn"
local checked = require "colibri.checked"
local core_agent = require "core.agent"
local err = require "colibri.err"
local store = require "colibri.agent_store"

local M = {}

local Agents = {}
Agents.__index = Agents

local live, COLUMNS, with_live = store.live, store.COLUMNS, store.with_live

local STOP_GRACE = 5 -- seconds from TERM to KILL
local SIGTERM = 15

--- The agents as a request may see and change them: `ctx.agents`.
function M.bind(ctx)
  return setmetatable({ ctx = ctx }, Agents)
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

--- Spawn an agent and run the hooks around it. Waits until it has started and
-- the hooks are done.
-- @param args the parameters of spawn-agent
-- @return { agent_id, status, pid, ..., provision = { result, code, keys } } | nil, err
function Agents:spawn(args)
  return agent_spawn.run(self.ctx, args)
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
    ended, e = core_agent.stop_found(store.dir(agent_id), grace or STOP_GRACE)
  end
  if not ended then
    return nil, e
  end
  local ok
  ok, e = store.record_end(ctx, agent_id, ended)
  if not ok then
    return nil, e
  end
  return self:get(agent_id)
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

checked.methods(Agents, "agents", { get = "string", list = "boolean?", spawn = "table", stop = "string number?" })

return M
