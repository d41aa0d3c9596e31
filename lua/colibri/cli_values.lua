-- cli_values.lua - one word of a command line becomes a value.

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

function converters.boolean(word)
  local lower = word:lower()
  if not TRUE[lower] and not FALSE[lower] then
    return nil, "must be true or false"
  end
  return TRUE[lower] == true
end

function converters.enum(word, p)
  for _, value in ipairs(p.values or {}) do
    if value == word then
      return word
    end
  end
  return nil, "must be one of " .. table.concat(p.values or {}, ", ") .. nearest.hint(word, p.values or {})
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
-- @return value | nil, why: half a sentence
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
