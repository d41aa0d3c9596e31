-- jails.lua - jails, as scripts and spawns see them: `ctx.jail`.

local checked = require "colibri.checked"
local err = require "colibri.err"
local sys = require "core.sys"

local M = {}

local Jails = {}
Jails.__index = Jails

--- The jails as a request may see them: `ctx.jail`.
function M.bind(ctx)
  return setmetatable({ ctx = ctx }, Jails)
end

--- A running jail, as the kernel knows it.
-- @return { jid, path } | nil, err(JailNotFound, JailUnsupported)
function Jails:lookup(name)
  return self.ctx.sys.jail_lookup(name)
end

--- How something would be started in a jail: nothing is. May wait, as launchers do.
-- @param jail { name, root, user, cwd, backend }: backend, a launcher; without one that of the settings
-- @param argv list: program and arguments, inside the jail
-- @param env table|nil
-- @return { backend, argv, identity = what tells this jail from another one of its name, may be nil } | nil, err
function Jails:plan(jail, argv, env)
  local ctx = self.ctx
  local backend = jail.backend or sys.conf.jail_backend
  local launcher = ctx.gen.jail[backend]
  if not launcher then
    return nil, err.new("UnknownBackend", "no jail backend '%s'", backend)
  end
  local identity, e
  if launcher.identity then
    identity, e = launcher.identity(ctx, jail)
    if e then
      return nil, e
    end
  end
  local words
  words, e = launcher.launch(ctx, jail, argv, env or {})
  if not words then
    return nil, e
  end
  return { backend = backend, argv = words, identity = identity }
end

--- Is the jail of a plan still the one that it was made for?
-- @return true | nil, err(JailChanged, JailNotFound)
function Jails:same(jail, plan)
  local launcher = self.ctx.gen.jail[plan.backend]
  if plan.identity == nil or not (launcher and launcher.identity) then
    return true
  end
  local now, e = launcher.identity(self.ctx, jail)
  if e then
    return nil, e
  elseif now ~= plan.identity then
    return nil, err.new("JailChanged", "jail '%s' was destroyed and made anew meanwhile (%s, then %s)",
      tostring(jail.name), tostring(plan.identity), tostring(now))
  end
  return true
end

checked.methods(Jails, "jail", { lookup = "string", plan = "table table table?", same = "table table" })

return M
