-- kit/spy.lua - what a world's scripts do through ctx, written down.
--
-- The effects themselves are unchanged: each call is noted with its arguments
-- and goes on to where it went before.

local M = {}

local function note(world, name, ...)
  world.calls[#world.calls + 1] = { name = name, ... }
end

-- A table or userdata with methods; `close` ends it, also by <close>.
local function spy_object(world, prefix, object)
  return setmetatable({}, {
    __index = function(_, name)
      local method = object[name]
      if type(method) ~= "function" then
        return method
      end
      return function(_, ...)
        note(world, prefix .. ":" .. name, ...)
        return method(object, ...)
      end
    end,
    __close = function()
      object:close()
    end,
    __metatable = false,
  })
end

local function spy_root(world, root, ...)
  if root == nil then
    return root, ...
  end
  return spy_object(world, "root", root)
end

-- A table of functions, read-only as before.
local function spy_functions(world, prefix, t)
  local out = {}
  for name, value in pairs(t) do
    out[name] = value
    if type(value) == "function" then
      out[name] = function(...)
        note(world, prefix .. "." .. name, ...)
        if prefix == "fs" and (name == "open" or name == "open_trusted") then
          return spy_root(world, value(...))
        end
        return value(...)
      end
    end
  end
  return world.require("colibri.sandbox").readonly(out, "ctx." .. prefix)
end

--- ctx.tenants, ctx.agents, ctx.audit: bound for each request.
function M.watch_bound(world)
  for _, name in ipairs { "tenants", "agents", "audit" } do
    local module = world.require("colibri." .. name)
    local bind = module.bind
    module.bind = function(ctx)
      return spy_object(world, name, bind(ctx))
    end
  end
end

--- What all requests share; after the daemon has set it up.
function M.watch_shared(world)
  local shared = world.require("colibri.context").shared()
  for _, name in ipairs { "fs", "proc", "clock", "task" } do
    shared[name] = spy_functions(world, name, shared[name])
  end
  for _, name in ipairs { "db", "vault" } do
    world[name == "db" and "db" or "ctx_vault"] = shared[name]
    shared[name] = spy_object(world, name, shared[name])
  end
end

return M
