-- nearest.lua - which known names somebody may have meant.

local M = {}

local WORD_MAX = 64

-- Edits (insert, delete, replace, swap of neighbours) between two words.
local function distance(a, b)
  local before, last = {}, {}
  for j = 0, #b do
    last[j] = j
  end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local d = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        d = math.min(d, before[j - 2] + 1)
      end
      row[j] = d
    end
    before, last = last, row
  end
  return last[#b]
end

--- The names close to a word: at most a third of its letters differ, or the
-- word is a part of the name.
-- @param word string
-- @param names list of strings
-- @param most integer|nil: at most so many, default 1
-- @return list of names, the closest first; empty when nothing is close
function M.find(word, names, most)
  local found = {}
  if word == "" or #word > WORD_MAX then
    return found
  end
  local limit = math.max(1, #word // 3)
  for _, name in ipairs(names) do
    local d = math.abs(#name - #word) <= limit and distance(word, name) or limit + 1
    if d > limit and #word >= 3 and name:find(word, 1, true) then
      d = limit
    end
    if d <= limit then
      found[#found + 1] = { name = name, d = d }
    end
  end
  table.sort(found, function(a, b)
    if a.d ~= b.d then
      return a.d < b.d
    end
    return a.name < b.name
  end)
  local out = {}
  for i = 1, math.min(most or 1, #found) do
    out[i] = found[i].name
  end
  return out
end

--- The same as a piece of text: "" or "; did you mean 'x' or 'y'?"
function M.hint(word, names, most)
  local found = M.find(word, names, most)
  for i, name in ipairs(found) do
    found[i] = "'" .. name .. "'"
  end
  return #found > 0 and "; did you mean " .. table.concat(found, " or ") .. "?" or ""
end

return M
