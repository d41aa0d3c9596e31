-- scripts.lua - generations: every script of the overlay, loaded and checked.
--
-- A generation is built beside the one that serves and replaces it by one
-- assignment (`swap`). If anything is wrong with any file, there is no
-- generation, only a list of errors; a broken override never falls back to the
-- shipped script in silence.

local effects_dry = require "colibri.effects_dry"
local err = require "colibri.err"
local hook_order = require "colibri.hook_order"
local log = require "colibri.log"
local params = require "colibri.params"
local sandbox = require "colibri.sandbox"
local script = require "core.script"
local script_kinds = require "colibri.script_kinds"
local self_check = require "colibri.self_check"
local sys = require "core.sys"
local task = require "core.task"

local M = {}

local fail = script_kinds.fail

local function kind_of(name)
  return name:match("^([^/]+)/")
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
-- Returns the script and the digest of its text | nil, err.
local function load_file(layer, name, path, lower)
  local source = source_of(layer, name)
  local env = sandbox.env({
    stock = function()
      if not lower then
        error("there is no shipped '" .. name .. "' to wrap", 2)
      end
      return lower
    end,
  }, layer == "stock")
  local fn, digest = script.load(path, "@" .. source, env)
  if not fn then
    local e = digest
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
  local ok, why = script_kinds.check(source, kind_of(name), def)
  if not ok then
    return nil, why
  end
  return layer == "site" and arm(def) or def, digest
end

-- Load the winner of one name; the shipped file is loaded too when a site file
-- shadows it, for stock().
local function load_entry(entry)
  local lower, digest
  if entry.stock then
    lower, digest = load_file("stock", entry.name, entry.stock)
    if not lower then
      return nil, digest
    end
    entry.digest = digest
  end
  if not entry.site then
    return lower
  end
  return load_file("site", entry.name, entry.site, lower)
end

--- The shipped script of an entry, loaded anew. Waits.
-- @return script | nil, err
function M.stock(entry)
  if not entry.stock then
    return fail(entry.name, "nothing is shipped under this name")
  end
  return load_file("stock", entry.name, entry.stock)
end

-- What `scripts` tells about an entry; one whose shipped script has changed since
-- the site's was written is worth a line in the log.
local function note_entry(entry, def)
  entry.api, entry.disabled = def.api, def.disabled
  entry.wraps = type(def.wraps) == "string" and def.wraps or nil
  if entry.wraps and entry.wraps ~= entry.digest then
    entry.stock_changed = true
    log.warn("scripts", entry.digest and "the shipped script has changed since this override was written" or
      "the shipped script that this override wraps is gone", { script = entry.name, path = entry.site })
  end
end

-- Put one loaded script where its kind is looked up.
local function place(gen, entry, def)
  local name = entry.name
  local kind, rest = name:match("^([^/]+)/(.+)$")
  if kind == "hooks" then
    local event, hook = rest:match("^([^/]+)/([^/]+)$")
    if not event then
      return fail(name, "hooks live in hooks/<event>/<name>.lua")
    end
    gen.hooks[event] = gen.hooks[event] or {}
    gen.hooks[event][hook] = def
    gen.sources[def] = entry.site or entry.stock
    return true
  end
  if rest:find("/", 1, true) then
    return fail(name, "no directories below %s", kind)
  end
  gen[kind][rest] = def
  gen.site[name] = entry.site ~= nil
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
--   policy, providers, steps, vault, entries, site = { [name] = whether it is a site's } }
--   | nil, list of errors, each with `where`.
-- @param with_checks boolean: run the scripts' self_check too
function M.build(with_checks)
  local entries, texts = script.scan()
  local errors, checks = {}, {}
  local gen = { commands = {}, aliases = {}, hooks = {}, jail = {}, policy = {}, providers = {},
    steps = {}, vault = {}, entries = entries, sources = {}, site = {} }
  for _, text in ipairs(texts) do
    errors[#errors + 1] = err.new("NotTrusted", "%s", text)
  end
  for _, entry in ipairs(entries) do
    local def, e = load_entry(entry)
    local ok = def
    if def then
      note_entry(entry, def)
      if not def.disabled then
        ok, e = place(gen, entry, def)
      end
    end
    if not ok then
      errors[#errors + 1] = e
    elseif def.self_check and not def.disabled then
      checks[#checks + 1] = { source = source_of(entry.site and "site" or "stock", entry.name), fn = def.self_check }
    end
  end
  add_aliases(gen, errors)
  for event, hooks in pairs(gen.hooks) do
    local list, e = hook_order.sort(event, hooks, gen.sources)
    gen.hooks[event] = list or {}
    if e then
      errors[#errors + 1] = e
    end
  end
  gen.sources = nil
  if with_checks and #checks > 0 then
    self_check.run(gen, checks, errors)
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
  local gen, errors = M.build(true)
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
  local order = json.ordered { "name", "summary", "access", "change_params", "aliases", "timeout", "stream", "params", "columns" }
  local list = json.array {}
  for name, def in pairs(gen.commands) do
    list[#list + 1] = setmetatable({
      name = name, summary = def.summary, access = def.access,
      change_params = def.change_params and json.array { table.unpack(def.change_params) } or nil,
      timeout = def.timeout, stream = def.stream,
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
