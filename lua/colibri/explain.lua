-- explain.lua - why a command would do what it would: every decision in order,
-- nothing done.
--
-- The command runs as a dry run (effects_dry.lua), in a generation whose hooks,
-- providers and launchers note what they were asked and what they said. Library
-- code that decides says so by trace.lua.

local effects_dry = require "colibri.effects_dry"
local err = require "colibri.err"
local hooks = require "colibri.hooks"
local json = require "core.json"
local script = require "core.script"

local M = {}

local STEP = json.ordered { "step", "kind", "name", "verdict", "code", "where", "inputs", "message" }

-- Short names, as the commands' families are called.
local SHORT = { spawn = "spawn-agent", provision = "provision-tenant" }

local function copy(t)
  local out = {}
  for key, value in pairs(t) do
    out[key] = value
  end
  return out
end

-- A table as it is now, of what JSON can hold; the rest is left out.
local function plain(t)
  local out = {}
  for key, value in pairs(t) do
    if getmetatable(value) == false and type(value) == "table" then
      value = copy(value) -- a read-only view
    end
    local text = type(key) == "string" and json.encode(value)
    if text then
      out[key] = json.decode(text)
    end
  end
  return out
end

-- "site/hooks/spawn_before/hours.lua": which file answers to a name.
local function file_of(gen, name)
  for _, entry in ipairs(gen.entries) do
    if entry.name == name then
      return (entry.site and "site/" or "stock/") .. name .. ".lua"
    end
  end
  return name
end

local function decide(step, verdict, e, where)
  step.verdict = verdict
  if e ~= nil then
    step.code = err.is(e) and e.code or "Refused"
    step.message = err.is(e) and e.message or tostring(e)
  end
  step.where = err.is(e) and e.where or where
end

local function add(steps, kind, name, verdict, fields)
  local step = setmetatable({ step = #steps + 1, kind = kind, name = name }, STEP)
  step.inputs = fields.inputs and plain(fields.inputs)
  decide(step, verdict, fields.e, fields.where)
  steps[#steps + 1] = step
  return step
end

-- Call a script's function and note what it said: verdict(results...) -> verdict,
-- err. Its step comes before those of what it calls.
local function noted(steps, kind, name, file, inputs, verdict, fn, ...)
  local step = add(steps, kind, name, "is asked", { inputs = inputs })
  script.trace()
  local results = table.pack(xpcall(fn, script.traceback, ...))
  local line = script.traced()
  local said, e
  if results[1] then
    said, e = verdict(table.unpack(results, 2, results.n))
  else
    said, e = "failed", results[2]
  end
  decide(step, said, e, line and line:find(file, 1, true) and line or file)
  if not results[1] then
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

local function hook_verdict(result, e)
  if result == false then
    return "refuses", e or "refused without a reason"
  elseif e ~= nil then
    return "failed", e
  end
  return "goes on"
end

local function argv_verdict(argv, e)
  return argv and table.concat(argv, " ") or "failed", not argv and e or nil
end

-- gen, with every decision of its scripts noted.
local function traced(gen, steps)
  local events = setmetatable({}, { __index = function(_, event)
    local list = gen.hooks[event]
    if not list then
      add(steps, "event", event, "no hooks", {})
      return nil
    end
    local out = {}
    for i = 1, #list do
      local hook = copy(list[i])
      local name = "hooks/" .. event .. "/" .. hook.name
      local run = hook.run
      hook.run = function(ctx, payload)
        return noted(steps, "hook", name, file_of(gen, name), payload, hook_verdict, run, ctx, payload)
      end
      out[i] = hook
    end
    return out
  end })
  local function scripts(kind, what, field, inputs)
    return setmetatable({}, { __index = function(_, name)
      local def = gen[kind][name]
      if not def then
        add(steps, what, name, "does not exist", {})
        return nil
      end
      local fn, path = def[field], kind .. "/" .. name
      return setmetatable({ [field] = function(...)
        return noted(steps, what, name, file_of(gen, path), inputs(...), argv_verdict, fn, ...)
      end }, { __index = def })
    end })
  end
  return setmetatable({ hooks = events,
    providers = scripts("providers", "provider", "command", function(_, spawn) return spawn end),
    jail = scripts("jail", "launcher", "launch", function(_, jail) return jail end) }, { __index = gen })
end

-- "lua/colibri/provision.lua:92": the line `level` calls up.
local function line_of(level)
  local _, where = pcall(error, "", level + 1)
  return tostring(where):match("^(.-:%d+):") or nil
end

local function effect_words(effect)
  local out = { effect.action or effect.effect }
  for _, name in ipairs { "table", "path", "agent_id" } do
    out[#out + 1] = effect[name]
  end
  return table.concat(out, " ")
end

local function run(dry, steps, command, args)
  local ctx = dry.ctx
  local ok, e = hooks.run(ctx.gen, "authorize", ctx, { peer = ctx.peer, command = command.name, access = command.access,
    args = args })
  if not ok then
    return nil, e
  end
  if command.dry_run_added then
    args.dry_run = nil
  end
  local data
  data, e = command.run(ctx, args)
  for _, effect in ipairs(dry.effects) do
    add(steps, "effect", effect_words(effect), "would happen", {})
  end
  return data, e
end

--- Every decision on the way of a request, in order. Waits.
-- @param ctx table: of who asks
-- @param verb string: a command, or spawn, provision
-- @param request table: its parameters
-- @return list of { step, kind, name, verdict, code?, where?, inputs?, message? } | nil, err(UnknownCommand)
function M.run(ctx, verb, request)
  local gen = ctx.gen
  local name = SHORT[verb] or verb
  local command = gen.commands[name] or gen.aliases[name]
  if not command then
    return nil, err.new("UnknownCommand", "no command '%s'", verb)
  elseif command.dry_run == false then
    return nil, err.new("BadParameter", "'%s' cannot be explained: it has no dry run", name)
  end
  local steps = json.array {}
  local args, e = command.check(request)
  add(steps, "parameters", command.name, args and "in order" or "refused", { e = e, inputs = args or request })
  if not args then
    return steps
  end
  args.dry_run = command.access == "change" or nil
  local dry <close> = effects_dry.new(ctx, { gen = traced(gen, steps), command = command.name, access = command.access,
    trace = function(what, inputs, why)
      add(steps, "guard", what, why and "refuses" or "passes", { e = why, inputs = inputs, where = line_of(4) })
    end })
  local ok, data, failure = xpcall(run, script.traceback, dry, steps, command, args)
  if not ok then
    failure = data
  end
  add(steps, "result", command.name, failure ~= nil and "fails" or "succeeds", { e = failure })
  return steps
end

return M
