-- params.lua - the parameters of a command: declared once, checked for each
-- request.
--
-- A declaration is a list of { name, type, positional =, required =, ... }; see
-- docs/API.md. Types: string, name, path, integer, number, time, boolean, enum,
-- list (of strings), any.

local checked = require "colibri.checked"
local err = require "colibri.err"
local json = require "core.json"
local nearest = require "colibri.nearest"
local spec = require "colibri.params_spec"
local types = require "colibri.param_types"

local M = {}

local null = json.null

--- Check a declaration completely.
-- @return true | nil, err(BadScript) that names the parameter
M.check_spec = spec.check

--- The flag of a parameter without its "--", declared or described.
M.flag = spec.flag

local function copy(v)
  if type(v) ~= "table" then
    return v
  end
  local out = json.is_array(v) and json.array {} or {}
  for key, value in pairs(v) do
    out[key] = copy(value)
  end
  return out
end

-- Off the fast path: name the first unknown one, in a fixed order.
local function unknown(args, known)
  local bad, names = {}, {}
  for key in pairs(args) do
    if not known[key] then
      bad[#bad + 1] = tostring(key)
    end
  end
  for name in pairs(known) do
    names[#names + 1] = name
  end
  table.sort(bad)
  local shown = #bad[1] > 64 and bad[1]:sub(1, 61) .. "..." or bad[1]
  return nil, err.new("BadParameter", "unknown parameter '%s'%s", shown, nearest.hint(bad[1], names))
end

local function is_given(v)
  return v ~= nil and v ~= null and v ~= false
end

-- The declaration as flat lists.
local function flatten(params)
  local s = { names = {}, checks = {}, required = {}, defaults = {}, known = {}, needs = {} }
  for i, p in ipairs(params) do
    local name = p[1]
    s.names[i], s.checks[i], s.required[i] = name, types.checker(p), p.required or false
    s.known[name] = true
    if p.default ~= nil then
      -- Through the checker: a list becomes a JSON list.
      s.defaults[name] = s.checks[i](p.default)
    end
    if p.requires then
      s.needs[#s.needs + 1] = { name = name, other = p.requires }
    end
  end
  return s
end

--- Make the validator of a declaration; raises when it is not in order.
-- @param params list
-- @return function(args[, into]) -> clean | nil, err. `clean` is a new table with
--   only declared parameters, defaults filled in; json.null counts as absent. It
--   may be `into`, which may be args itself: a caller that needs args no more
--   saves a table. Codes: BadParameter (unknown, wrong type or range, `requires`
--   not met), MissingParameter.
function M.compile(params)
  local ok, bad = spec.check(params)
  if not ok then
    error(bad.message, 2)
  end
  local s = flatten(params)
  local names, checks, required, defaults, known, needs = s.names, s.checks, s.required, s.defaults, s.known, s.needs
  local count = #names

  return function(args, into)
    for key in next, args do
      if not known[key] then
        return unknown(args, known)
      end
    end
    -- `requires` is about what was given, so args must stay.
    local clean = #needs == 0 and into or {}
    for i = 1, count do
      local name = names[i]
      local value = args[name]
      if value == nil or value == null then
        if required[i] then
          return nil, err.new("MissingParameter", "parameter '%s' is missing", name)
        end
        local default = defaults[name]
        if default ~= nil or value == null then
          clean[name] = copy(default)
        end
      else
        local v, why = checks[i](value)
        if why then
          return nil, err.new("BadParameter", "parameter '%s' %s", name, why)
        end
        clean[name] = v
      end
    end
    for i = 1, #needs do
      local need = needs[i]
      if is_given(args[need.name]) and not is_given(clean[need.other]) then
        return nil, err.new("BadParameter", "parameter '%s' needs '%s' too", need.name, need.other)
      end
    end
    return clean
  end
end

local compiled = setmetatable({}, { __mode = "k" })

--- Check the parameters of one request; the validator is kept for the next one.
-- @param params list: the declaration
-- @param args table: name -> value
-- @return clean | nil, err(BadParameter, MissingParameter)
function M.validate(params, args)
  local check = compiled[params]
  if not check then
    check = M.compile(params)
    compiled[params] = check
  end
  return check(args)
end

checked.functions(M, "params", { check_spec = "any", compile = "any", validate = "table table", flag = "table" })

return M
