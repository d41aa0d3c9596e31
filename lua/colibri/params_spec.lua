-- params_spec.lua - is a command's `params` declaration in order?
--
-- Everything is checked at load, so that a request, the CLI and the shell
-- completion may trust the declaration.

local err = require "colibri.err"
local nearest = require "colibri.nearest"
local types = require "colibri.param_types"

local M = {}

-- Type of each field of a parameter, or "any".
local FIELDS = {
  positional = "boolean", required = "boolean", hidden = "boolean", help = "string", metavar = "string", short = "string",
  stdin = "boolean", rest = "boolean",
  flag = "string", requires = "string", values = "table", min = "number", max = "number", default = "any",
}

-- Siblings of the parameters in a request, and words of the CLI.
local RESERVED = { cmd = true, id = true, trace = true }
local RESERVED_FLAGS = { help = true }

local NAME_MAX = 64

--- The flag of a parameter without its "--", declared or described.
function M.flag(p)
  return p.flag or ((p.name or p[1]):gsub("_", "-"))
end

local function fail(fmt, ...)
  return nil, err.new("BadScript", fmt, ...)
end

local function sorted_keys(t)
  local out = {}
  for key in pairs(t) do
    out[#out + 1] = tostring(key)
  end
  table.sort(out)
  return out
end

-- { "name", "type", field = value }: names, types and fields as such.
local function check_shape(i, p)
  if type(p) ~= "table" then
    return fail("parameter %d must be a table { name, type, ... }, got %s", i, type(p))
  end
  local name = p[1]
  if type(name) ~= "string" or #name > NAME_MAX or not name:find("^[a-z][a-z0-9_]*$") then
    return fail("parameter %d: the name must be like 'jail_name', got '%s'", i, tostring(name))
  elseif RESERVED[name] then
    return fail("parameter '%s': the name is taken by the protocol", name)
  elseif type(p[2]) ~= "string" or not types.known(p[2]) then
    return fail("parameter '%s': type '%s' is none of %s", name, tostring(p[2]), table.concat(types.names(), ", "))
  end
  for _, key in ipairs(sorted_keys(p)) do
    if key ~= "1" and key ~= "2" then
      local want = FIELDS[key]
      if not want then
        return fail("parameter '%s': unknown field '%s'%s", name, key, nearest.hint(key, sorted_keys(FIELDS)))
      elseif want ~= "any" and type(p[key]) ~= want then
        return fail("parameter '%s': field '%s' must be a %s, got %s", name, key, want, type(p[key]))
      end
    end
  end
  return true
end

local function check_bounds(p)
  local name, kind = p[1], types.BOUNDS[p[2]]
  for _, field in ipairs { "min", "max" } do
    local bound = p[field]
    if bound and not kind then
      return fail("parameter '%s': type %s takes no '%s'", name, p[2], field)
    elseif bound and kind == "integer" and math.type(bound) ~= "integer" then
      return fail("parameter '%s': field '%s' must be an integer", name, field)
    elseif bound and kind == "integer" and bound < 0 and p[2] ~= "integer" then
      return fail("parameter '%s': field '%s' is a length, at least 0", name, field)
    end
  end
  if p.min and p.max and p.min > p.max then
    return fail("parameter '%s': min %s is more than max %s", name, p.min, p.max)
  end
  return true
end

-- Values are words of the shell, of usage lines and of completion.
local function check_values(p)
  local name, values = p[1], p.values
  if p[2] ~= "enum" then
    if values then
      return fail("parameter '%s': only an enum has 'values'", name)
    end
    return true
  elseif not values or #values == 0 then
    return fail("parameter '%s': an enum needs 'values', a list of words", name)
  end
  local seen, count = {}, 0
  for _ in pairs(values) do
    count = count + 1
  end
  for i = 1, math.max(#values, count) do
    local value = values[i]
    if type(value) ~= "string" or #value > NAME_MAX or not value:find("^[%w_][%w_.:-]*$") then
      return fail("parameter '%s': 'values' must be a list of words, got '%s'", name, tostring(value))
    elseif seen[value] then
      return fail("parameter '%s': value '%s' is there twice", name, value)
    end
    seen[value] = true
  end
  return true
end

local function check_default(p)
  if p.default == nil then
    return true
  elseif p.required then
    return fail("parameter '%s': a required parameter has no default", p[1])
  end
  local _, why = types.checker(p)(p.default)
  if why then
    return fail("parameter '%s': default %s", p[1], why)
  end
  return true
end

-- How the command line shows the parameter.
local function check_cli(p, seen)
  local name = p[1]
  if p.metavar and not p.metavar:find("^[%w_|.:/=-]+$") then
    return fail("parameter '%s': metavar '%s' must be a word", name, p.metavar)
  elseif p.rest and (p[2] ~= "list" or p.positional) then
    return fail("parameter '%s': 'rest' is for a list that has a flag", name)
  elseif p.hidden and p.required then
    return fail("parameter '%s': a required parameter cannot be hidden", name)
  elseif p.positional then
    if p.flag then
      return fail("parameter '%s': a positional has no 'flag'", name)
    elseif p[2] == "boolean" then
      return fail("parameter '%s': a boolean is a flag, not positional", name)
    end
    return true
  end
  local flag = M.flag(p)
  if not flag:find("^[a-z0-9][a-z0-9-]*$") then
    return fail("parameter '%s': flag '%s' must be like 'jail-name', without dashes in front", name, flag)
  elseif RESERVED_FLAGS[flag] then
    return fail("parameter '%s': flag '--%s' is taken by the CLI", name, flag)
  end
  for _, word in ipairs { flag, p[2] == "boolean" and "no-" .. flag or nil } do
    if seen[word] then
      return fail("parameter '%s': flag '--%s' is already that of '%s'", name, word, seen[word])
    end
    seen[word] = name
  end
  return true
end

-- The words of a command line are told apart by their place alone.
local function check_order(list)
  local optional, rest
  for _, p in ipairs(list) do
    if p.positional then
      if rest then
        return fail("parameter '%s': nothing can follow the list '%s'", p[1], rest)
      elseif p.required and optional then
        return fail("parameter '%s': required after the optional '%s'", p[1], optional)
      end
      optional = optional or (not p.required and p[1] or nil)
      rest = p[2] == "list" and p[1] or nil
    end
  end
  return true
end

local function check_requires(list, by_name)
  for _, p in ipairs(list) do
    local seen, at = { [p[1]] = true }, p
    while at.requires do
      local other = by_name[at.requires]
      if not other then
        return fail("parameter '%s': requires an unknown parameter '%s'%s", at[1], at.requires,
          nearest.hint(at.requires, sorted_keys(by_name)))
      elseif seen[other[1]] then
        return fail("parameter '%s': 'requires' leads back to '%s'", p[1], other[1])
      end
      seen[other[1]], at = true, other
    end
  end
  return true
end

--- Check a `params` declaration completely.
-- @param list list of { name, type, field = value, ... }
-- @return true | nil, err(BadScript) that names the parameter
function M.check(list)
  if type(list) ~= "table" then
    return fail("'params' must be a list, got %s", type(list))
  end
  for key in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 or key > #list then
      return fail("'params' must be a list, it has the key '%s'", tostring(key))
    end
  end
  local by_name, flags = {}, {}
  for i, p in ipairs(list) do
    local ok, e = check_shape(i, p)
    if ok and by_name[p[1]] then
      ok, e = fail("parameter '%s' is declared twice", p[1])
    end
    for _, check in ipairs { check_values, check_bounds, check_default, check_cli } do
      if ok then
        ok, e = check(p, flags)
      end
    end
    if not ok then
      return nil, e
    end
    by_name[p[1]] = p
  end
  local ok, e = check_order(list)
  if ok then
    ok, e = check_requires(list, by_name)
  end
  return ok, e
end

return M
