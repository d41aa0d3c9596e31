-- script_kinds.lua - the kinds of script: which fields they have, and whether what
-- a file returned is one.

local err = require "colibri.err"
local params = require "colibri.params"
local sys = require "core.sys"

local M = {}

-- What the table of each kind of script may and must hold: type, or "?type".
local COMMON = { api = "number", summary = "string", disabled = "?boolean", wraps = "?string", self_check = "?function" }
local KINDS = {
  commands = { access = "string", params = "?table", run = "function", aliases = "?table",
    change_params = "?table", columns = "?table", timeout = "?number", stream = "?boolean", dry_run = "?boolean" },
  hooks = { run = "function", before = "?table", after = "?table", on_error = "?string",
    remember = "?boolean" },
  jail = { launch = "function", identity = "?function", hold = "?string" },
  policy = { decide = "function" },
  providers = { command = "function", ready = "?function", ready_event = "?string",
    input = "?boolean", prompt = "?function", env = "?table" },
  steps = { run = "function" },
  vault = { open = "function", recover = "?function", stamp = "?function" },
}

--- The fields of a kind, its own and the common ones: name -> type, or "?type".
function M.fields(kind)
  local out = {}
  for _, fields in ipairs { COMMON, KINDS[kind] } do
    for name, want in pairs(fields) do
      out[name] = want
    end
  end
  return out
end

--- nil and an error whose `where` is the file.
function M.fail(source, fmt, ...)
  local e = err.new("BadScript", fmt, ...)
  e.where = source
  return nil, e
end

local fail = M.fail

-- The fields that every kind shares, and those of its own.
local function check_fields(source, kind, def)
  local own = KINDS[kind]
  for key in pairs(def) do
    if not (COMMON[key] or own[key]) then
      return fail(source, "unknown field '%s' in a script of %s", tostring(key), kind)
    end
  end
  for _, fields in ipairs { COMMON, own } do
    for key, want in pairs(fields) do
      local optional, name = want:match("^(%??)(.*)$")
      if def[key] == nil and optional == "" then
        return fail(source, "field '%s' is missing", key)
      elseif def[key] ~= nil and type(def[key]) ~= name then
        return fail(source, "field '%s' must be a %s, got %s", key, name, type(def[key]))
      end
    end
  end
  return true
end

local function check_command(source, def)
  if def.access ~= "read" and def.access ~= "change" then
    return fail(source, "access must be 'read' or 'change'")
  end
  if def.timeout and not (def.timeout > 0 and def.timeout <= 86400) then
    return fail(source, "timeout must be more than 0 and at most 86400 seconds")
  end
  for _, field in ipairs { "aliases", "columns", "change_params" } do
    for _, word in ipairs(def[field] or {}) do
      if type(word) ~= "string" or not word:match("^[A-Za-z0-9_][A-Za-z0-9_-]*$") then
        return fail(source, "%s must be a list of names", field)
      end
    end
  end
  local ok, e = params.check_spec(def.params or {})
  if not ok then
    e.where = source
    return nil, e
  end
  return true
end

local function check_hook(source, def)
  if def.on_error ~= nil and def.on_error ~= "fail" and def.on_error ~= "warn" then
    return fail(source, "on_error must be 'fail' or 'warn'")
  end
  return true
end

local function check_jail(source, def)
  if def.hold ~= nil and def.hold ~= "exec" then
    return fail(source, "hold must be 'exec', or left out")
  end
  return true
end

local function check_wraps(source, wraps)
  if wraps ~= nil and (type(wraps) ~= "string" or not wraps:match("^%x+$") or #wraps ~= 32) then
    return fail(source, "wraps must be a digest that `colibri scripts` shows: 32 hexadecimal digits")
  end
  return true
end

--- Is what the file returned a script of its kind?
-- @return true | nil, err(BadScript)
function M.check(source, kind, def)
  if type(def) ~= "table" or getmetatable(def) ~= nil then
    return fail(source, "a script returns a plain table, this one returned %s", type(def) == "table" and
      "one with a metatable" or type(def))
  end
  if def.api ~= sys.api then
    return fail(source, "api must be %d, got %s", sys.api, tostring(def.api))
  end
  if def.disabled then
    return true
  end
  local ok, e = check_fields(source, kind, def)
  if ok then
    ok, e = check_wraps(source, def.wraps)
  end
  if ok and kind == "commands" then
    ok, e = check_command(source, def)
  elseif ok and kind == "jail" then
    ok, e = check_jail(source, def)
  elseif ok and kind == "hooks" then
    ok, e = check_hook(source, def)
  end
  return ok, e
end

return M
