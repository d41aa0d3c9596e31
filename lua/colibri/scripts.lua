-- scripts.lua - generations: every script of the overlay, loaded and checked.
--
-- A generation is built beside the one that serves and replaces it by one
-- assignment (`swap`). If anything is wrong with any file, there is no
-- generation, only a list of errors; a broken override never falls back to the
-- shipped script in silence.

local effects_dry = require "colibri.effects_dry"
local err = require "colibri.err"
local hook_order = require "colibri.hook_order"
local params = require "colibri.params"
local sandbox = require "colibri.sandbox"
local script = require "core.script"
local sys = require "core.sys"
local task = require "core.task"

local M = {}

-- What the table of each kind of script may and must hold: type, or "?type".
local COMMON = { api = "number", summary = "string", disabled = "?boolean" }
local KINDS = {
  commands = { access = "string", params = "?table", run = "function", aliases = "?table",
    columns = "?table", timeout = "?number", dry_run = "?boolean" },
  hooks = { run = "function", before = "?table", after = "?table", on_error = "?string",
    remember = "?boolean" },
  jail = { launch = "function" },
  policy = { decide = "function" },
  providers = { command = "function", ready = "?function", ready_event = "?string" },
  steps = { run = "function" },
  vault = { open = "function", recover = "?function", stamp = "?function" },
}

local function kind_of(name)
  return name:match("^([^/]+)/")
end

local function fail(source, fmt, ...)
  local e = err.new("BadScript", fmt, ...)
  e.where = source
  return nil, e
end

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
  for _, field in ipairs { "aliases", "columns" } do
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

-- Is what the file returned a script of its kind?
local function check(source, kind, def)
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
  if ok and kind == "commands" then
    ok, e = check_command(source, def)
  elseif ok and kind == "hooks" then
    ok, e = check_hook(source, def)
  end
  return ok, e
end

-- "site/commands/x.lua" as errors show it.
local function source_of(layer, name)
  return layer .. "/" .. name .. ".lua"
end

-- A site's functions run with the limits armed; see core/task.h.
local function arm(def)
  for key, fn in pairs(def) do
    if type(fn) == "function" then
      local where = script.where(fn)
      def[key] = function(...)
        task.arm(where)
        return fn(...)
      end
    end
  end
  return def
end

-- Load one file of one layer. `lower` is what stock() returns, or nil.
local function load_file(layer, name, path, lower)
  local source = source_of(layer, name)
  local env = sandbox.env {
    stock = function()
      if not lower then
        error("there is no shipped '" .. name .. "' to wrap", 2)
      end
      return lower
    end,
  }
  local fn, e = script.load(path, "@" .. source, env)
  if not fn then
    e.where = e.where or e.message:match("^(.-:%d+): ") or source
    return nil, e
  end
  -- A task of its own: a file that loops for ever spends its own budget.
  local def, call_err = task.go(fn):wait()
  if def == nil then
    if not err.is(call_err) then
      return fail(source, call_err == nil and "the script returned nothing" or "loading raised no proper error")
    end
    return nil, call_err
  end
  local ok, why = check(source, kind_of(name), def)
  if not ok then
    return nil, why
  end
  return layer == "site" and arm(def) or def
end

-- Load the winner of one name; the shipped file is loaded too when a site file
-- shadows it, for stock().
local function load_entry(entry)
  local lower, e
  if entry.stock then
    lower, e = load_file("stock", entry.name, entry.stock)
    if not lower then
      return nil, e
    end
  end
  if not entry.site then
    return lower
  end
  return load_file("site", entry.name, entry.site, lower)
end

-- Put one loaded script where its kind is looked up.
local function place(gen, name, def)
  local kind, rest = name:match("^([^/]+)/(.+)$")
  if kind == "hooks" then
    local event, hook = rest:match("^([^/]+)/([^/]+)$")
    if not event then
      return fail(name, "hooks live in hooks/<event>/<name>.lua")
    end
    gen.hooks[event] = gen.hooks[event] or {}
    gen.hooks[event][hook] = def
    return true
  end
  if rest:find("/", 1, true) then
    return fail(name, "no directories below %s", kind)
  end
  gen[kind][rest] = def
  return true
end

-- Names and aliases must not collide.
local function add_aliases(gen, errors)
  for name, def in pairs(gen.commands) do
    def.name = name
    def.params, def.dry_run_added = effects_dry.declare(def)
    def.check = params.compile(def.params or {})
  end
  for name, def in pairs(gen.commands) do
    for _, alias in ipairs(def.aliases or {}) do
      if gen.commands[alias] or gen.aliases[alias] then
        local _, e = fail("commands/" .. name, "alias '%s' is taken", tostring(alias))
        errors[#errors + 1] = e
      else
        gen.aliases[alias] = def
      end
    end
  end
end

--- Build a new generation. Waits.
-- @return generation { number, commands, aliases, hooks = { event = ordered list }, jail,
--   policy, providers, steps, vault, entries } | nil, list of errors, each with `where`.
function M.build()
  local entries, texts = script.scan()
  local errors = {}
  local gen = { commands = {}, aliases = {}, hooks = {}, jail = {}, policy = {}, providers = {},
    steps = {}, vault = {}, entries = entries }
  for _, text in ipairs(texts) do
    errors[#errors + 1] = err.new("NotTrusted", "%s", text)
  end
  for _, entry in ipairs(entries) do
    local def, e = load_entry(entry)
    entry.disabled = def and def.disabled or nil
    if def and not def.disabled then
      e = select(2, place(gen, entry.name, def))
    end
    if e then
      errors[#errors + 1] = e
    end
  end
  add_aliases(gen, errors)
  for event, hooks in pairs(gen.hooks) do
    local list, e = hook_order.sort(event, hooks)
    gen.hooks[event] = list or {}
    if e then
      errors[#errors + 1] = e
    end
  end
  if #errors > 0 then
    return nil, errors
  end
  return gen
end

local current
local number = 0
local by_name = {} -- name or alias -> command, of the current generation

--- The generation that serves now.
function M.current()
  return current
end

--- The command of that name or alias in the generation that serves now: the table
-- itself, for dispatch, which asks for each request; others see the view.
-- @return command | nil, generation
function M.command(name)
  return by_name[name], current
end

--- Build, and serve the new generation if it is without a fault.
-- @return generation | nil, errors; then the old one goes on.
function M.swap()
  local gen, errors = M.build()
  if not gen then
    return nil, errors
  end
  number = number + 1
  gen.number = number
  by_name = {}
  for _, commands in ipairs { gen.aliases, gen.commands } do
    for name, def in pairs(commands) do
      by_name[name] = def
    end
  end
  current = sandbox.readonly(gen, "ctx.gen")
  return current
end

local function describe_params(list)
  local json = require "core.json"
  local out = json.array {}
  for i, p in ipairs(list or {}) do
    local row = {}
    for key, value in pairs(p) do
      if type(key) == "string" then
        row[key] = value
      end
    end
    row.name, row.type = p[1], p[2]
    if row.values then
      row.values = json.array { table.unpack(row.values) }
    end
    out[i] = row
  end
  return out
end

--- What `describe` replies about a generation; see docs/PROTOCOL.md.
function M.describe(gen)
  local json = require "core.json"
  local order = json.ordered { "name", "summary", "access", "aliases", "timeout", "params", "columns" }
  local list = json.array {}
  for name, def in pairs(gen.commands) do
    list[#list + 1] = setmetatable({
      name = name, summary = def.summary, access = def.access, timeout = def.timeout,
      aliases = json.array { table.unpack(def.aliases or {}) },
      params = describe_params(def.params),
      columns = def.columns and json.array { table.unpack(def.columns) } or nil,
    }, order)
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return setmetatable({ version = sys.version, protocol = sys.protocol, api = sys.api, commands = list },
    json.ordered { "version", "protocol", "api", "commands" })
end

--- The same from the files, for the CLI when no daemon answers.
-- @return data | nil, err
function M.describe_shipped()
  local gen, errors = M.build()
  if not gen then
    return nil, errors[1]
  end
  return M.describe(gen)
end

return M
