-- daemon.lua - the life of colibri-daemon: start, serve, reload, stop.

local agent_watch = require "colibri.agent_watch"
local agent_adopt = require "colibri.agent_adopt"
local agent_restart = require "colibri.agent_restart"
local agents = require "colibri.agents"
local clock = require "core.clock"
local context = require "colibri.context"
local dispatch = require "colibri.dispatch"
local ephemeral = require "colibri.ephemeral"
local err = require "colibri.err"
local events = require "colibri.events"
local fs = require "core.fs"
local hooks = require "colibri.hooks"
local json = require "core.json"
local lazy = require "colibri.lazy"
local log = require "colibri.log"
local provision = require "colibri.provision"
local refresh = require "colibri.refresh"
local scripts = require "colibri.scripts"
local server = require "core.server"
local store = require "colibri.store"
local sys = require "core.sys"
local task = require "core.task"
local vaults = require "colibri.vaults"

local console, explain = lazy "colibri.console", lazy "colibri.explain"
local script_extract = lazy "colibri.script_extract"

local M = {}

local function log_errors(what, errors)
  for _, e in ipairs(errors) do
    log.error("daemon", what .. ": " .. e.message, { code = e.code, where = e.where })
  end
end

--- Build a new generation and swap it in; with dry_run only build it.
-- @return { generation, scripts } | nil, err(ReloadFailed) with errors, every one of them
function M.reload(dry_run)
  local gen, errors
  if dry_run then
    gen, errors = scripts.build(true)
  else
    gen, errors = scripts.swap()
  end
  if not gen then
    log_errors("reload", errors)
    local e = err.new("ReloadFailed", "%d script(s) are broken; the old ones go on", #errors)
    e.errors = json.array {}
    for i, broken in ipairs(errors) do
      e.errors[i] = { code = broken.code, message = broken.message, where = broken.where }
    end
    return nil, e
  end
  if dry_run then
    return { generation = scripts.current().number + 1, scripts = #gen.entries }
  end
  events.emit("reload", { data = { generation = gen.number, scripts = #gen.entries } })
  log.info("daemon", "scripts loaded", { generation = gen.number, scripts = #gen.entries })
  return { generation = gen.number, scripts = #gen.entries }
end

-- Every mistake that can be found without opening anything.
local function check()
  local gen, errors = scripts.build(true)
  errors = errors or {}
  if gen then
    for _, want in ipairs { { "vault", sys.conf.vault }, { "jail", sys.conf.jail_backend } } do
      if not gen[want[1]][want[2]] then
        errors[#errors + 1] = err.new("BadSetting", "there is no %s script '%s'", want[1], want[2])
      end
    end
  end
  if fs.exists(sys.conf.state_dir) then
    local ok, e = fs.make_private(sys.conf.state_dir) -- it is there: this only looks
    errors[#errors + 1] = not ok and e or nil
  end
  if not fs.exists(sys.conf.jail_root_base) then
    errors[#errors + 1] = err.new("BaseMissing", "jail_root_base %s does not exist", sys.conf.jail_root_base)
  end
  return errors
end

local function main_check()
  local errors = check()
  log_errors("check", errors)
  if #errors == 0 then
    log.info("daemon", "check: everything is in order")
  end
  return #errors == 0 and 0 or 1
end

-- Directories of our own: the state directory, 0700.
local function prepare_state()
  return fs.make_private(sys.conf.state_dir)
end

-- What a second daemon, on another socket, must keep its hands off: the agents of
-- the state directory, and their rows. If there can be no lock file, whoever uses
-- the directory says what is wrong with it.
-- @return holds, released at the end | nil, err(StateInUse)
local function hold_state()
  local holds = {}
  for _, path in ipairs { sys.conf.state_dir .. "/lock", sys.conf.db_path .. ".lock" } do
    local hold, e = server.hold(path)
    if not hold and e.code == "StateInUse" then
      return nil, e
    end
    holds[#holds + 1] = hold
  end
  return holds
end

-- How tenants of policy `interval` are kept fresh; see refresh.lua.
local function refresh_options(db)
  return { clock = clock, random = math.random,
    rows = function()
      return db:all [[SELECT tenant_id, interval, provisioned_at FROM tenants
        WHERE policy = 'interval' AND status = 'active']]
    end,
    decide = function(tenant, random)
      local policy = scripts.current().policy.refresh
      if policy then
        return policy.decide(tenant, random)
      end
    end,
    run = function(ids)
      return (provision.many(context.internal(scripts.current(), "refresh"), ids, { refresh = true }))
    end }
end

local function start()
  local ok, e = server.watch_signals()
  if ok then
    ok, e = prepare_state()
  end
  if not ok then
    return nil, e
  end
  -- Before anything is touched: a live daemon has the store and the agents.
  local listener
  listener, e = server.listen { handle = dispatch.handle, failed = dispatch.failed }
  local holds
  if listener then
    holds, e = hold_state()
  end
  if not holds then
    return nil, e
  end
  local reloaded
  reloaded, e = M.reload()
  if not reloaded then
    return nil, e
  end
  local db
  db, e = store.open(sys.conf.db_path)
  if not db then
    return nil, e
  end
  local vault = vaults.new { gen = scripts.current, ctx = context.internal(scripts.current(), "vault") }
  local started = clock.now()
  local host = { reload = M.reload, describe = scripts.describe, explain = function(...) return explain.run(...) end,
    console = function(...) return console.eval(...) end,
    started = started, count_agents = agents.count, vault = vault }
  host.extract = function(ctx, name) return script_extract.extract(ctx, name, scripts.stock) end
  host.hook_state, host.troubled_hooks = hooks.state, hooks.troubled
  context.setup { db = db, vault = vault, host = setmetatable({}, { __index = host, __newindex = function(_, key)
    error("ctx.host." .. tostring(key) .. " is read-only", 2)
  end, __metatable = false }) }
  local ctx = context.internal(scripts.current(), "agents")
  agent_restart.setup(function() return context.internal(scripts.current(), "restart") end)
  ok, e = agent_adopt.adopt(ctx)
  if ok then
    ok, e = ephemeral.resume(ctx)
  end
  if not ok then
    return nil, e
  end
  task.spawn_detached("vault recovery", vault.recover, vault)
  task.spawn_detached("old agents", agent_adopt.keep_pruned, ctx)
  task.spawn_detached("supervisor", agent_watch.supervise, ctx, scripts.current)
  task.spawn_detached("refresh", refresh.serve, refresh_options(db))
  host.server = listener
  listener:serve()
  return { db = db, server = host.server, vault = vault, holds = holds }
end

--- Run the daemon until TERM or INT; HUP reloads. Waits.
-- @return exit status
function M.main(option)
  if option == "--check" then
    return main_check()
  end
  if option then
    log.error("daemon", "unexpected argument", { argument = option })
    return 2
  end
  local running, e = start()
  if not running then
    log.error("daemon", e.message, { code = e.code, where = e.where })
    return 1
  end
  while true do
    local signal = server.next_signal()
    if signal == "HUP" then
      M.reload()
    else
      log.info("daemon", "stopping", { signal = signal })
      break
    end
  end
  running.server:close()
  if sys.conf.shutdown == "stop" then
    local stopped, why = context.internal(scripts.current(), "shutdown").agents:stop_all()
    log.info("daemon", "agents stopped", { agents = stopped and #stopped, error = why and why.message })
  end
  running.vault:close()
  running.db:close()
  for _, hold in ipairs(running.holds) do
    hold:release()
  end
  return 0
end

return M
