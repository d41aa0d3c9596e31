-- `colibri top`: a snapshot as lines, what keys are in a terminal's bytes.
local cli_top = require "colibri.cli_top"
local t = require "colibri.test"
local text = require "colibri.text"
local view = require "colibri.top_view"

local function pane(fields)
  local out = { id = "0a1b2c3d-rest", agent = "local", state = "idle", status = "running", session_id = "s", run = 1,
    model = "/usr/bin/agent", started_at = 900, pid = 77, attention = false, stalled = false }
  for key, value in pairs(fields or {}) do
    out[key] = value
  end
  return out
end

local function snapshot(panes)
  local counts = { agents = #panes }
  for _, p in ipairs(panes) do
    counts[p.state] = (counts[p.state] or 0) + 1
  end
  return { host = "h1", at = 1000, counts = counts, panes = panes, usage = { input = 1500, output = 0, cache_read = 0,
    cache_write = 0, cost_micros = 420000 } }
end

local function plain(snap, ui, width)
  ui = ui or {}
  ui.filter, ui.selected, ui.plain = ui.filter or "", ui.selected or 1, true
  return view.render(snap, ui, width or 132)
end

t.test("one line for each agent, the troubled ones first, a summary above", function()
  local lines = plain(snapshot { pane(), pane { id = "ffff0000-x", state = "blocked", attention = true, jail_name = "j1",
    last_event = "queue_update", last_event_at = 990, usage = { input = 12000, output = 345, cost_micros = 4200 } } })
  t.eq(lines[1], "colibri on h1   2 agents  1 idle  1 blocked  1.5k tokens  $0.42")
  t.ok(lines[3]:find("^STATE +AGENT +JAIL +MODEL +EVENT"), lines[3])
  t.ok(lines[4]:find("^blocked +ffff0000 +j1 +agent +queue_update +10s +1m +1 +12.3k +0.00 +77$"), lines[4])
  t.ok(lines[5]:find("^idle +0a1b2c3d +%- "), lines[5])
  t.eq(#lines, 5)
end)

t.test("what agents say cannot reach the terminal, and every line fits", function()
  local evil = "\27]0;x\7\27[2J\n\226\128\174"
  local snap = snapshot { pane { last_event = evil, model = evil, jail_name = evil, state = evil, reason = evil } }
  snap.host = evil
  for width = 20, 140, 7 do
    for _, line in ipairs((plain(snap, nil, width))) do
      t.eq(line:find("[%c]"), nil, line)
      t.ok(text.width(line) <= math.max(width, 40), width .. ": " .. line)
    end
  end
end)

t.test("a filter, a selection that stays within the list, a screen of its height", function()
  local panes = {}
  for i = 1, 50 do
    panes[i] = pane { id = ("%08d-x"):format(i), jail_name = i % 2 == 0 and "even" or "odd" }
  end
  t.eq(#view.select(snapshot(panes), "EVEN"), 25)
  t.eq(#view.select(snapshot(panes), "nothing"), 0)
  for _, selected in ipairs { -3, 1, 25, 50, 99 } do
    local ui = { filter = "", selected = selected }
    local lines = view.render(snapshot(panes), ui, 100, 24)
    t.eq(#lines, 24)
    t.eq(ui.selected, math.max(1, math.min(selected, 50)))
    local shown = table.concat(lines, "\n")
    t.ok(shown:find(("\27[7m[^\27]*%08d"):gsub("%%08d", ("%08d"):format(ui.selected)), 1) ~= nil or
      shown:find(("%08d"):format(ui.selected), 1, true), "the selected one is on the screen")
  end
  local lines = plain(snapshot(panes), { filter = "nope" })
  t.eq(lines[4], "nothing matches 'nope'")
  t.eq(plain(snapshot {})[4], "no agents")
end)

t.test("ages and counts as people say them", function()
  local ages = {}
  for i, s in ipairs { -5, 0, 59.9, 60, 3599, 3600, 86399, 86400, 864000 } do
    ages[i] = view.age(s)
  end
  t.eq(ages, { "0s", "0s", "59s", "1m", "59m", "1h", "23h", "1d", "10d" })
  t.eq({ view.count(999), view.count(1000), view.count(2500000) }, { "999", "1.0k", "2.5M" })
end)

t.test("escape sequences are one key", function()
  t.eq(cli_top.keys "j\27[B\27OAq/ab\r", { "j", "\27[B", "\27OA", "q", "/", "a", "b", "\r" })
  t.eq(cli_top.keys "\27", { "\27" })
  t.eq(cli_top.keys "\27[1;5Bx", { "\27[1;5B", "x" })
end)
