-- cli_values.lua - one word of a command line becomes a value.

local clock = require "core.clock"
local json = require "core.json"
local nearest = require "colibri.nearest"

local M = {}

local TRUE = { ["true"] = true, yes = true, on = true, ["1"] = true }
local FALSE = { ["false"] = true, no = true, off = true, ["0"] = true }

local converters = {}

function converters.integer(word)
  local v = word:find("^[+-]?%d+$") and math.tointeger(tonumber(word))
  if not v then
    return nil, "must be an integer"
  end
  return v
end

function converters.number(word)
  local v = word:find("^[+-]?[%d.]+[eE]?[+-]?%d*$") and tonumber(word)
  if not v or v == math.huge or v == -math.huge then
    return nil, "must be a number"
  end
  return v
end

local UNITS = { s = 1, m = 60, h = 3600, d = 86400 }
local MONTH_DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function days_of(year, month)
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return month == 2 and leap and 29 or MONTH_DAYS[month]
end

-- UNIX seconds of a UTC date and time; nil when there is no such day or hour.
local function utc(year, month, day, hour, minute, second)
  if year < 1970 or year > 9999 or month < 1 or month > 12 or day < 1 or day > days_of(year, month) or hour > 23 or
    minute > 59 or second > 59 then
    return nil
  end
  local past = year - 1
  local days = (year - 1970) * 365 + (past // 4 - past // 100 + past // 400) - (1969 // 4 - 1969 // 100 + 1969 // 400)
  for m = 1, month - 1 do
    days = days + days_of(year, m)
  end
  return (days + day - 1) * 86400 + hour * 3600 + minute * 60 + second
end

-- "2026-11-26", "2026-11-26T01:02", "2026-11-26T01:02:03", with a Z or not: tables
-- show UTC, too.
local function date(word)
  local year, month, day, rest = word:match("^(%d%d%d%d)-(%d%d)-(%d%d)(.*)$")
  if not year then
    return nil
  end
  local hour, minute, second = 0, 0, 0
  if rest ~= "" then
    hour, minute, second = rest:match("^[T ](%d%d):(%d%d)(.-)Z?$")
    second = second == "" and 0 or (second or ""):match("^:(%d%d)$")
  end
  return hour and second and utc(tonumber(year), tonumber(month), tonumber(day), tonumber(hour), tonumber(minute),
    tonumber(second))
end

-- UNIX seconds, a date, or how long ago: 90s, 10m, 2h, 7d.
function converters.time(word)
  local ago, unit = word:match("^(%d+)([smhd])$")
  local v
  if word:find("^%d+$") then
    v = math.tointeger(tonumber(word))
  elseif ago and #ago < 10 then
    v = math.max(0, math.floor(clock.now()) - math.tointeger(tonumber(ago)) * UNITS[unit])
  else
    v = date(word)
  end
  if not v then
    return nil, "must be a time: UNIX seconds, 10m (ago; s m h d), 2026-11-26 or 2026-11-26T01:02:03 (UTC)"
  end
  return v
end

function converters.boolean(word)
  local lower = word:lower()
  if not TRUE[lower] and not FALSE[lower] then
    return nil, "must be true or false"
  end
  return TRUE[lower] == true
end

-- In any case, and signals as kill(1) takes them: TERM, term, SIGTERM.
function converters.enum(word, p)
  local lower = word:lower()
  for _, value in ipairs(p.values or {}) do
    if lower == value:lower() or lower == "sig" .. value:lower() then
      return value
    end
  end
  return nil, "must be one of " .. table.concat(p.values or {}, ", "), nearest.hint(word, p.values or {})
end

-- JSON when it is JSON, else the word.
function converters.any(word)
  local v = json.decode(word)
  if v == nil then
    return word
  end
  return v
end

--- The value that a word stands for.
-- @param p parameter of describe
-- @param word string
-- @return value | nil, why: half a sentence, hint: what to put behind it
function M.convert(p, word)
  if not utf8.len(word) then
    return nil, "is not UTF-8"
  end
  local convert = converters[p.type]
  if convert then
    return convert(word, p)
  end
  return word
end

--- A duration in seconds, more than 0.
-- @return number | nil
function M.seconds(word)
  local v = converters.number(word)
  return v and v > 0 and v <= 1e9 and v or nil
end

return M
