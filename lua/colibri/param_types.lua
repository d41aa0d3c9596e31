-- param_types.lua - the types of command parameters: one checker for each.
--
-- A checker is function(value) -> clean value, or nil, why: half a sentence that
-- follows the parameter's name. It is made once for each parameter of a
-- generation and runs for each request.

local json = require "core.json"

local M = {}

local NAME_MAX = 64
local PATH_MAX = 4096
local STRING_MAX = 65536
local LIST_MAX = 4096

local find, mtype = string.find, math.type

-- A value as an error may show it: short, on one line.
local function show(v)
  local text = #v > NAME_MAX and v:sub(1, NAME_MAX - 3) .. "..." or v
  return "'" .. text:gsub("%c", "?") .. "'"
end

-- Strings of between min and max bytes without NUL.
local function bytes(p, def_max)
  local min, max = p.min or 0, p.max or def_max
  return function(v)
    if type(v) ~= "string" then
      return nil, "must be a string"
    elseif #v > max then
      return nil, ("is longer than %d bytes"):format(max)
    elseif #v < min then
      return nil, min == 1 and "must not be empty" or ("is shorter than %d bytes"):format(min)
    elseif find(v, "\0", 1, true) then
      return nil, "holds a NUL byte"
    end
    return v
  end
end

-- The shared end of the two kinds of numbers.
local function range(p)
  local min, max = p.min, p.max
  return function(v)
    if min and v < min then
      return nil, ("must be at least %s"):format(min)
    elseif max and v > max then
      return nil, ("must be at most %s"):format(max)
    end
    return v
  end
end

local makers = {}

function makers.string(p)
  return bytes(p, STRING_MAX)
end

function makers.name(p)
  local check = bytes(p, NAME_MAX)
  return function(v)
    local clean, why = check(v)
    if clean and not find(v, "^[A-Za-z0-9_][A-Za-z0-9_-]*$") then
      return nil, ("must be a name (A-Z a-z 0-9 _ -, not beginning with -), got %s"):format(show(v))
    end
    return clean, why
  end
end

function makers.path(p)
  local check = bytes(p, PATH_MAX)
  return function(v)
    local clean, why = check(v)
    if clean and find(v, "^/") == nil then
      return nil, ("must be an absolute path, got %s"):format(show(v))
    end
    return clean, why
  end
end

function makers.integer(p)
  local check = range(p)
  return function(v)
    if mtype(v) == "float" then
      v = math.tointeger(v) -- JSON knows one kind of number: 1.0 is 1
    end
    if mtype(v) ~= "integer" then
      return nil, "must be an integer"
    end
    return check(v)
  end
end

-- A moment; the command line takes more ways to write one (cli_values.lua).
function makers.time()
  return function(v)
    v = mtype(v) == "float" and math.tointeger(v) or v
    if mtype(v) ~= "integer" or v < 0 then
      return nil, "must be a time in UNIX seconds"
    end
    return v
  end
end

function makers.number(p)
  local check = range(p)
  return function(v)
    if type(v) ~= "number" or v ~= v or v == math.huge or v == -math.huge then
      return nil, "must be a number"
    end
    return check(v)
  end
end

function makers.boolean()
  return function(v)
    if type(v) ~= "boolean" then
      return nil, "must be true or false"
    end
    return v
  end
end

function makers.enum(p)
  local known = {}
  for _, value in ipairs(p.values) do
    known[value] = true
  end
  local all = table.concat(p.values, ", ")
  return function(v)
    if type(v) ~= "string" then
      return nil, "must be one of " .. all
    elseif not known[v] then
      return nil, ("must be one of %s; got %s"):format(all, show(v))
    end
    return v
  end
end

-- Lists of strings; min and max count the elements. The copy is a JSON list
-- even when it is empty.
function makers.list(p)
  local min, max = p.min or 0, p.max or LIST_MAX
  local check = bytes({}, STRING_MAX)
  return function(v)
    if type(v) ~= "table" then
      return nil, "must be a list of strings"
    end
    local n, out = #v, json.array {}
    for key in next, v do
      if mtype(key) ~= "integer" or key < 1 or key > n then
        return nil, "must be a list of strings"
      end
    end
    if n > max then
      return nil, ("has more than %d elements"):format(max)
    elseif n < min then
      return nil, ("has fewer than %d elements"):format(min)
    end
    for i = 1, n do
      local clean, why = check(v[i])
      if why then
        return nil, ("element %d %s"):format(i, why)
      end
      out[i] = clean
    end
    return out
  end
end

function makers.any()
  return function(v) return v end
end

--- What `min` and `max` of a type may be: "integer" (a number or a length),
-- "number", or nil: the type takes neither.
M.BOUNDS = { string = "integer", name = "integer", path = "integer", list = "integer", integer = "integer",
  number = "number" }

--- Is there such a type?
function M.known(name)
  return makers[name] ~= nil
end

--- The names of all types, sorted.
function M.names()
  local out = {}
  for name in pairs(makers) do
    out[#out + 1] = name
  end
  table.sort(out)
  return out
end

--- The checker of one parameter whose declaration is in order.
-- @return function(value) -> clean | nil, why
function M.checker(p)
  return makers[p[2]](p)
end

return M
