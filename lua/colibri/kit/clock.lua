-- kit/clock.lua - a clock that a test moves: fakes of core.clock and core.task.
--
-- Time stands still until advance() moves it. What waits for a time is a
-- sleeper; sleepers wake in the order of their times, and everything that runs
-- because of one has come to rest before the next one wakes.

local core_clock = require "core.clock"
local core_task = require "core.task"
local err = require "colibri.err"

local M = {}

local Clock = {}
Clock.__index = Clock

-- Monday, 2026-01-05 12:00:00 UTC
local DEFAULT_NOW = 1767614400

-- Loop turns after which tasks that only wait for each other are at rest.
local SETTLE_TURNS = 6

-- @param options { now = UNIX seconds }
function M.new(options)
  return setmetatable({ at = options.now or DEFAULT_NOW, passed = 0, sleepers = {}, count = 0 }, Clock)
end

--- UNIX seconds, and seconds that never go back, as core.clock.
function Clock:now()
  return self.at + self.passed + 0.0
end

function Clock:monotonic()
  return 1000.0 + self.passed
end

--- Set the UNIX time; monotonic time and sleepers do not care.
function Clock:set(now)
  self.at = now - self.passed
end

-- Have `wake` called when `seconds` have passed.
function Clock:add(seconds, wake)
  self.count = self.count + 1
  local sleeper = { due = self.passed + seconds, n = self.count, wake = wake }
  self.sleepers[sleeper] = true
  return sleeper
end

function Clock:remove(sleeper)
  self.sleepers[sleeper] = nil
end

-- The sleeper that is due first; ties in the order in which they lay down.
local function first(self)
  local best
  for sleeper in pairs(self.sleepers) do
    if not best or sleeper.due < best.due or sleeper.due == best.due and sleeper.n < best.n then
      best = sleeper
    end
  end
  return best
end

--- Seconds until the next sleeper wakes | nil when nobody sleeps.
function Clock:next()
  local sleeper = first(self)
  return sleeper and math.max(0, sleeper.due - self.passed)
end

--- Let every task run until all of them wait. Waits.
function Clock:settle() -- luacheck: ignore self
  for _ = 1, SETTLE_TURNS do
    core_task.sleep(0)
  end
end

--- Wake the sleeper that is due first; time moves on to it. Waits until
-- everything is at rest.
-- @return whether there was one
function Clock:step()
  local sleeper = first(self)
  if not sleeper then
    return false
  end
  self.passed = math.max(self.passed, sleeper.due)
  self.sleepers[sleeper] = nil
  sleeper.wake()
  self:settle()
  return true
end

--- Move time on by some seconds; whoever sleeps meanwhile wakes in order.
-- Waits until everything is at rest.
function Clock:advance(seconds)
  local target = self.passed + seconds
  self:settle()
  while true do
    local sleeper = first(self)
    if not sleeper or sleeper.due > target then
      break
    end
    self:step()
  end
  self.passed = target
end

--- The fake of core.clock.
function Clock:module()
  return {
    now = function() return self:now() end,
    monotonic = function() return self:monotonic() end,
    iso = core_clock.iso,
    fields = core_clock.fields,
  }
end

local function check_seconds(s, argument)
  if math.type(tonumber(s)) == nil or not (tonumber(s) >= 0 and tonumber(s) <= 1e9) then
    error(("bad argument #%d (not a time in seconds)"):format(argument), 3)
  end
  return tonumber(s)
end

-- Removed from the clock on every way out of a wait.
local sleeper_meta = { __close = function(guard) guard.clock:remove(guard.sleeper) end }

local Waiter = {}
Waiter.__index = Waiter

-- As waiter:wait of core.task, with a deadline on this clock.
function Waiter:wait(seconds)
  local wait = { real = core_task.waiter() }
  local sleeper
  if seconds ~= nil then
    sleeper = self.clock:add(check_seconds(seconds, 1), function()
      wait.timed_out = true
      wait.real:wake()
    end)
  end
  self.waits[wait] = true
  local _ <close> = setmetatable({}, { __close = function()
    self.waits[wait] = nil
    if sleeper then
      self.clock:remove(sleeper)
    end
  end })
  while not (wait.woken or wait.timed_out) do
    wait.real:wait()
  end
  if wait.woken then
    return true
  end
  return nil, err.new("DeadlineExceeded", "nothing came in time")
end

function Waiter:wake()
  local n = 0
  for wait in pairs(self.waits) do
    self.waits[wait] = nil
    wait.woken = true
    wait.real:wake()
    n = n + 1
  end
  return n
end

local function sleep(self, seconds)
  if seconds == 0 then
    return core_task.sleep(0)
  end
  local waiter = core_task.waiter()
  local due = false
  local sleeper = self:add(seconds, function()
    due = true
    waiter:wake()
  end)
  local _ <close> = setmetatable({ clock = self, sleeper = sleeper }, sleeper_meta)
  while not due do
    waiter:wait()
  end
end

local function timeout(self, seconds, fn, ...)
  local ended = setmetatable({ clock = self, waits = {} }, Waiter)
  local over = false
  local child = core_task.go(function(...)
    local _ <close> = setmetatable({}, { __close = function()
      over = true
      ended:wake()
    end })
    return fn(...)
  end, ...)
  if not over and not child:done() then
    ended:wait(seconds)
  end
  if over or child:done() then
    return child:wait()
  end
  child:cancel()
  return nil, err.new("DeadlineExceeded", "the deadline passed")
end

--- The fake of core.task.
-- @param hooks { started = function(handle): a detached task, deadline =
--   function(seconds): of the running task }
function Clock:task_module(hooks)
  local fake = {}
  for name, fn in pairs(core_task) do
    fake[name] = fn
  end
  fake.sleep = function(seconds, ...)
    if select("#", ...) > 0 then
      error("too many arguments", 2)
    end
    return sleep(self, check_seconds(seconds, 1))
  end
  fake.timeout = function(seconds, fn, ...)
    if type(fn) ~= "function" then
      error("bad argument #2 (function expected)", 2)
    end
    return timeout(self, check_seconds(seconds, 1), fn, ...)
  end
  fake.waiter = function() return setmetatable({ clock = self, waits = {} }, Waiter) end
  fake.deadline = function(seconds) hooks.deadline(check_seconds(seconds, 1)) end
  fake.spawn_detached = function(name, fn, ...)
    local handle = core_task.spawn_detached(name, fn, ...)
    hooks.started(handle)
    return handle
  end
  return fake
end

return M
