-- Scripts that run away: each gets its code with file and line, the daemon lives
-- on, other clients are not delayed, and nothing is left over.
local t = require "colibri.test"
local clock = require "core.clock"
local scratch = require "colibri.scratch"
local task = require "core.task"

local HANG = 20 -- seconds after which a daemon counts as hung

-- A command `boom` with this body; the line after `run` is line 3.
local function boom(body, timeout)
  return "return { api = 1, summary = 'run away', access = 'read', timeout = " .. (timeout or 60) .. ",\n  run = function(ctx)\ndo " .. body ..
    "\n  end return {}\n  end }\n"
end

local function daemon(files, flags)
  local all = { ["site/commands/nap.lua"] =
    "return { api = 1, summary = 'sleep', access = 'read', run = function(ctx) ctx.task.sleep(0.3) return {} end }\n" }
  for name, text in pairs(files) do
    all[name] = text
  end
  return scratch.daemon { log_level = "error", files = all,
    flags = flags or { "--script-instructions", "20000000", "--script-memory", "4194304" } }
end

-- The reply of a request, and the slowest status of another connection meanwhile.
local function beside(d, request)
  local a, b = assert(d:connect()), assert(d:connect())
  assert(a:request({ cmd = "status" }, HANG))
  assert(b:request({ cmd = "status" }, HANG))
  local runaway = task.go(function() return a:request(request, HANG) end)
  local worst, answered = 0, 0
  repeat
    local started = clock.monotonic()
    local reply, e = b:request({ cmd = "status" }, HANG)
    if not reply then
      t.ok(false, "the daemon hangs: " .. tostring(e))
      d.conn:close()
      d.conn = nil
      d:crash()
      return nil, worst
    end
    worst = math.max(worst, clock.monotonic() - started)
    answered = answered + (reply.ok and 1 or 0)
  until runaway:done()
  local reply = runaway:wait()
  a:close()
  b:close()
  t.ok(answered > 0)
  return reply, worst
end

local function stats(d)
  local s = d:call("status", { full = true })
  return { tasks = s.stats.tasks, ops = s.stats.ops, fds = s.stats.fds, secrets = s.stats.secrets, open = s.server.open }
end

local function same(a, b)
  for key, value in pairs(a) do
    if b[key] ~= value then
      return false
    end
  end
  return true
end

-- Run `boom` and require code and where; measure, six tries.
local function check(body, code, line, options)
  options = options or {}
  local d <close> = daemon(options.files or { ["site/commands/boom.lua"] = boom(body) }, options.flags)
  local file = options.file or "site/commands/boom.lua"
  d:call("nap")
  t.eventually(function() return stats(d).open == 1 end)
  local before = stats(d)
  for try = 1, 6 do
    local _, idle = beside(d, { cmd = "nap" })
    local reply, during = beside(d, { cmd = options.cmd or "boom", trace = true })
    if not reply then
      return
    end
    local e = reply.error or {}
    if code then
      t.eq(e.code, code, e.message)
      if options.any_line then
        t.ok(tostring(e.where):find(file .. ":", 1, true), e.where)
      else
        t.eq(e.where, line and file .. ":" .. line)
      end
      if options.message then
        t.ok(e.message:find(options.message), e.message)
      end
      t.ok(e.traceback and e.traceback:find(file, 1, true), e.traceback)
    else
      t.eq(reply.ok, true, e.message)
    end
    if during <= idle + 0.1 then
      break
    end
    t.ok(try < 6, ("status took %.3f s beside it, %.3f s without"):format(during, idle))
  end
  t.ok(d:call("status"))
  t.eventually(function() return same(before, stats(d)) end)
  t.eq(stats(d), before, "nothing is left over")
end

local RUNAWAYS = {
  { "an endless loop", "while true do end", "BudgetExceeded", 3 },
  { "an endless loop of calls", "local function f() end\nwhile true do f() end", "BudgetExceeded", 4 },
  { "endless recursion", "local function f() return 1 + f() end\nf()", "MemoryExceeded", 3 },
  { "endless tail calls", "local function f() return f() end\nf()", "BudgetExceeded", 3 },
  { "a loop of pcalls", "while true do pcall(error, 'x') end", "BudgetExceeded", 3 },
  { "a pcall around the loop", "pcall(function()\nwhile true do end end)\nwhile true do end", "BudgetExceeded", 4 },
  { "nested pcalls that retry", "local function f() while true do pcall(function() while true do end end) end end\nf()",
    "BudgetExceeded", 3 },
  { "xpcall with a handler that loops", "xpcall(error, function()\nwhile true do end end)", "BudgetExceeded", 4 },
  { "a loop in a coroutine", "coroutine.wrap(function()\nwhile true do end end)()", "BudgetExceeded", 4 },
  { "a loop in nested coroutines", "local wrap = coroutine.wrap\nwrap(function() wrap(function() wrap(function()\n" ..
    "while true do end end)() end)() end)()", "BudgetExceeded", 5 },
  { "coroutines for ever", "while true do coroutine.wrap(function() end)() end", "BudgetExceeded", 3 },
  { "a loop in a comparator", "table.sort({ 1, 2, 3 }, function()\nwhile true do end end)", "BudgetExceeded", 4 },
  { "the same with a pcall", "table.sort({ 1, 2, 3 }, function()\nwhile true do pcall(error) end end)",
    "BudgetExceeded", 4 },
  { "the same with a close handler that loops too", "table.sort({ 1, 2, 3 }, function()\nlocal x <close> = " ..
    "setmetatable({}, { __close = function() while true do end end })\nwhile true do end end)", "BudgetExceeded", 5 },
  { "a close handler that loops around the comparator", "local x <close> = setmetatable({}, { __close = function() while true " ..
    "do end end })\ntable.sort({ 1, 2, 3 }, function()\nwhile true do end end)", "BudgetExceeded", 5 },
  { "a loop in a gsub callback", "('x'):gsub('x', function()\nwhile true do end end)", "BudgetExceeded", 4 },
  { "a loop in a metamethod", "local t = setmetatable({}, { __index = function()\nwhile true do end end })\nreturn t.x",
    "BudgetExceeded", 4 },
  { "a loop in a close handler",
    "local x <close> = setmetatable({}, { __close = function()\nwhile true do end end })", "BudgetExceeded", 4 },
  { "a close handler that loops after the loop",
    "local x <close> = setmetatable({}, { __close = function()\nwhile true do end end })\nwhile true do end",
    "BudgetExceeded", 5 },
  { "close handlers without end", "function new() return setmetatable({}, { __close = function()\n" ..
    "local y <close> = new()\nwhile true do end end }) end\nlocal x <close> = new()\nwhile true do end",
    "BudgetExceeded", 8, prefix = "local new\n" },
  { "a child task that loops", "local c = ctx.task.go(function()\nwhile true do end end)\nlocal v, e = c:wait()\nerror(e)",
    "BudgetExceeded", 4 },
  { "children that share the work", "for i = 1, 100 do\n" ..
    "local _, e = ctx.task.go(function() for j = 1, 1000000 do end end):wait() if e then error(e) end end",
    "BudgetExceeded", nil, any_line = true },
  { "children that loop behind a pcall", "while true do pcall(function() ctx.task.go(function()\n" ..
    "while true do end end):wait() end)\nend", "BudgetExceeded", nil, any_line = true },
  { "children that fill the memory together", "local keep = {}\nfor i = 1, 100 do keep[i] = ctx.task.go(function()\n" ..
    "local s = {} for j = 1, 20000 do s[j] = {} end ctx.task.sleep(1) end) end\n" ..
    "for i = 1, 100 do\nlocal _, e = keep[i]:wait() if e then error(e) end end",
    "MemoryExceeded", nil, any_line = true },
  { "tables for ever", "local t = {}\nwhile true do t[#t + 1] = {} end", "MemoryExceeded", 4 },
  { "one table for ever", "local t = {}\nfor i = 1, math.huge do t[i] = i end", "MemoryExceeded", 4 },
  { "a string that doubles", "local s = 'x'\nwhile true do s = s .. s end", "MemoryExceeded", 4 },
  { "string.rep", "return #('x'):rep(1 << 30)", "MemoryExceeded", 3 },
  { "string.rep to the limit of an integer", "return #('xxx'):rep(math.maxinteger)", "ScriptError", 3 },
  { "table.concat", "local s, t = ('x'):rep(100000), {}\nfor i = 1, 1000 do t[i] = s end\nreturn #table.concat(t)",
    "MemoryExceeded", 5 },
  { "gsub", "return #(('x'):rep(100000):gsub('x', ('y'):rep(100000)))", "MemoryExceeded", 3 },
  { "string.format", "local s = ('x'):rep(1 << 20)\nreturn #('%s%s%s%s%s%s%s%s'):format(s, s, s, s, s, s, s, s)",
    "MemoryExceeded", 4 },
  { "memory behind a pcall", "local t = {}\nwhile true do pcall(function()\nwhile true do t[#t + 1] = {} end end) end",
    "MemoryExceeded", 5 },
  { "memory in a coroutine", "local t = {}\ncoroutine.wrap(function()\nwhile true do t[#t + 1] = {} end end)()",
    "MemoryExceeded", 5 },
  { "an error", "error('boom')", "ScriptError", 3, message = "^boom$" },
  { "an error that is no string", "error({})", "ScriptError", 3 },
  { "error(nil)", "error(nil)", "ScriptError", 3 },
  { "calling nil", "local x\nx()", "ScriptError", 4, message = "attempt to call a nil value" },
  { "an error in a nested coroutine", "local wrap = coroutine.wrap\nwrap(function() wrap(function()\nerror('deep') end)() end)()",
    "ScriptError", 5, message = "^deep$" },
  { "an error in a coroutine, thrown on", "local co = coroutine.create(function()\nerror('deep') end)\n" ..
    "local ok, e = coroutine.resume(co)\nassert(not ok)\nerror(e, 0)", "ScriptError", 4 },
  { "a wait in a comparator is allowed", "table.sort({ 2, 1 }, function()\nctx.task.sleep(0) end)" },
  { "a wait in a gsub callback is allowed", "('x'):gsub('x', function()\nctx.task.sleep(0) end)" },
  { "a wait in a metamethod that C calls", "tostring(setmetatable({}, { __tostring = function()\nctx.task.sleep(0) end }))",
    "ScriptError", 4, message = "cannot wait here" },
  { "a wait in a transaction", "ctx.db:write(function()\nctx.task.sleep(0) end)", "ScriptError", 4,
    message = "cannot wait here" },
  { "a wait in a coroutine is allowed", "for i in coroutine.wrap(function()\nctx.task.sleep(0.001) coroutine.yield(1) end)" ..
    " do assert(i == 1) end" },
}

for _, case in ipairs(RUNAWAYS) do
  t.test(case[1], function()
    check((case.prefix or "") .. case[2], case[3], case[4], { message = case.message, any_line = case.any_line })
  end)
end

-- Library functions written in C execute no Lua instructions while they work.
local HUGE = "local a = ('x'):rep(1 << 20)\n" -- within the cap, but slow to read
local LONG = {
  { "a pattern that backtracks for ever", "return ('a'):rep(60):find(('.-'):rep(12) .. 'b')", "BudgetExceeded" },
  { "match by the function", "return string.match(('a'):rep(60), ('a*'):rep(20) .. 'b')", "BudgetExceeded" },
  { "gmatch", "for _ in ('a'):rep(60):gmatch(('.-'):rep(12) .. 'b') do end", "BudgetExceeded" },
  { "gsub", "return ('a'):rep(60):gsub(('a?'):rep(60) .. ('.-'):rep(12) .. 'b', '')", "BudgetExceeded" },
  { "backtracking behind a pcall", "while true do pcall(string.find, ('a'):rep(60), ('.-'):rep(12) .. 'b') end", "BudgetExceeded" },
  { "backtracking in a coroutine", "coroutine.wrap(string.find)(('a'):rep(60), ('.-'):rep(12) .. 'b')", "BudgetExceeded" },
  { "backtracking in a comparator", "table.sort({ 1, 2 }, function() return ('a'):rep(60):find(('.-'):rep(12) .. 'b') end)",
    "BudgetExceeded" },
  { "backtracking in a metamethod", "tostring(setmetatable({}, { __tostring = function()\n" ..
    "return ('a'):rep(60):find(('.-'):rep(12) .. 'b') end }))", "BudgetExceeded" },
  { "backtracking in a close handler", "local x <close> = setmetatable({}, { __close = function()\n" ..
    "return ('a'):rep(60):find(('.-'):rep(12) .. 'b') end })", "BudgetExceeded" },
  { "a set of a megabyte", HUGE .. "return a:find('[' .. ('y'):rep(1 << 20) .. ']')", "BudgetExceeded" },
  { "nothing, repeated for ever", "assert((''):rep(math.maxinteger) == '')" },
  { "long strings in upper case, for ever", HUGE .. "while true do a:upper() end", "BudgetExceeded" },
  { "long strings compared for ever", HUGE .. "local b = a:sub(1, -2) .. 'y'\nwhile true do local _ = a < b end", "DeadlineExceeded", 1 },
  { "long strings concatenated for ever", HUGE .. "while true do local _ = a .. 'x' end", "DeadlineExceeded", 1 },
  { "long strings formatted for ever", HUGE .. "while true do local _ = ('%s'):format(a) end", "BudgetExceeded" },
  { "packing for ever", HUGE .. "while true do string.pack('s', a) end", "BudgetExceeded" },
  { "long strings sorted", HUGE .. "local b, t = a:sub(1, -2) .. 'y', {}\nfor i = 1, 10000 do t[i] = i % 2 == 0 and a or b end\n" ..
    "table.sort(t)", "BudgetExceeded" },
  { "a comparator that contradicts itself", "local t = {}\nfor i = 1, 1000 do t[i] = i end\nfor _ = 1, 50 do\n" ..
    "table.sort(t, function() return true end) end" },
  { "a long list sorted", "local t = {}\nfor i = 1, 50000 do t[i] = i * 7919 % 50000 end\n" ..
    "table.sort(t, function(x, y) return x < y end)\nfor i = 2, #t do assert(t[i - 1] <= t[i]) end" },
  { "a long list that grows and shrinks at its end is cheap", "local t = {}\nfor i = 1, 50000 do table.insert(t, 1) end\n" ..
    "for i = 1, 50000 do table.remove(t) end\nassert(#t == 0)", "ok" },
  { "utf8.len for ever", HUGE .. "while true do utf8.len(a) end", "BudgetExceeded" },
  { "too many results", "return table.unpack({}, 1, 1000000)", "ScriptError" },
  { "insert at the front for ever", "local t = {}\nfor i = 1, 100000 do t[i] = i end\n" ..
    "while true do table.insert(t, 1, 0) table.remove(t, 1) end", "BudgetExceeded" },
  { "table.move of a huge range", "table.move({}, 1, math.maxinteger - 1, 2)" },
  { "table.insert with a huge length", "table.insert(setmetatable({}, { __len = function() return 1 << 50 end,\n" ..
    "__newindex = function() end }), 1, 1)" },
  { "table.remove with a huge length", "table.remove(setmetatable({}, { __len = function() return 1 << 50 end }), 1)" },
  { "table.concat with a huge range", "table.concat(setmetatable({}, { __index = function() return '' end }), '', 1, 1 << 50)" },
  { "a finalizer that loops", "for i = 1, 100000 do setmetatable({}, { __gc = function() while true do end end }) end" },
}

for _, case in ipairs(LONG) do
  t.test("in C: " .. case[1], function()
    local d <close> = daemon({ ["site/commands/boom.lua"] = boom(case[2], case[4]) }, { "--script-instructions",
      case[3] == "BudgetExceeded" and "5000000" or "30000000", "--script-memory", "8388608" })
    local reply = beside(d, { cmd = "boom" })
    if t.ok(reply, "a reply") then
      -- A code of its own, or an ordinary end: what counts is that it ends and
      -- that others are served meanwhile.
      local code = not reply.ok and reply.error.code or "ok"
      t.ok(not case[3] or code == case[3], code .. ": " .. tostring(reply.error and reply.error.message))
      if case[3] and not reply.ok then
        t.ok(tostring(reply.error and reply.error.where):find("^site/commands/boom.lua:%d+$"))
      else
        t.ok(code == "ok" or code == "BudgetExceeded" or code == "ScriptError" or code == "MemoryExceeded", code)
      end
      for try = 1, 6 do
        local _, idle = beside(d, { cmd = "nap" })
        local _, during = beside(d, { cmd = "boom" })
        if during <= idle + 0.1 then
          break
        end
        t.ok(try < 6, ("status took %.3f s beside it, %.3f s without"):format(during, idle))
      end
    end
  end)
end

t.test("a value that is endless as JSON is refused, as a reply and as a text", function()
  local doubling = "local v, s = { 1 }, ('x'):rep(1 << 20)\nfor i = 1, 60 do v = { v, v } end\n"
  local d <close> = daemon { ["site/commands/reply.lua"] = boom(doubling .. "if true then return v end"),
    ["site/commands/list.lua"] = boom(doubling .. "local r = {}\nfor i = 1, 10000 do r[i] = s end\nif true then return r end"),
    ["site/commands/text.lua"] = boom(doubling .. "local text, e = ctx.json.encode(v)\n" ..
      "assert(not text and e.code == 'BadValue')\nassert(not ctx.json.decode(('['):rep(65) .. (']'):rep(65)))"),
    ["site/commands/boom.lua"] = boom(doubling .. "while true do ctx.json.encode(s) end") }
  for cmd, code in pairs { reply = "BadValue", list = "BadValue", boom = "BudgetExceeded", text = false } do
    local reply = beside(d, { cmd = cmd })
    if t.ok(reply, cmd) then
      t.eq(reply.error and reply.error.code or false, code, cmd .. ": " .. tostring(reply.error and reply.error.message))
    end
  end
end)

local COUNT = "ctx.db:one('WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT %s) SELECT count(*) AS n FROM c')"

t.test("an SQL statement without end is interrupted; what kept the loop busy is named", function()
  local d <close> = scratch.daemon { log_level = "warn", files = {
    ["site/commands/endless.lua"] = boom("local row, e = " .. COUNT:format("1000000000000") ..
      "\nassert(not row and e.code == 'BudgetExceeded', e and e.message)"),
    ["site/commands/write.lua"] = boom("local ok, e = ctx.db:write(function(tx)\nreturn tx:exec('INSERT INTO audit (at, command) " ..
      "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x, x FROM c WHERE x < 0') end)\n" ..
      "assert(not ok and e.code ~= 'ScriptError', e and e.message)"),
    ["site/commands/last.lua"] = "return { api = 1, summary = 'x', access = 'read',\nrun = function(ctx) return " ..
      COUNT:format("1000000") .. " end }\n",
  } }
  for _, name in ipairs { "endless", "write", "last" } do
    local data, e = d:call(name)
    t.ok(data or name == "last", e and name .. ": " .. e.code .. ": " .. e.message)
  end
  t.ok(d:call("status"))
  local log = d:stop().stderr
  for _, where in ipairs { "endless kept the loop busy for [%d.]+ s at site/commands/endless.lua:[234]",
    "last kept the loop busy for [%d.]+ s at site/commands/last.lua:2" } do
    t.ok(log:find(where), where .. ": " .. log)
  end
end)

t.test("the wait before a request is not told as time that it kept the loop busy", function()
  local d <close> = scratch.daemon { log_level = "warn" }
  for _ = 1, 2 do
    task.sleep(1.2)
    t.ok(d:call("status"))
  end
  for seconds in d:stop().stderr:gmatch("kept the loop busy for ([%d.]+) s") do
    t.ok(tonumber(seconds) < 1, seconds)
  end
end)

-- As a hook, with the settings that are shipped.
for name, case in pairs {
  ["backtracks for ever"] = { "local _ = ('a'):rep(60):find(('.-'):rep(12) .. 'b')", "BudgetExceeded" },
  ["loops for ever"] = { "while true do end", "BudgetExceeded" },
  ["allocates tables for ever"] = { "local t = {} while true do t[#t + 1] = {} end", "MemoryExceeded" },
  ["allocates tables behind a pcall"] = { "local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end",
    "MemoryExceeded" },
  ["allocates a string for ever"] = { "local s = 'x' while true do s = s .. s end", "MemoryExceeded" },
  ["collects tables for ever"] = { "while true do local t = {} for i = 1, 10000 do t[i] = {} end end", "BudgetExceeded" },
  ["raises"] = { "error('boom')", "ScriptError" },
} do
  t.test("default limits: a hook that " .. name, function()
    check(nil, case[2], 4, { flags = {}, cmd = "nap2", file = "site/hooks/authorize/zz.lua", files = {
      ["site/commands/nap2.lua"] = "return { api = 1, summary = 'x', access = 'read', run = function() return {} end }\n",
      ["site/hooks/authorize/zz.lua"] = "return { api = 1, summary = 'x', run = function(ctx, event)\n" ..
        "  if event.command == 'nap2' then\n    local done\n    " .. case[1] .. "\n  end\nend }\n",
    } })
  end)
end

-- Turns of 1 to 40 instructions more: some fit evenly into the 1,000 between two looks,
-- which then always find the library at work.
t.test("a loop around a function of the library is ended, however long its turns", function()
  local files = {}
  for n = 0, 40 do
    files[("site/commands/boom%d.lua"):format(n)] = boom("local a, u = 0, ctx.audit while true do " ..
      ("a = 1 "):rep(n) .. " u:subject 'x' end")
  end
  local d <close> = daemon(files, { "--script-instructions", "1000000" })
  local spare <close> = d:connect()
  for n = 0, 40 do
    local reply = spare:request({ cmd = "boom" .. n }, HANG)
    t.eq(reply and reply.error and reply.error.code, "BudgetExceeded", n)
    if not reply then
      d:crash()
      return
    end
  end
end)

t.test("a kill leaves the next request its limits, whatever ended the last one", function()
  local d <close> = daemon { ["site/commands/loop.lua"] = boom("while true do end"),
    ["site/commands/sort.lua"] = boom("table.sort({ 1, 2, 3 }, function() while true do end end)"),
    ["site/commands/fat.lua"] = boom("local t = {} while true do t[#t + 1] = {} end"),
    ["site/commands/concat.lua"] = boom("table.concat(setmetatable({}, { __index = function() return '' end }), '', 1, 1 << 50)") }
  for _, cmd in ipairs { "sort", "loop", "sort", "concat", "fat", "concat", "concat", "loop", "fat", "loop" } do
    local reply = beside(d, { cmd = cmd })
    if not reply then
      t.ok(false, "in " .. cmd)
      return
    end
    local want = { fat = "MemoryExceeded", concat = "ScriptError" }
    t.eq(reply.error and reply.error.code, want[cmd] or "BudgetExceeded", cmd)
  end
end)

t.test("many runaways at once", function()
  local d <close> = daemon { ["site/commands/boom.lua"] = boom("while true do end"),
    ["site/commands/fat.lua"] = boom("local t = {} while true do t[#t + 1] = {} end") }
  t.eventually(function() return stats(d).open == 1 end)
  local before = stats(d)
  local tasks, conns = {}, {}
  for i = 1, 20 do
    conns[i] = assert(d:connect())
    tasks[i] = task.go(function() return conns[i]:request({ cmd = i % 2 == 0 and "boom" or "fat" }, 60) end)
  end
  for i = 1, 20 do
    local reply = tasks[i]:wait()
    t.eq(reply and reply.error and reply.error.code, i % 2 == 0 and "BudgetExceeded" or "MemoryExceeded")
    conns[i]:close()
  end
  t.eventually(function() return same(before, stats(d)) end)
end)

t.test("the memory of Lua in all is bounded too", function()
  local d <close> = daemon({ ["site/commands/boom.lua"] = boom("local t = {} while true do t[#t + 1] = {} end") },
    { "--lua-memory", "16777216", "--script-memory", "1073741824" })
  local _, e = d:call("boom")
  t.eq(e and e.code, "MemoryExceeded", e and e.message)
  t.ok(d:call("status"))
  for _ = 1, 5 do
    d:call("boom")
  end
  t.ok(d:call("status").version)
end)
