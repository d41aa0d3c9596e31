-- test.lua - the test kit: cases are tasks, results are TAP.
--
--	local t = require "colibri.test"
--	t.test("a name", function() t.eq(1 + 1, 2) end)
--
-- `colibri-run test PATH...` runs the cases of each file, each as a task of its
-- own, and checks after each one that no task and no wait is left over.

local script = require "core.script"
local server = require "core.server"
local task = require "core.task"

-- dir: directory of the test file that is loaded or runs
local M = { dir = "." }

local cases = {}
local failures -- of the running case

--- Declare a case.
function M.test(name, fn)
  cases[#cases + 1] = { name = name, fn = fn, dir = M.dir }
end

--- A host of its own around a site's scripts; see kit/world.lua. Waits.
-- @param site string: the site directory, absolute or relative to the directory
--   of the test file; table: its files; nil: no site
-- @param options { now?, clock?, conf? }
-- @return world; close it, or use <close>
function M.site(site, options)
  if type(site) == "string" and site:sub(1, 1) ~= "/" then
    site = M.dir .. "/" .. site
  end
  return require("colibri.kit.world").new(site, options)
end

local function show(v, depth)
  depth = depth or 0
  if type(v) == "string" then
    return ("%q"):format(v):gsub("\\\n", "\\n")
  elseif type(v) ~= "table" or depth > 4 then
    return tostring(v)
  end
  local keys, parts = {}, {}
  for k in pairs(v) do
    keys[#keys + 1] = k
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, k in ipairs(keys) do
    parts[#parts + 1] = tostring(k) .. " = " .. show(v[k], depth + 1)
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  for k, v in pairs(a) do
    if not same(v, b[k]) then
      return false
    end
  end
  for k in pairs(b) do
    if a[k] == nil then
      return false
    end
  end
  return true
end

local function fail(level, fmt, ...)
  -- error() puts file and line in front; it does not end the case here.
  local _, where = pcall(error, fmt:format(...), level + 2)
  failures[#failures + 1] = where
end

--- Deep equality.
function M.eq(got, want, message)
  if not same(got, want) then
    fail(2, "%sgot %s, expected %s", message and message .. ": " or "", show(got), show(want))
  end
end

--- Truth; returns v.
function M.ok(v, message)
  if not v then
    local why = type(message) == "table" and message.code and message.code .. ": " .. tostring(message.message)
    fail(2, "%s", why or message and tostring(message) or "expected a true value")
  end
  return v
end

--- nil, err with this code; returns the error.
function M.err(code, v, e)
  if v ~= nil and v ~= false then
    fail(2, "expected %s, got %s", code, show(v))
  elseif type(e) ~= "table" or e.code ~= code then
    fail(2, "expected %s, got %s", code, tostring(e))
  end
  return e
end

--- fn raises something that matches the pattern; returns it as text.
function M.raises(fn, pattern)
  local ok, e = pcall(fn)
  if ok then
    fail(2, "expected an error like '%s'", pattern)
  elseif not tostring(e):find(pattern) then
    fail(2, "expected an error like '%s', got '%s'", pattern, tostring(e))
  end
  return tostring(e)
end

--- Poll until fn() is true; waits between the tries. For conditions that no
-- event tells, with a deadline (seconds, default 10).
function M.eventually(fn, seconds)
  local done = task.timeout(seconds or 10, function()
    while true do
      local v = fn()
      if v then
        return v
      end
      task.sleep(0.01)
    end
  end)
  if not done then
    fail(2, "did not come true in time")
  end
  return done
end

-- One case, as a child task; its failures as a list of texts.
-- @param run { child = its task, meanwhile; signal = what ended the run | nil }
local function run_case(case, run)
  failures, M.dir = {}, case.dir
  local tasks_before, ops_before = task.count()
  -- Under xpcall, because what is closed on the way out (a daemon) waits, and
  -- the close handlers of a task that ends by an error must not.
  local child = task.spawn_detached("case " .. case.name, function()
    local ok, e = xpcall(case.fn, script.traceback)
    if not ok then
      return nil, e
    end
  end)
  run.child = child
  local results = table.pack(child:wait())
  run.child = nil
  if run.signal then
    return failures
  elseif results.n == 2 and results[1] == nil and type(results[2]) == "table" and results[2].code then
    local e = results[2]
    failures[#failures + 1] = (e.where and e.where .. ": " or "") .. tostring(e) ..
      (e.traceback and "\n" .. e.traceback or "")
  end
  collectgarbage()
  collectgarbage()
  local tasks, ops = task.count()
  if tasks > tasks_before then
    failures[#failures + 1] = "a task was left over"
  end
  if ops > ops_before then
    failures[#failures + 1] = "a wait was left over"
  end
  return failures
end

-- A signal ends the run: the case first, whose `<close>` variables cannot wait any
-- more, then the daemons that it leaves.
local function watch_signals(run)
  run.signal = server.next_signal()
  if run.child then
    run.child:cancel()
  end
end

--- Run the declared cases and forget them. Waits.
-- @param out function(text)
-- @return number of failed cases, signal = the name of the one that ended it | nil
function M.run(out)
  local failed = 0
  local list = cases
  cases = {}
  out(("1..%d\n"):format(#list))
  local run = {}
  local watch = task.go(watch_signals, run)
  task.sleep(0) -- its wait is there before the first case, which must leave none
  for i, case in ipairs(list) do
    local problems = run_case(case, run)
    if run.signal then
      require("colibri.scratch").close_all()
      out("Bail out! ended by signal " .. run.signal .. "\n")
      break
    end
    out(("%sok %d - %s\n"):format(#problems > 0 and "not " or "", i, case.name))
    for _, problem in ipairs(problems) do
      out("# " .. problem:gsub("\n", "\n# ") .. "\n")
    end
    failed = failed + (#problems > 0 and 1 or 0)
  end
  watch:cancel()
  return failed, run.signal
end

return M
