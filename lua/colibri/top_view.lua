-- top_view.lua - what `colibri top` shows: a snapshot as lines of a terminal.
--
-- Pure: a snapshot, what the user chose, and the size of the terminal give the
-- lines. Everything that comes from agents is escaped.

local text = require "colibri.text"

local M = {}

local RESET, BOLD, DIM, INVERSE = "\27[0m", "\27[1m", "\27[2m", "\27[7m"
local COLOR = { working = "\27[32m", blocked = "\27[33m", error = "\27[31m", failed = "\27[31m", lost = "\27[31m",
  done = "\27[36m", waiting = "\27[33m", starting = "\27[34m", idle = DIM }

-- Name, width, and what it shows; the last columns are left out when there is no
-- room. `right`: numbers.
local COLUMNS = {
  { "STATE", 10 },
  { "AGENT", 9 },
  { "JAIL", 14 },
  { "MODEL", 22 },
  { "EVENT", 18 },
  { "AGO", 5, right = true },
  { "UP", 5, right = true },
  { "RUN", 4, right = true },
  { "TOKENS", 8, right = true },
  { "COST", 8, right = true },
  { "PID", 8, right = true },
}
local GAP = 2

--- Seconds as a person says them: 42s, 7m, 3h, 12d.
function M.age(seconds)
  seconds = math.max(seconds, 0)
  if seconds < 60 then
    return ("%ds"):format(seconds // 1)
  elseif seconds < 3600 then
    return ("%dm"):format(seconds // 60)
  elseif seconds < 86400 then
    return ("%dh"):format(seconds // 3600)
  end
  return ("%dd"):format(seconds // 86400)
end

--- 950, 12.3k, 4.5M
function M.count(n)
  if n < 1000 then
    return tostring(n)
  elseif n < 1000000 then
    return ("%.1fk"):format(n / 1000)
  end
  return ("%.1fM"):format(n / 1000000)
end

-- The cells of a pane, in the order of COLUMNS.
local function cells(pane, now)
  local usage = pane.usage or {}
  local tokens = (usage.input or 0) + (usage.output or 0)
  local model = tostring(pane.model or "-")
  return {
    (pane.stalled and "!" or "") .. tostring(pane.state),
    tostring(pane.id):sub(1, 8),
    pane.jail_name or "-",
    model:match("([^/]+)$") or model,
    pane.last_event or pane.reason or "-",
    pane.last_event_at and M.age(now - pane.last_event_at) or "-",
    pane.started_at and M.age(now - pane.started_at) or "-",
    tostring(pane.run or 1),
    tokens > 0 and M.count(tokens) or "-",
    (usage.cost_micros or 0) > 0 and ("%.2f"):format(usage.cost_micros / 1e6) or "-",
    pane.pid and tostring(pane.pid) or "-",
  }
end

-- How many columns fit.
local function fitting(width)
  local used, n = 0, 0
  for i, column in ipairs(COLUMNS) do
    used = used + column[2] + (i > 1 and GAP or 0)
    if used > width and i > 3 then
      break
    end
    n = i
  end
  return n
end

local function line_of(values, n)
  local parts = {}
  for i = 1, n do
    local width, right = COLUMNS[i][2], COLUMNS[i].right
    local shown = text.shorten(text.escape(values[i]), width)
    local blanks = (" "):rep(width - text.width(shown))
    parts[i] = right and blanks .. shown or shown .. blanks
  end
  return table.concat(parts, (" "):rep(GAP))
end

local function contains(pane, filter)
  for _, value in ipairs { pane.id, pane.state, pane.status, pane.jail_name or "", pane.model or "", pane.agent or "",
    pane.session_id or "", pane.last_event or "" } do
    if tostring(value):lower():find(filter, 1, true) then
      return true
    end
  end
  return false
end

--- The panes that a filter leaves, those that need attention first.
-- @param filter string: part of an id, state, jail, model, ...; "" for all
function M.select(snapshot, filter)
  local out = {}
  filter = filter:lower()
  for _, first in ipairs { true, false } do
    for _, pane in ipairs(snapshot.panes) do
      if (pane.attention or false) == first and (filter == "" or contains(pane, filter)) then
        out[#out + 1] = pane
      end
    end
  end
  return out
end

-- "3 agents  1 working  2 blocked   12.3k tokens   $0.42"
local function summary(snapshot)
  local counts, words = snapshot.counts, { ("%d agents"):format(snapshot.counts.agents) }
  for _, name in ipairs { "working", "idle", "blocked", "done", "error", "waiting", "starting", "stalled" } do
    if (counts[name] or 0) > 0 then
      words[#words + 1] = ("%d %s"):format(counts[name], name)
    end
  end
  local used = snapshot.usage
  if used.input + used.output > 0 then
    words[#words + 1] = M.count(used.input + used.output) .. " tokens"
    words[#words + 1] = ("$%.2f"):format(used.cost_micros / 1e6)
  end
  return table.concat(words, "  ")
end

-- Styled when the terminal is one; a whole line has one style.
local function style(ui, code, s)
  return ui.plain and s or code .. s .. RESET
end

local function pane_line(ui, pane, n, now, is_selected)
  local values = cells(pane, now)
  local line = line_of(values, n)
  if is_selected then
    return style(ui, INVERSE, line)
  end
  local width = COLUMNS[1][2]
  local head = text.shorten(text.escape(values[1]), width)
  local rest = line:sub(#head + 1)
  local color = pane.stalled and "\27[35m" or COLOR[pane.state]
  return (color and style(ui, color, head) or head) .. rest
end

local HELP = "q quit   j k select   x stop   l logs   / filter"

--- The lines of a screen.
-- @param snapshot of the command `snapshot`
-- @param ui { filter = text, selected = place in the list, prompt = text | nil: what is asked or
--   typed below, message = text | nil, plain = boolean: no colours, no selection }
-- @param width, height of the terminal; height nil: as many lines as it takes
-- @return list of lines; ui.selected is kept within the list
function M.render(snapshot, ui, width, height)
  local panes = M.select(snapshot, ui.filter)
  ui.selected = math.max(1, math.min(ui.selected, #panes))
  local n = fitting(width)
  local lines = { style(ui, BOLD, text.shorten(text.escape(("colibri on %s"):format(snapshot.host)) .. "   " ..
    summary(snapshot), width)), "" }
  local heads = {}
  for i, column in ipairs(COLUMNS) do
    heads[i] = column[1]
  end
  lines[3] = style(ui, DIM, line_of(heads, n))
  local room = height and math.max(height - 5, 1) or #panes
  local first = math.max(1, math.min(ui.selected - room // 2, #panes - room + 1))
  for i = first, math.min(first + room - 1, #panes) do
    lines[#lines + 1] = pane_line(ui, panes[i], n, snapshot.at, not ui.plain and i == ui.selected)
  end
  if #panes == 0 then
    lines[#lines + 1] = ui.filter ~= "" and ("nothing matches '" .. text.escape(ui.filter) .. "'") or "no agents"
  end
  if height then
    while #lines < height - 1 do
      lines[#lines + 1] = ""
    end
    local foot = ui.prompt or ui.message or (ui.filter ~= "" and "/" .. ui.filter .. "   " or "") .. HELP
    lines[height] = style(ui, ui.prompt and BOLD or DIM, text.shorten(text.escape(foot), width))
  end
  return lines
end

return M
