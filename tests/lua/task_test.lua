-- The task core as scripts see it: waits, children, limits, kills, generators.
local t = require "colibri.test"
local task = require "core.task"
local sync = require "colibri.sync"

t.test("sleep waits and others run meanwhile", function()
  local order = {}
  local a = task.go(function() task.sleep(0.02); order[#order + 1] = "slow" end)
  local b = task.go(function() task.sleep(0.001); order[#order + 1] = "fast" end)
  a:wait()
  b:wait()
  t.eq(order, { "fast", "slow" })
end)

t.test("results and errors come out of wait", function()
  local child = task.go(function(x, y) return x + y, nil, "three" end, 1, 2)
  local a, b, c = child:wait()
  t.eq({ a, b == nil, c }, { 3, true, "three" })
  local bad = task.go(function() error("oh no") end)
  local _, e = bad:wait()
  t.eq(e.code, "ScriptError")
  t.eq(e.message, "oh no")
  t.ok(e.where:find("task_test.lua:%d+"), e.where)
  t.ok(e.traceback:find("task_test.lua"), "traceback names the file")
end)

t.test("waiting works inside pcall, metamethods, iterators and close handlers", function()
  local seen = {}
  t.ok(pcall(function() task.sleep(0); seen[1] = true end))
  local object = setmetatable({}, { __index = function(_, k) task.sleep(0); return k .. "!" end })
  t.eq(object.x, "x!")
  local function each() task.sleep(0); return nil end
  for _ in each do error("not reached") end
  do
    local guard <close> = setmetatable({}, { __close = function() task.sleep(0); seen[2] = true end })
    t.ok(guard)
  end
  t.eq(seen, { true, true })
end)

-- A value whose text is asked for by C code that cannot yield.
local function text_waits(wait)
  return setmetatable({}, { __tostring = function() wait() return "x" end })
end

t.test("waiting where Lua cannot yield is an error with file and line", function()
  local e = t.raises(function() tostring(text_waits(function() task.sleep(0) end)) end, "cannot wait here")
  t.ok(e:find("task_test.lua:%d+:"), e)
  t.raises(function() return ("%s"):format(text_waits(function() task.sleep(0) end)) end, "cannot wait here")
end)

t.test("callbacks of sort and gsub may wait", function()
  local list = { 3, 1, 2 }
  table.sort(list, function(a, b) task.sleep(0) return a > b end)
  t.eq(list, { 3, 2, 1 })
  t.eq((("abc"):gsub("%w", function(c) task.sleep(0) return c:upper() end)), "ABC")
end)

t.test("a generator may wait", function()
  local gen = coroutine.wrap(function()
    for i = 1, 3 do
      task.sleep(0.001)
      coroutine.yield(i)
    end
  end)
  local got = {}
  for i in gen do
    got[#got + 1] = i
  end
  t.eq(got, { 1, 2, 3 })
  local co = coroutine.create(function(a) local b = coroutine.yield(a + 1); task.sleep(0); return b * 2 end)
  t.eq({ coroutine.resume(co, 1) }, { true, 2 })
  t.eq({ coroutine.resume(co, 5) }, { true, 10 })
  t.eq(coroutine.status(co), "dead")
  t.eq((coroutine.resume(co)), false)
end)

t.test("a generator in a generator may wait", function()
  local outer = coroutine.wrap(function()
    local inner = coroutine.wrap(function()
      task.sleep(0.001)
      coroutine.yield("a")
      task.sleep(0.001)
      coroutine.yield("b")
    end)
    coroutine.yield(inner())
    coroutine.yield(inner())
  end)
  t.eq({ outer(), outer() }, { "a", "b" })
end)

t.test("an error in a nested coroutine names its line", function()
  local wrapped = coroutine.wrap(function() task.sleep(0); error("deep") end)
  local ok, e = pcall(wrapped)
  t.eq(ok, false)
  t.eq(e.message, "deep")
  t.ok(e.where:find("task_test.lua:%d+"), tostring(e.where))
end)

t.test("a generator cannot wait below a C function that cannot yield", function()
  local gen = coroutine.wrap(function() task.sleep(0); coroutine.yield(true) end)
  t.raises(function() tostring(text_waits(gen)) end, "cannot wait here")
end)

t.test("yield at the top of a task is an error", function()
  t.raises(function() coroutine.yield(1) end, "outside a coroutine")
end)

t.test("cancel runs close handlers, in nested coroutines too", function()
  local closed = {}
  local function guard(name)
    return setmetatable({}, { __close = function() closed[#closed + 1] = name end })
  end
  local child = task.go(function()
    local g1 <close> = guard "outer"
    local gen = coroutine.wrap(function()
      local g2 <close> = guard "inner"
      task.sleep(100)
    end)
    gen()
  end)
  task.sleep(0.001)
  t.ok(child:cancel())
  local _, e = child:wait()
  t.eq(e.code, "Cancelled")
  t.eq(closed, { "inner", "outer" })
end)

t.test("a close handler that waits during cancel gets an error; cancel completes", function()
  local text
  local child = task.go(function()
    local g <close> = setmetatable({}, { __close = function()
      local _, e = pcall(task.sleep, 1)
      text = tostring(e)
    end })
    task.sleep(100)
  end)
  task.sleep(0.001)
  child:cancel()
  t.ok(text:find("cannot wait here"), text)
end)

t.test("children end with their parent", function()
  local grandchild
  local parent = task.go(function()
    grandchild = task.go(function() task.sleep(100) end)
    return "done"
  end)
  t.eq(parent:wait(), "done")
  t.ok(grandchild:done())
end)

t.test("timeout cancels the child, never the caller", function()
  local _, e = task.timeout(0.005, function() task.sleep(100) end)
  t.eq(e.code, "DeadlineExceeded")
  t.eq(task.timeout(5, function() return "in time" end), "in time")
end)

t.test("a deadline ends a task that computes and one that waits", function()
  for _, body in ipairs { function() while true do end end, function() task.sleep(100) end } do
    local child = task.go(function()
      task.deadline(0.01)
      body()
    end)
    local _, e = child:wait()
    t.eq(e.code, "DeadlineExceeded")
  end
end)

t.test("an endless loop is paused for others and ends at its budget", function()
  local ticks = 0
  local loop = task.go(function() while true do end end)
  local ticker = task.go(function()
    while not loop:done() do
      task.sleep(0.001)
      ticks = ticks + 1
    end
  end)
  local _, e = loop:wait()
  ticker:wait()
  t.eq(e.code, "BudgetExceeded")
  t.ok(e.where:find("task_test.lua:%d+"), tostring(e.where))
  t.ok(ticks >= 3, "others ran meanwhile: " .. ticks)
end)

t.test("pcall does not catch a kill; close handlers run", function()
  local caught, closed = 0, false
  local child = task.go(function()
    local g <close> = setmetatable({}, { __close = function() closed = true end })
    while true do
      pcall(function() while true do end end)
      caught = caught + 1
    end
  end)
  local _, e = child:wait()
  t.eq(e.code, "BudgetExceeded")
  t.eq(caught, 0)
  t.ok(closed)
end)

t.test("a loop in a sort comparator ends too", function()
  local child = task.go(function()
    while true do
      pcall(table.sort, { 3, 1, 2 }, function() while true do end end)
    end
  end)
  local _, e = child:wait()
  t.eq(e.code, "BudgetExceeded")
end)

t.test("a loop in a nested coroutine is paused and ends", function()
  local child = task.go(function()
    local co = coroutine.wrap(function() while true do end end)
    while true do
      pcall(co)
    end
  end)
  task.sleep(0.001)
  local _, e = child:wait()
  t.eq(e.code, "BudgetExceeded")
end)

t.test("endless memory ends the task alone", function()
  for _, body in ipairs {
    function() local s = "x"; while true do s = s .. s end end,
    function() local list = {}; while true do list[#list + 1] = {} end end,
    function() return ("x"):rep(1 << 30) end,
    function() while true do pcall(string.rep, "x", 1 << 30) end end,
  } do
    local _, e = task.go(body):wait()
    t.ok(e and (e.code == "MemoryExceeded" or e.code == "BudgetExceeded"), tostring(e))
  end
  t.eq(#("x"):rep(1000), 1000)
end)

t.test("locks are first come, first served, and survive a cancelled waiter", function()
  local lock = sync.lock()
  local order = {}
  local first = lock:acquire()
  local function user(name)
    return task.go(function()
      local g <close> = lock:acquire()
      order[#order + 1] = name
      task.sleep(0)
    end)
  end
  local a, b, c = user "a", user "b", user "c"
  task.sleep(0.001)
  b:cancel()
  first:release()
  a:wait()
  c:wait()
  t.eq(order, { "a", "c" })
  t.eq(lock.held, false)
end)

t.test("a queue hands over values and times out", function()
  local q = sync.queue(2)
  local reader = task.go(function() return q:get(), q:get() end)
  task.sleep(0)
  t.ok(q:put(1))
  t.ok(q:put(2))
  t.eq({ reader:wait() }, { 1, 2 })
  t.err("DeadlineExceeded", q:get(0.001))
  t.ok(q:put(1) and q:put(2))
  t.eq(q:put(3), false)
end)
