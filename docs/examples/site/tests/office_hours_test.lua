local t = require "colibri.test"

local SUNDAY = 1767484800 -- 2026-01-04 00:00 UTC
local HOUR = 3600

local function spawn(w)
  return w:call("spawn-local", { model = "/bin/true" })
end

t.test("agents start on working days from 8 to 18", function()
  local w <close> = t.site("..", { now = SUNDAY + 12 * HOUR })
  t.err("OfficeHours", spawn(w))
  w.clock:set(SUNDAY + 24 * HOUR + 8 * HOUR - 1) -- Monday
  t.err("OfficeHours", spawn(w))
  w.clock:advance(1)
  t.ok(spawn(w))
  w.clock:advance(10 * HOUR - 1)
  t.ok(spawn(w))
  w.clock:advance(1)
  t.err("OfficeHours", spawn(w))
  t.eq(#w.agents.list, 2)
end)

t.test("the hook by itself", function()
  local w <close> = t.site("..", { now = SUNDAY })
  local e = t.err("OfficeHours", w:hooks("spawn_before", { model = "/bin/true" }))
  t.eq({ e.hook, e.refused }, { "spawn_before/office_hours", true })
end)

t.test("what runs goes on, and can be stopped at night", function()
  local w <close> = t.site("..", { now = SUNDAY + 36 * HOUR })
  local agent = t.ok(spawn(w))
  w.clock:advance(12 * HOUR)
  t.eq(#w:call("list-agents"), 1)
  t.ok(w:call("stop-agent", { agent_id = agent.agent_id }))
  t.eq(w.agents:last().stopped_with, 15)
end)
