-- effects_dry.lua - the ctx of a dry run: the same command, the same hooks, the
-- same library; writers only report.
--
-- dispatch.lua puts this ctx in place of the request's own when a command that
-- changes things is called with dry_run. The parameter is declared here, once,
-- for every such command of the shipped tree and of the site. The library behind
-- ctx is an instance of its own (modules.lua) over bindings that report, so what
-- it does past ctx reports too.

local agent_store = require "colibri.agent_store"
local audit = require "colibri.audit"
local core_fs = require "core.fs"
local core_task = require "core.task"
local json = require "core.json"
local lazy = require "colibri.lazy"
local sandbox = require "colibri.sandbox"

local dry_files, dry_programs = lazy "colibri.dry_files", lazy "colibri.dry_programs"
local dry_store, modules = lazy "colibri.dry_store", lazy "colibri.modules"

local M = {}

local EFFECT = json.ordered { "effect", "action", "table", "path", "agent_id", "signal", "argv", "keys", "bytes", "source",
  "rows", "row" }

local PARAM = { "dry_run", "boolean", help = "change nothing, tell what would change" }

--- The parameters of a command, dry_run among them if it changes things.
-- @param def table: a command's script
-- @return list: a new one, unless there is nothing to add; whether it was added
function M.declare(def)
  if def.access ~= "change" and not def.change_params or def.dry_run == false then
    return def.params, false
  end
  local out = {}
  for i, p in ipairs(def.params or {}) do
    if p[1] == PARAM[1] then
      return def.params, false
    end
    out[i] = p
  end
  out[#out + 1] = PARAM
  return out, true
end

-- The row of a dry run is written at its end, by the real store, and says so.
local function dry_audit(ctx)
  local real = audit.bind(ctx)
  local function result_of(result)
    return result == "ok" and "dry-run" or result
  end
  return {
    subject = function(_, ...) return real:subject(...) end,
    row = function() return true end,
    finish = function(_, args, result) return real:finish(args, result_of(result)) end,
    late = function(_, result) return real:late(result_of(result)) end,
  }
end

-- Tasks that the library starts for later end with the dry run.
local function tracked_task(tasks)
  local out = {}
  for name, fn in pairs(core_task) do
    out[name] = fn
  end
  out.spawn_detached = function(...)
    local handle = core_task.spawn_detached(...)
    tasks[#tasks + 1] = handle
    return handle
  end
  return out
end

-- What of the real ctx a dry run may have as it is: it only looks, or waits.
local SAME = { gen = true, peer = true, command = true, access = true, request_id = true, clock = true, json = true,
  sys = true, conf = true, task = true, log = true }

-- A ctx of these values, then what is the same; the real one is out of reach.
local function ctx_of(values, real)
  return setmetatable({}, {
    __index = function(_, key)
      local value = values[key]
      if value == nil and SAME[key] then
        value = real[key]
      elseif value == nil and key ~= "trace" and real[key] ~= nil then
        error("ctx." .. tostring(key) .. " cannot be told in a dry run", 2)
      end
      return value
    end,
    __newindex = function(_, key)
      error("ctx." .. tostring(key) .. " is read-only", 2)
    end,
    __metatable = false,
  })
end

-- The daemon itself, without its server and its vault.
local function host_of(real, report)
  local host = { server = false, vault = false, reload = function()
    local data, e = real.reload(true)
    if data then
      report { effect = "reload" }
    end
    return data, e
  end }
  return setmetatable({}, { __metatable = false, __index = function(_, key)
    if host[key] ~= nil then
      return host[key]
    end
    return real[key]
  end })
end

--- A dry run. Close it when it is over.
-- @param ctx table: of the request
-- @param extra table|nil: further values of its ctx
-- @return { ctx, effects = list of { effect = "store|file|run|start|stop|signal|send|reload", ... }, filled as they come }
function M.new(ctx, extra)
  local run = { effects = json.array {}, tasks = {} }
  local function take_back(effect)
    for i, other in ipairs(run.effects) do
      if other == effect then
        table.remove(run.effects, i)
        return
      end
    end
  end
  local function report(effect)
    run.effects[#run.effects + 1] = setmetatable(effect, EFFECT)
    return effect
  end
  local fs, proc = dry_files.new(core_fs, report, take_back), dry_programs.proc(report)
  local instance = modules.new({ ["core.fs"] = fs, ["core.proc"] = proc, ["core.agent"] = dry_programs.agent(report),
    ["core.task"] = tracked_task(run.tasks) }, require)
  local live = instance("colibri.agent_store").live
  for id, known in pairs(dry_programs.live(agent_store.live, report)) do
    live[id] = known
  end
  local values = {
    dry_run = true,
    fs = sandbox.readonly(fs, "ctx.fs"),
    proc = sandbox.readonly({ run = proc.run, start = proc.start, find = proc.find, fd_of = proc.fd_of }, "ctx.proc"),
    audit = dry_audit(ctx),
    db = ctx.db and dry_store.new(ctx.db, report, take_back),
    vault = ctx.vault and { fetch = function(_, ...) return ctx.vault:fetch(...) end,
      status = function() return ctx.vault:status() end },
    host = ctx.host and host_of(ctx.host, report),
  }
  run.ctx = ctx_of(values, ctx)
  for _, name in ipairs { "tenants", "agents" } do
    values[name] = instance("colibri." .. name).bind(run.ctx)
  end
  for key, value in pairs(extra or {}) do
    values[key] = value
  end
  return setmetatable(run, { __close = M.close })
end

--- The end of a dry run: what it left running ends.
function M.close(run)
  for _, handle in ipairs(run.tasks) do
    handle:cancel()
  end
end

return M
