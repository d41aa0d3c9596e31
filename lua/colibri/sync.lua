-- sync.lua - locks and queues for tasks, on top of core.task.waiter.

local checked = require "colibri.checked"
local task = require "core.task"

local M = {}

local Lock = {}
Lock.__index = Lock

--- A lock for tasks of this process; first come, first served.
function M.lock()
  return setmetatable({ held = false, queue = {} }, Lock)
end

local guard_meta = {
  __close = function(guard) guard:release() end,
  __index = {
    release = function(guard)
      if not guard.lock then
        return
      end
      local lock = guard.lock
      guard.lock = nil
      local following = table.remove(lock.queue, 1)
      if following then
        following.mine = true
        following.waiter:wake()
      else
        lock.held = false
      end
    end,
  },
}

-- A place in the queue; if its task ends while it waits, it gives way.
local place_meta = {
  __close = function(place)
    if place.taken then
      return
    end
    if place.mine then
      setmetatable({ lock = place.lock }, guard_meta):release()
      return
    end
    for i, other in ipairs(place.lock.queue) do
      if other == place then
        table.remove(place.lock.queue, i)
        return
      end
    end
  end,
}

--- Take the lock; waits. Use `local guard <close> = lock:acquire()`.
-- @return guard with :release() and __close
function Lock:acquire()
  if self.held then
    local place <close> = setmetatable({ lock = self, waiter = task.waiter() }, place_meta)
    self.queue[#self.queue + 1] = place
    while not place.mine do
      place.waiter:wait()
    end
    place.taken = true
  end
  self.held = true
  return setmetatable({ lock = self }, guard_meta)
end

local Queue = {}
Queue.__index = Queue

--- A queue of at most `max` values (nil: no bound).
function M.queue(max)
  return setmetatable({ first = 1, last = 0, max = max, waiter = task.waiter() }, Queue)
end

-- @return true | false when it is full
function Queue:put(value)
  if self.max and self.last - self.first + 1 >= self.max then
    return false
  end
  self.last = self.last + 1
  self[self.last] = value
  self.waiter:wake()
  return true
end

--- The oldest value; waits.
-- @param timeout number|nil: seconds
-- @return value | nil, err(DeadlineExceeded)
function Queue:get(timeout)
  while self.first > self.last do
    local ok, e = self.waiter:wait(timeout)
    if not ok then
      return nil, e
    end
  end
  local value = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  return value
end

checked.methods(Lock, "lock", { acquire = "" })
checked.methods(guard_meta.__index, "guard", { release = "" })
checked.methods(Queue, "queue", { put = "any", get = "number?" })
checked.functions(M, "sync", { lock = "", queue = "integer?" })

return M
