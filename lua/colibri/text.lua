-- text.lua - text for a terminal: what is shown, how wide it is, how it is cut.

local M = {}

-- Code points that a terminal must not get: it would obey or hide them.
local function is_unsafe(cp)
  return cp < 0x20 or (cp >= 0x7f and cp <= 0x9f) or (cp >= 0x200b and cp <= 0x200f and cp ~= 0x200d) or
    (cp >= 0x2028 and cp <= 0x202e) or (cp >= 0x2060 and cp <= 0x206f) or cp == 0xfeff
end

-- First and last of each range that takes no column (joiners and marks that
-- combine), and of each that takes two.
local ZERO = { { 0x300, 0x36f }, { 0x483, 0x489 }, { 0x591, 0x5bd }, { 0x610, 0x61a }, { 0x64b, 0x65f },
  { 0x93a, 0x93c }, { 0x941, 0x948 }, { 0xe34, 0xe3a }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x200d, 0x200d },
  { 0x20d0, 0x20f0 }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xe0100, 0xe01ef } }
local WIDE = { { 0x1100, 0x115f }, { 0x231a, 0x231b }, { 0x2e80, 0x303e }, { 0x3041, 0x33ff }, { 0x3400, 0x4dbf },
  { 0x4e00, 0x9fff }, { 0xa000, 0xa4cf }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f },
  { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff },
  { 0x20000, 0x3fffd } }

local function is_within(ranges, cp)
  for _, range in ipairs(ranges) do
    if cp < range[1] then
      return false
    elseif cp <= range[2] then
      return true
    end
  end
  return false
end

local function columns(cp)
  if cp < 0x300 then
    return 1
  elseif is_within(ZERO, cp) then
    return 0
  end
  return is_within(WIDE, cp) and 2 or 1
end

local NAMED = { [9] = "\\t", [10] = "\\n", [13] = "\\r" }

--- One line that a terminal shows as it is: control characters, direction
-- overrides and bytes that are no UTF-8 become escapes.
function M.escape(s)
  if not s:find("[^\32-\126]") then
    return s
  end
  local out, i = {}, 1
  while i <= #s do
    local n = 1
    if not utf8.len(s, i, i) then
      out[#out + 1] = ("\\x%02x"):format(s:byte(i))
    else
      local cp = utf8.codepoint(s, i)
      n = #utf8.char(cp)
      if not is_unsafe(cp) then
        out[#out + 1] = s:sub(i, i + n - 1)
      else
        out[#out + 1] = NAMED[cp] or (cp < 0x80 and "\\x%02x" or "\\u{%x}"):format(cp)
      end
    end
    i = i + n
  end
  return table.concat(out)
end

--- The same for several lines; tabs stay too.
function M.escape_lines(s)
  return (s:gsub("[^\n\t]+", M.escape))
end

--- Columns that escaped text takes.
function M.width(s)
  if not s:find("[\128-\255]") then
    return #s
  end
  local sum = 0
  for _, cp in utf8.codes(s) do
    sum = sum + columns(cp)
  end
  return sum
end

--- Escaped text in at most `max` columns; what was cut shows as "…". A path
-- keeps its end, other text its beginning.
function M.shorten(s, max)
  local sum = M.width(s)
  if sum <= max then
    return s
  elseif s:sub(1, 1) == "/" then
    for at, cp in utf8.codes(s) do
      if sum <= max - 1 then
        return "…" .. s:sub(at)
      end
      sum = sum - columns(cp)
    end
    return "…"
  end
  sum = 0
  for at, cp in utf8.codes(s) do
    local w = columns(cp)
    if sum + w > max - 1 then
      return s:sub(1, at - 1) .. "…"
    end
    sum = sum + w
  end
end

--- Escaped text, filled up with blanks on the right.
function M.pad(s, width)
  return s .. (" "):rep(width - M.width(s))
end

--- Words in lines of at most `width` columns.
-- @return list of lines, at least one
function M.wrap(s, width)
  local lines, line = {}, ""
  for word in s:gmatch("%S+") do
    if line == "" then
      line = word
    elseif M.width(line) + 1 + M.width(word) <= width then
      line = line .. " " .. word
    else
      lines[#lines + 1], line = line, word
    end
  end
  lines[#lines + 1] = line
  return lines
end

--- Two columns: words on the left, their text wrapped on the right. A left side
-- of over 28 columns gets a line of its own.
-- @param rows list of { left, right }
-- @param width integer|nil: of the whole, default 80
-- @return list of lines
function M.two_columns(rows, width)
  local left = 0
  for _, row in ipairs(rows) do
    local w = M.width(row[1])
    left = w <= 28 and math.max(left, w) or left
  end
  local lines, indent = {}, (" "):rep(left + 4)
  for _, row in ipairs(rows) do
    local right = M.wrap(row[2], math.max((width or 80) - left - 4, 20))
    local head = "  " .. row[1]
    if M.width(row[1]) > left then
      lines[#lines + 1] = head
      head = indent
    else
      head = M.pad(head, left + 4)
    end
    for i, line in ipairs(right) do
      lines[#lines + 1] = ((i == 1 and head or indent) .. line):gsub("%s+$", "")
    end
  end
  return lines
end

return M
