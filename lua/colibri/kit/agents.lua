-- kit/agents.lua - a fake of core.agent: no process is started, agents do what
-- the test says.

local err = require "colibri.err"
local json = require "core.json"

local M = {}

local Agents = {}
Agents.__index = Agents

local SIGTERM, SIGKILL = 15, 9

-- One agent: what was to be started, and its life; also its handle.
local Agent = {}
Agent.__index = Agent

-- @param task table: the task module of the world
function M.new(task)
  return setmetatable({ task = task, list = {}, by_dir = {}, queue = {}, waiter = task.waiter(), last_pid = 4000 },
    Agents)
end

--- The agent that was started last | nil.
function Agents:last()
  return self.list[#self.list]
end

--- What starting an agent gives from now on.
-- @param fn function(spec) -> true | nil, err; nil: every start succeeds
function Agents:on_start(fn)
  self.decide = fn
end

local function report(self, fields)
  self.queue[#self.queue + 1] = fields
  self.waiter:wake()
end

-- A new table with what is known of an end, and more.
local function ending(agent, more)
  local out = more or {}
  for key, value in pairs(agent.ended) do
    out[key] = value
  end
  return out
end

local function finish(agent, code, signal)
  if agent.ended then
    return
  end
  local killed = signal == SIGKILL
  agent.ended = { code = code, signal = signal, ended_at = math.floor(agent.agents.now()), user_usec = 0, sys_usec = 0,
    max_rss_kb = 0, signalled = signal > 0 and not killed and 1 or 0, killed = killed and 1 or 0, victims = "",
    log_lost = agent.log_lost or 0, oom_killed = 0 }
  agent.running, agent.held = false, false
  report(agent.agents, ending(agent, { id = agent.spec.id, type = "ended" }))
  agent.gone:wake()
end

--- The agent prints a JSON line.
-- @param event table: with `type`
function Agent:emit(event)
  report(self.agents, { id = self.spec.id, type = "event", line = assert(json.encode(event)) })
end

--- The agent ends by itself.
function Agent:exit(code)
  finish(self, code or 0, 0)
end

--- TERM does not impress it: only KILL, after the grace.
function Agent:ignore_term()
  self.stubborn = true
end

-- The handle, as of core.agent.

-- Never, when the test has set w.agents.enter to false.
function Agent:inside()
  while self.agents.enter == false and not self.ended do
    self.gone:wait()
  end
  if self.ended then
    return nil, err.new("JailNotEntered", "the launcher ended with status %d outside the jail", self.ended.code)
  end
  return true
end

function Agent:go()
  if self.ended then
    return nil, err.new("Cancelled", "agent %s was stopped before it ran", self.spec.id)
  end
  self.held, self.running = false, true
  return self.number
end

function Agent:wait()
  while not self.ended do
    self.gone:wait()
  end
  return ending(self)
end

--- What it was sent, joined: agent.input. A test may set agent.not_reading.
function Agent:send(text)
  if self.ended then
    return nil, err.new("AgentNotRunning", "the agent has ended, or its shim does not answer")
  elseif not self.spec.stdin then
    return nil, err.new("AgentNoInput", "the agent takes no input")
  elseif self.not_reading then
    return nil, err.new("AgentNotReading", "the agent does not read its input; 262144 bytes wait")
  end
  self.input = (self.input or "") .. text
  return 0
end

function Agent:signal(signo)
  self.signalled_with = signo
end

function Agent:stop(signo, grace)
  if not self.ended then
    self.stopped_with = signo or SIGTERM
    if self.stubborn and signo ~= SIGKILL then
      self.agents.task.sleep(grace or self.spec.grace or 0)
      signo = SIGKILL
    end
    finish(self, -1, signo or SIGTERM)
  end
  return self:wait()
end

function Agent:pid()
  return self.number
end

function Agent:id()
  return self.spec.id
end

local function start(self, spec)
  for _, field in ipairs { "id", "dir", "shim" } do
    if type(spec[field]) ~= "string" then
      error(("field '%s' is missing"):format(field), 3)
    end
  end
  if type(spec.argv) ~= "table" or type(spec.argv[1]) ~= "string" then
    error("field 'argv' must be a list of strings", 3)
  end
  self.last_pid = self.last_pid + 1
  local agent = setmetatable({ agents = self, spec = spec, argv = spec.argv, env = spec.env, number = self.last_pid,
    gone = self.task.waiter(), held = spec.gate ~= nil, running = spec.gate == nil }, Agent)
  local ok, e = true, nil
  if self.decide then
    ok, e = self.decide(spec)
  end
  if not ok then
    return nil, e
  end
  self.list[#self.list + 1] = agent
  self.by_dir[spec.dir] = agent
  return agent
end

local function found(self, dir)
  local agent = self.by_dir[dir]
  if not agent then
    return { found = "gone" }
  elseif agent.ended then
    return ending(agent, { found = "exited" })
  end
  return { found = "alive", shim = agent.number + 10000, pid = agent.number }
end

-- As the record of an agent that is gone.
local function wait_found(self, dir)
  local agent = self.by_dir[dir]
  if not agent then
    return { lost = true }
  end
  agent:wait()
  return ending(agent)
end

local function attach(self, spec)
  local agent = self.by_dir[spec.dir]
  if not agent or agent.ended then
    return nil, err.new("AgentStateFailed", "agent %s has no shim", spec.id)
  end
  return agent
end

--- The fake of core.agent.
-- @param now function() -> UNIX seconds
function Agents:module(now)
  self.now = now
  return {
    start = function(spec) return start(self, spec) end,
    attach = function(spec) return attach(self, spec) end,
    find = function(dir) return found(self, dir) end,
    sweep = function() return 0 end,
    remove = function(dir)
      self.by_dir[dir] = nil
      return true
    end,
    -- What an agent wrote is `agent.log`, as one text.
    read_log = function(dir, stream, pos, max)
      local text = ((self.by_dir[dir] or {}).log or {})[stream] or ""
      if pos >= #text then
        return nil
      end
      local part = text:sub(pos + 1, pos + max)
      part = part:match("^.*\n") or part
      return part, pos + #part, 0
    end,
    log_range = function(dir, stream)
      local text = ((self.by_dir[dir] or {}).log or {})[stream] or ""
      return 0, #text, 0
    end,
    log_tail = function() return 0 end,
    stop_found = function(dir, grace)
      local agent = self.by_dir[dir]
      if agent then
        agent:stop(SIGTERM, grace)
      end
      return wait_found(self, dir)
    end,
    wait_found = function(dir) return wait_found(self, dir) end,
    next_event = function()
      while #self.queue == 0 do
        self.waiter:wait()
      end
      return table.remove(self.queue, 1)
    end,
  }
end

return M
