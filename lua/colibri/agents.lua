-- agents.lua - agents, as requests see them: `ctx.agents`.
--
-- Spawned by agent_spawn.lua, watched by agent_watch.lua, started again by
-- agent_restart.lua; what is known of them is in agent_store.lua.

local agent_adopt = require "colibri.agent_adopt"
local agent_input = require "colibri.agent_input"
local agent_logs = require "colibri.agent_logs"
local agent_spawn = require "colibri.agent_spawn"
local agent_stop = require "colibri.agent_stop"
local checked = require "colibri.checked"
local agent_wait = require "colibri.agent_wait"
local err = require "colibri.err"
local events = require "colibri.events"
local json = require "core.json"
local limits = require "colibri.agent_limits"
local restart = require "colibri.agent_restart"
local store = require "colibri.agent_store"

local M = {}

local Agents = {}
Agents.__index = Agents

local live, COLUMNS, with_live = store.live, store.COLUMNS, store.with_live

--- The agents as a request may see and change them: `ctx.agents`.
function M.bind(ctx)
  return setmetatable({ ctx = ctx }, Agents)
end

-- The whole id of the agent that a change is about; the audit log is told.
local function subject(self, agent_id, detail)
  local id, e = store.resolve(self.ctx, agent_id)
  self.ctx.audit:subject(id or agent_id, detail)
  return id, e
end

--- One agent, by its id or the beginning of it (agent_store.resolve).
-- @param more boolean|nil: with its limits and what it uses
-- @return row | nil, err(AgentNotFound)
function Agents:get(agent_id, more)
  local id, e = store.resolve(self.ctx, agent_id)
  if not id then
    return nil, e
  end
  local row
  row, e = self.ctx.db:one("SELECT spec, " .. COLUMNS .. " FROM agents WHERE agent_id = ?", id)
  if not row then
    return nil, e or err.new("AgentNotFound", "no agent '%s'", id)
  end
  local spec = row.spec and json.decode(row.spec) or {}
  row.spec = nil
  with_live(row)
  if more then
    row.limits, row.cwd, row.user = spec.limits, spec.cwd, spec.user
    row.used = row.status == "running" and limits.use(row) or row.ended_at and agent_adopt.used(id) or nil
  end
  return row
end

local function matches(row, state)
  return not state or row.state == state or row.status == state or state == "stalled" and row.stalled
end

local ENDED = { exited = true, failed = true, lost = true }

--- Agents, newest first; only those that have not ended for good, unless all is true
-- or the state is one of those that have.
-- @param filter boolean|table|nil: true, or { all = boolean, state = state or status, jail = name, limit = number }
-- @return list | nil, err
function Agents:list(filter)
  if type(filter) ~= "table" then
    if filter ~= nil and type(filter) ~= "boolean" then
      error(("bad argument #1 to 'agents:list' (boolean or table expected, got %s)"):format(type(filter)), 2)
    end
    filter = { all = filter }
  end
  -- Those that have ended may be very many: what is not wanted is not read.
  local ended = ENDED[filter.state] and filter.state
  local rows, e = self.ctx.db:all("SELECT " .. COLUMNS .. [[ FROM agents
    WHERE CASE WHEN ?1 IS NOT NULL THEN status = ?1 ELSE ?2 OR status IN ]] .. store.OPEN .. [[ END
      AND (?3 IS NULL OR jail_name = ?3) ORDER BY started_at DESC, agent_id LIMIT ?4]], ended,
    filter.all and not filter.state or false, filter.jail, filter.limit or -1)
  if not rows then
    return nil, e
  end
  local out = json.array {}
  for _, row in ipairs(rows) do
    with_live(row)
    if matches(row, filter.state) then
      out[#out + 1] = row
    end
  end
  return out
end

--- Spawn an agent and run the hooks around it. Waits until it has started and
-- the hooks are done; with args.wait until it is ready, provisioned or has ended.
-- @param args the parameters of spawn-agent
-- @return { agent_id, status, pid, ..., provision = { result, code, keys } } | nil, err
function Agents:spawn(args)
  local out, e = agent_spawn.run(self.ctx, args)
  if not out then
    return nil, e
  end
  return agent_wait.after_spawn(self, out, args.wait, args.timeout)
end

--- Start an agent that has ended or waits for its restart; one that runs is
-- stopped first. Waits as spawn does.
-- @return what a spawn replies | nil, err(AgentNotFound, AgentBusy, AgentNotRestartable, ...)
function Agents:restart(agent_id, grace)
  local id, e = subject(self, agent_id)
  if not id then
    return nil, e
  end
  if live[id] then
    local row
    row, e = self:stop(id, grace)
    if not row and e.code ~= "AgentNotRunning" then
      return nil, e
    end
  end
  return restart.restart(self.ctx, id)
end

--- Wait until an agent is ready, or has ended for good.
-- @param what "ready" | "exit"
-- @param seconds number|nil: at most
-- @return row | nil, err(AgentNotFound, AgentEnded, DeadlineExceeded)
function Agents:wait(agent_id, what, seconds)
  local id, e = store.resolve(self.ctx, agent_id)
  if not id then
    return nil, e
  end
  return agent_wait.until_it(self, id, what, seconds)
end

--- Send what an agent wrote to the peer. Waits.
-- @param args the parameters of `logs`
-- @return { agent_id, position, ended } | nil, err(AgentNotFound, Disconnected)
function Agents:logs(args)
  local row, e = self:get(args.agent_id)
  if not row then
    return nil, e
  end
  args.agent_id = row.agent_id
  local stream
  stream, e = self.ctx.stream()
  if not stream then
    return nil, e
  end
  return agent_logs.send(stream, args, function()
    row = self:get(args.agent_id)
    return not row or ENDED[row.status] or false
  end)
end

--- Send what happens to the peer, until it goes away. Waits.
-- @param agent_id string|nil: only what is about this agent
-- @return nil, err(AgentNotFound, Disconnected)
function Agents:watch(agent_id)
  local row, e = {}, nil
  if agent_id then
    row, e = self:get(agent_id)
  end
  local stream
  if row then
    stream, e = self.ctx.stream()
  end
  if not stream then
    return nil, e
  end
  return events.watch(stream, row.agent_id)
end

--- Send text to an agent that reads its stdin, as its provider puts it. Waits.
-- @return { agent_id, bytes, waiting } | nil, err(AgentNotFound, AgentNotRunning, AgentNoInput, AgentNotReading)
function Agents:send(agent_id, text)
  local id, e = subject(self, agent_id, { bytes = #text })
  if not id then
    return nil, e
  end
  return agent_input.send(self, id, text)
end

--- Stop an agent: TERM to its processes, KILL after the grace. Waits until
-- they are gone. One that waits for its restart will not be started.
-- @param options number|table|nil: the grace, or { grace, signal }
-- @return row, with signalled, killed and victims | nil, err(AgentNotFound, AgentNotRunning)
function Agents:stop(agent_id, options)
  if type(options) ~= "table" then
    if options ~= nil and type(options) ~= "number" then
      error(("bad argument #2 to 'agents:stop' (number or table expected, got %s)"):format(type(options)), 2)
    end
    options = { grace = options }
  end
  local id, e = subject(self, agent_id)
  if not id then
    return nil, e
  end
  return agent_stop.one(self, id, options)
end

--- Stop all agents. Waits.
-- @param options { grace, signal } | nil
-- @return list of rows | nil, err
function Agents:stop_all(options)
  return agent_stop.all(self, options)
end

--- How many agents run: for `status`.
-- @return number, { state = number } when by_state is true, how many of them an earlier daemon started, how many
--   of those the database did not know, how many were lost since the start
function M.count(by_state)
  local n, counts, adopted, foreign = 0, by_state and {} or nil, 0, 0
  for _, known in pairs(live) do
    n = n + 1
    if known.adopted then
      adopted = adopted + 1
      foreign = foreign + (known.foreign and 1 or 0)
    end
    if counts then
      counts[known.state] = (counts[known.state] or 0) + 1
    end
  end
  return n, counts, adopted, foreign, restart.lost()
end

checked.methods(Agents, "agents", { get = "string boolean?", list = "any", spawn = "table", send = "string string",
  stop = "string any?",
  stop_all = "table?",
  restart = "string number?", logs = "table", watch = "string?", wait = "string string number?" })

return M
