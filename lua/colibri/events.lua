-- events.lua - what happens in the daemon, told to whoever watches.
--
-- emit() never waits and never keeps anything for a watcher: an event goes into
-- the output of its connection, and when that is full it is counted instead.
-- Once the watcher reads again it is told how many it missed.

local clock = require "core.clock"
local err = require "colibri.err"
local json = require "core.json"
local task = require "core.task"

local M = {}

local ORDER = json.ordered { "event", "at", "agent_id", "state", "status", "data" }
local MISSED = json.ordered { "event", "count" }

local watchers = {} -- set of { stream, agent, missed, waiter }

local function tell_watchers(event)
  for watcher in pairs(watchers) do
    local wanted = not watcher.agent or watcher.agent == event.agent_id
    if wanted and (watcher.missed > 0 or not watcher.stream:send(event)) then
      watcher.missed = watcher.missed + 1
      watcher.waiter:wake()
    end
  end
end

--- Tell everybody. Does not wait.
-- @param name string: "agent", "hook_suspended", ...
-- @param fields table of names and numbers, never a secret; `agent_id` when it is about an agent
function M.emit(name, fields)
  if next(watchers) == nil then
    return
  end
  local event = setmetatable({ event = name, at = math.floor(clock.now()) }, ORDER)
  for key, value in pairs(fields) do
    event[key] = value
  end
  tell_watchers(event)
end

--- Send what happens from now on to a stream, until its peer is gone. Waits.
-- @param stream from ctx.stream()
-- @param agent string|nil: only what is about this agent
-- @return nil, err(Disconnected)
function M.watch(stream, agent)
  local watcher <close> = setmetatable({ stream = stream, agent = agent, missed = 0, waiter = task.waiter() },
    { __close = function(self) watchers[self] = nil end })
  watchers[watcher] = true
  while true do
    watcher.waiter:wait()
    local ok, e = stream:room()
    if not ok then
      return nil, e
    end
    local missed = watcher.missed
    watcher.missed = 0
    if missed > 0 and not stream:send(setmetatable({ event = "missed", count = missed }, MISSED)) then
      return nil, err.new("Disconnected", "the peer is gone")
    end
  end
end

return M
