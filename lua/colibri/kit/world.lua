-- kit/world.lua - a host of its own for a test: the real library and the real
-- scripts over fakes of what reaches outside.
--
--	local w <close> = t.site("..")
--	w:collection("proof0", { KEY = "value" })
--	w:tenant("proof0")
--	t.eq(w:call("provision-tenant", { tenant_id = "proof0" }).result, "provisioned")
--
-- Real: loading and checking of scripts, dispatch, parameters, hooks, audit, the
-- store (in memory), files (below a scratch directory). Fake: time, agents,
-- programs, the vault, the socket.

local clock = require "colibri.kit.clock"
local core_log = require "core.log"
local core_script = require "core.script"
local core_sys = require "core.sys"
local core_task = require "core.task"
local files = require "colibri.kit.files"
local fs = require "core.fs"
local kit_agents = require "colibri.kit.agents"
local kit_proc = require "colibri.kit.proc"
local kit_server = require "colibri.kit.server"
local kit_vault = require "colibri.kit.vault"
local modules = require "colibri.modules"
local spy = require "colibri.kit.spy"

local M = {}

local World = {}
World.__index = World

local HANG_TURNS = 200 -- of settle(), after which nothing more will come
local STEPS_MAX = 100000

local function copy(t)
  local out = {}
  for key, value in pairs(t) do
    out[key] = value
  end
  return out
end

-- The settings of a world: those of this program, but nothing outside scratch.
local function conf(self, options)
  local out = copy(core_sys.conf)
  out.socket_path, out.db_path, out.state_dir = self.dir .. "/sock", ":memory:", self.dir .. "/state"
  out.jail_root_base, out.site_dir = self.base, self.site_dir
  out.provider_env, out.vault_dir = self.dir .. "/provider.env", self.dir .. "/vault"
  out.vault, out.jail_backend, out.jail_priv_mode = "fake", "none", "none"
  for key, value in pairs(options.conf or {}) do
    if core_sys.conf[key] == nil and out[key] == nil then
      error("there is no setting '" .. key .. "'", 4)
    end
    out[key] = value
  end
  return out
end

local function fakes(self, options)
  local task = self.clock:task_module {
    started = function(handle) self.tasks[#self.tasks + 1] = handle end,
    deadline = function(seconds) self.server:deadline(seconds) end,
  }
  local sys, script = copy(core_sys), copy(core_script)
  sys.conf = conf(self, options)
  script.scan = function() return core_script.scan(self.site_dir) end
  self.agents = kit_agents.new(task)
  self.proc = kit_proc.new(self.dir)
  self.vault = kit_vault.new(self.dir)
  self.server = kit_server.new(self)
  return {
    ["core.agent"] = self.agents:module(function() return self.clock:now() end),
    ["core.clock"] = self.clock:module(),
    ["core.log"] = { debugging = core_log.debugging, write = function(level, topic, message, fields)
      self.log[#self.log + 1] = { level = level, topic = topic, message = message, fields = fields or {} }
      if core_log.debugging then
        core_log.write(level, topic, message, fields)
      end
    end },
    ["core.proc"] = self.proc:module(),
    ["core.script"] = script,
    ["core.server"] = self.server:module(),
    ["core.sys"] = sys,
    ["core.task"] = task,
  }
end

-- The fake adapter is there beside those of the overlay.
local function add_vault(self)
  local vaults = self.require "colibri.vaults"
  local new = vaults.new
  vaults.new = function(opts)
    local gen = opts.gen
    opts.gen = function()
      local real = gen()
      return setmetatable({ vault = setmetatable({ fake = self.vault:adapter() }, { __index = real.vault }) },
        { __index = real })
    end
    self.vaults = new(opts)
    return self.vaults
  end
end

local function errors_of(self)
  local lines = {}
  for _, line in ipairs(self.log) do
    if line.level == "error" then
      lines[#lines + 1] = (line.fields.where and line.fields.where .. ": " or "") .. line.message
    end
  end
  return table.concat(lines, "\n")
end

-- Has anything happened since it was asked last?
local function has_moved(self)
  local tasks, waits = core_task.count()
  local now = ("%d %d %d %d"):format(tasks, waits, #self.calls, #self.log)
  local moved = now ~= self.moved_at or tasks - 1 > waits -- or one computes
  self.moved_at = now
  return moved
end

-- Let tasks and time run until done() is true. Time moves only when nothing else
-- does.
local function drive(self, done)
  local idle, steps = 0, 0
  self.clock:settle()
  while not done() do
    if has_moved(self) then
      self.clock:settle()
    elseif self.auto and self.clock:next() then
      steps = steps + 1
      if steps > STEPS_MAX then
        error("time runs on and on, and what is waited for does not come", 0)
      end
      self.clock:step()
    else
      idle = idle + 1
      if idle > HANG_TURNS then
        error(self.clock:next() and ("this waits for the clock: move it by clock:advance(%g)"):format(
          self.clock:next()) or "this waits for something that never comes", 0)
      end
      self.clock:settle()
    end
  end
end

--- A world for a site directory. Waits.
-- @param site string: directory of the site; table: its files, { ["hooks/x/y.lua"] = text };
--   nil: the shipped scripts only
-- @param options { now = UNIX seconds, clock = "auto" (default) | "manual", conf = { setting = value } }
-- @return world; close it, or use <close>. Raises what is wrong with the site's scripts.
function M.new(site, options)
  options = options or {}
  local dir = assert(fs.scratch("colibri-kit"))
  local self = setmetatable({ dir = dir, base = dir .. "/jails", log = {}, tasks = {}, calls = {},
    auto = options.clock ~= "manual", clock = clock.new(options) }, World)
  self.site_dir = type(site) == "string" and site or dir .. "/site"
  self:tree { ["jails/"] = true, ["site/"] = true, ["vault/"] = true }
  for name, text in pairs(type(site) == "table" and site or {}) do
    self:tree { ["site/" .. name] = text }
  end
  self.require = modules.new(fakes(self, options), require)
  add_vault(self)
  spy.watch_bound(self)
  self.main = core_task.spawn_detached("kit daemon", self.require("colibri.daemon").main)
  drive(self, function() return self.server.serving or self.main:done() end)
  if self.main:done() then
    local why = errors_of(self)
    self.main = nil
    self:close()
    error(why, 0)
  end
  spy.watch_shared(self)
  return self
end

--- Files and directories below the scratch directory; see kit/files.lua. Jail
-- roots are below jails/.
function World:tree(tree)
  return files.tree(self.dir, tree)
end

function World:read(name)
  return files.read(self.dir, name)
end

function World:stat(name)
  return files.stat(self.dir, name)
end

--- Run fn(...) as a task of its own while time runs. Waits.
-- @return its results | nil, err when it raised
function World:run(fn, ...)
  local child = core_task.go(fn, ...)
  drive(self, function() return child:done() end)
  return child:wait()
end

--- Send a request; it runs beside the test.
-- @param request table: with cmd
-- @param peer { uid?, gid?, pid? }: who asks; default: the daemon's user
-- @return pending with :done(), :reply(), :wait()
function World:send(request, peer)
  return self.server:send(request, peer)
end

--- As send, with the command's name and parameters.
function World:start(cmd, args, peer)
  local request = copy(args or {})
  request.cmd = cmd
  return self:send(request, peer)
end

--- Call a command through the real dispatch. Waits.
-- @return data | nil, err, as a client sees them
function World:call(cmd, args, peer)
  return self:start(cmd, args, peer):wait()
end

function World:drive(done)
  return drive(self, done)
end

--- A tenant with a jail root of its own, registered. Waits.
-- @return root: host path of the jail root
function World:tenant(name)
  self:tree { ["jails/" .. name .. "/root/"] = true }
  local root = self.base .. "/" .. name .. "/root"
  local row, e = self:call("register-tenant", { tenant_id = name, jail_root_path = root, collection_id = name })
  if not row then
    error(tostring(e.code) .. ": " .. tostring(e.message), 2)
  end
  return root
end

--- A collection of the fake vault: { KEY = "value" }; nil takes it away.
function World:collection(name, values)
  self.vault:set(name, values)
end

function World:gen()
  return self.require("colibri.scripts").current()
end

--- A ctx, as commands and hooks get it.
function World:ctx(name)
  return self.require("colibri.context").internal(self:gen(), name or "test")
end

--- Run the hooks of an event, in order. Waits.
-- @return true | nil, err with `hook` and `refused`; the payload shows what they changed
function World:hooks(event, payload)
  return self:run(self.require("colibri.hooks").run, self:gen(), event, self:ctx(event), payload or {})
end

-- What a proof's script gets; the client talks to this world.
local function step_ctx(self, name)
  local ctx = copy(self.require("colibri.context").shared())
  local function text(list)
    return function(s) list[#list + 1] = s end
  end
  self.out, self.err = {}, {}
  ctx.out, ctx.err, ctx.is_tty = text(self.out), text(self.err), false
  ctx.log = self.require("colibri.log").topic(name)
  ctx.client = { connect = function() return self.server:client() end }
  ctx.script = function(kind, script)
    return self:gen()[kind][script]
  end
  return ctx
end

--- Run one step of a proof. Waits.
-- @param proof table: the options and facts that steps share
-- @return what the step returns
function World:step(name, proof)
  local def = self:gen().steps[name]
  if not def then
    error("no step '" .. name .. "'", 2)
  end
  return self:run(def.run, step_ctx(self, name), proof or {})
end

--- Open a session of a vault adapter. Waits.
-- @return session with :fetch(collection) and :close() | nil, err
function World:open_vault(name)
  local def = self.vaults.gen().vault[name]
  if not def then
    error("no vault adapter '" .. name .. "'", 2)
  end
  return self:run(def.open, self.vaults.adapter_ctx)
end

--- Effects that were used so far, in order: "proc.run", "fs.open",
-- "root:write_env", "tenants:register", "db:write", ...
-- @param name string|nil: only these
-- @return list of { name =, args... }
function World:effects(name)
  local out = {}
  for _, call in ipairs(self.calls) do
    if not name or call.name == name then
      out[#out + 1] = call
    end
  end
  return out
end

--- Is there a log line that contains this text?
function World:logged(text)
  for _, line in ipairs(self.log) do
    if line.message:find(text, 1, true) then
      return line
    end
  end
  return nil
end

--- The end: as the daemon stops, then nothing is left. Waits.
function World:close()
  if not self.dir then
    return
  end
  self.auto = true
  local ok, e = true, nil
  if self.main then
    self.server:signal("TERM")
    ok, e = pcall(drive, self, function() return self.main:done() end)
    self.tasks[#self.tasks + 1] = self.main
  end
  for _, handle in ipairs(self.tasks) do
    handle:cancel()
    handle:wait()
  end
  fs.remove_tree(self.dir)
  self.dir = nil
  if not ok then
    error(e, 0)
  end
end
World.__close = World.close

return M
