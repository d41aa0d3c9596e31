-- Library code between two waits is atomic; scripts are paused and killed.
local t = require "colibri.test"
local sync = require "colibri.sync"
local task = require "core.task"

t.test("a lock holds although its users are paused all the time", function()
  local lock = sync.lock()
  local inside, most, rounds = 0, 0, 0
  local function user()
    for _ = 1, 200 do
      local guard <close> = lock:acquire()
      inside = inside + 1
      most = math.max(most, inside)
      for _ = 1, 2000 do end -- long enough for the hook
      inside = inside - 1
      rounds = rounds + 1
    end
  end
  local users = {}
  for i = 1, 20 do
    users[i] = task.go(user)
  end
  for i = 1, 20 do
    users[i]:wait()
  end
  t.eq(most, 1)
  t.eq(rounds, 4000)
end)
