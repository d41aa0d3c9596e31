-- agent_usage.lua - what agents say they used: tokens and cost, summed.
--
-- An agent may say what it likes, as often as it likes: only sensible numbers
-- count, sums end at a bound, and the store sees them once in a while.

local json = require "core.json"

local M = {}

local FIELDS = { "input", "output", "cache_read", "cache_write", "cost_micros" }
local MAX = 1 << 53 -- what every JSON reader takes for an integer
local SHAPE = json.ordered(FIELDS)

M.FIELDS = FIELDS

-- A count of an event, as an integer from 0 to MAX.
local function count(v)
  if type(v) ~= "number" or not (v >= 0 and v <= MAX) then
    return 0
  end
  return math.tointeger(v) or math.floor(v + 0.5)
end

local function sum(a, b)
  return math.min((a or 0) + b, MAX)
end

--- Add an event of type `usage`: input, output, cache_read, cache_write, cost_usd.
-- @param pending table|nil: what is not yet in the store
-- @return the new pending table
function M.add(pending, event)
  pending = pending or {}
  for _, name in ipairs(FIELDS) do
    pending[name] = sum(pending[name], count(event[name]))
  end
  if event.cost_micros == nil and type(event.cost_usd) == "number" then
    pending.cost_micros = sum(pending.cost_micros, count(event.cost_usd * 1e6))
  end
  return pending
end

--- The sums of a row and of what is not yet in it; takes the columns out of the row.
-- @return table | nil when nothing was ever used
function M.of_row(row, pending)
  local out, any = setmetatable({}, SHAPE), false
  for _, name in ipairs(FIELDS) do
    local column = "usage_" .. name
    out[name] = sum(pending and pending[name], row[column] or 0)
    any = any or out[name] > 0
    row[column] = nil
  end
  return any and out or nil
end

--- Put what is pending into the row, inside a transaction.
-- @return true | nil, err
function M.store(tx, agent_id, pending)
  if not pending then
    return true
  end
  local sets, binds = {}, {}
  for i, name in ipairs(FIELDS) do
    sets[i] = ("usage_%s = min(usage_%s + ?, %d)"):format(name, name, MAX)
    binds[i] = pending[name] or 0
  end
  binds[#binds + 1] = agent_id
  local ok, e = tx:exec("UPDATE agents SET " .. table.concat(sets, ", ") .. " WHERE agent_id = ?",
    table.unpack(binds))
  if not ok then
    return nil, e
  end
  return true
end

return M
