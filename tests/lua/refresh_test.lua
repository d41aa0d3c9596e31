-- The scheduler of policy `interval` under a virtual clock, with the shipped
-- policy/refresh.lua.

local core_script = require "core.script"
local refresh = require "colibri.refresh"
local sandbox = require "colibri.sandbox"
local sys = require "core.sys"
local task = require "core.task"
local t = require "colibri.test"

local shipped = core_script.call(core_script.load(sys.conf.share_dir .. "/lua/policy/refresh.lua",
  "@policy/refresh.lua", sandbox.env()))

-- A world with a clock of its own: rows as the store has them, who was
-- provisioned when, and how often somebody woke up.
local function world(rows, opts)
  opts = opts or {}
  local w = { mono = 1000, wall = 1790000000, rows = rows, runs = {}, wakes = 0, reads = 0, outcome = {} }
  local function now() return w.wall end
  local scheduler = refresh.new {
    clock = { now = now, monotonic = function() return w.mono end },
    random = opts.random or function() return 0 end,
    decide = opts.decide or shipped.decide,
    rows = function()
      w.reads = w.reads + 1
      local out = {}
      for id, row in pairs(w.rows) do
        out[#out + 1] = { tenant_id = id, interval = row.interval, provisioned_at = row.at }
      end
      return out
    end,
    run = function(ids)
      w.runs[#w.runs + 1] = { at = w.mono, ids = table.concat(ids, " ") }
      local out = {}
      for i, id in ipairs(ids) do
        local result = w.outcome[id] or "unchanged"
        out[i] = { tenant_id = id, result = result }
        if result ~= "failed" and w.rows[id] then
          w.rows[id].at = math.floor(w.wall)
        end
      end
      return out
    end,
  }
  -- Sleep as the daemon does, until the clock has moved by so many seconds.
  function w.pass(seconds)
    local ends = w.mono + seconds
    while true do
      w.wakes = w.wakes + 1
      local wait = scheduler:step()
      t.ok(wait == nil or wait > 0, "never at once")
      local to = math.min(ends, w.mono + (wait or math.huge))
      w.wall, w.mono = w.wall + (to - w.mono), to
      if to >= ends then
        return wait
      end
    end
  end
  w.scheduler = scheduler
  return w
end

t.test("nobody is due: no wake, no read", function()
  local w = world {}
  t.eq(w.pass(1e6), nil, "waits for a change, not for a time")
  t.eq({ w.wakes, w.reads, #w.runs }, { 1, 1, 0 })
  w.rows.a = { interval = 3600, at = 1790000000 }
  t.eq(w.pass(1), nil, "and looks only when told")
  w.scheduler:touch()
  w.wakes = 0
  w.pass(24 * 3600)
  t.eq(#w.runs, 24)
  t.ok(w.wakes <= 26, "one wake a run: " .. w.wakes)
end)

t.test("each interval, and the time since the last daemon counts", function()
  local w = world { a = { interval = 600, at = 1790000000 - 400 } }
  w.pass(1500)
  t.eq({ w.runs[1].at, w.runs[2].at, w.runs[3].at }, { 1200, 1800, 2400 })
  w = world { a = { interval = 600, at = 1790000000 - 86400 }, b = { interval = 600 } }
  w.pass(1)
  t.eq(w.runs, { { at = 1000, ids = "a" } }, "long overdue at the start; b was never written")
end)

t.test("who is nearly due comes along, so that one session serves them", function()
  local w = world { a = { interval = 1000, at = 1790000000 }, b = { interval = 1000, at = 1790000000 - 150 },
    c = { interval = 1000, at = 1790000000 - 700 } }
  w.pass(3000)
  local seen = {}
  for i, run in ipairs(w.runs) do
    seen[i] = ("%.0f %s"):format(run.at, run.ids)
  end
  t.eq(seen, { "1300 c", "1850 a b", "2300 c", "2850 a b", "3300 c", "3850 a b" })
  w.rows.c.interval = 550
  w.scheduler:touch()
  w.runs = {}
  w.pass(900)
  t.eq(w.runs[1].ids, "c")
end)

t.test("jitter: sooner by at most a tenth, never later; the same for all of a round", function()
  local values, i = { 0, 0.5, 0.999, 0.25 }, 0
  local w = world({ a = { interval = 1000, at = 1790000000 }, b = { interval = 1000, at = 1790000000 } },
    { random = function() i = i % #values + 1; return values[i] end })
  w.pass(4000)
  local last = 1000
  for _, run in ipairs(w.runs) do
    t.eq(run.ids, "a b")
    t.ok(run.at - last <= 1000 and run.at - last >= 900, run.at - last)
    last = run.at
  end
  t.eq({ w.runs[1].at, w.runs[2].at }, { 2000, 2950 })
end)

t.test("failures are tried again sooner, ever less so, and stop nobody", function()
  local w = world { a = { interval = 1000, at = 1790000000 }, b = { interval = 1000, at = 1790000000 } }
  w.outcome.a = "failed"
  w.pass(3200)
  local at = { a = {}, b = {} }
  for _, run in ipairs(w.runs) do
    for id in run.ids:gmatch "%S+" do
      table.insert(at[id], run.at - 1000)
    end
  end
  t.eq(at.a, { 1000, 1060, 1180, 1420, 1900, 2860 })
  t.eq(at.b, { 1000, 1900, 2860 })
  w.outcome.a = nil
  w.runs = {}
  w.pass(1000)
  w.pass(2000)
  t.eq(w.runs[#w.runs].ids, "a b", "together again")
end)

t.test("provisioned by somebody else: the interval begins anew; gone: no more", function()
  local w = world { a = { interval = 1000, at = 1790000000 } }
  w.pass(900)
  w.rows.a.at = math.floor(w.wall)
  w.scheduler:touch()
  w.pass(950)
  t.eq(#w.runs, 0)
  w.pass(100)
  t.eq(#w.runs, 1)
  w.rows.a = nil
  w.scheduler:touch()
  t.eq(w.pass(5000), nil)
  t.eq(#w.runs, 1)
end)

t.test("the wall clock may jump", function()
  local w = world { a = { interval = 1000, at = 1790000000 } }
  w.pass(500)
  w.wall = w.wall - 1e6
  w.scheduler:touch()
  w.pass(501)
  t.eq(#w.runs, 1)
  w.wall = w.wall + 5e6
  w.scheduler:touch()
  w.pass(990)
  t.eq(#w.runs, 1)
end)

t.test("a site's policy decides; never is allowed, at once is not", function()
  local w = world({ a = { interval = 10, at = 1790000000 }, b = { interval = 10, at = 1790000000 } },
    { decide = function(tenant) if tenant.tenant_id == "a" then return 0, 0 end end })
  w.pass(5)
  t.eq(#w.runs, 4, "once a second at most")
  t.eq(w.runs[1].ids, "a")
end)

t.test("a store that cannot be read is tried again after a minute", function()
  local broken = true
  local s = refresh.new { clock = { now = function() return 0 end, monotonic = function() return 0 end },
    random = function() return 0 end, decide = shipped.decide, run = function() return {} end,
    rows = function()
      if broken then
        return nil, { code = "StoreBusy", message = "busy" }
      end
      return {}
    end }
  t.eq(s:step(), 60)
  broken = false
  t.eq(s:step(), nil)
end)

t.test("while it serves, a store that cannot be read is not asked again at once", function()
  local w <close> = t.site(nil, { clock = "manual" })
  local asked = 0
  local serving = task.go(w.require("colibri.refresh").serve, { clock = { now = function() return 0 end,
    monotonic = function() return 0 end }, random = function() return 0 end, decide = shipped.decide,
    run = function() return {} end, rows = function()
      asked = asked + 1
      if asked < 5 then
        return nil, { code = "StoreBusy", message = "busy" }
      end
      return {}
    end })
  w.clock:settle()
  t.eq(asked, 1)
  w.clock:advance(61)
  t.eq(asked, 2)
  serving:cancel()
end)
