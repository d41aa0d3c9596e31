-- modules.lua - the library once more, on other bindings.
--
-- A dry run (effects_dry.lua) and a world of the test kit (kit/world.lua) run
-- the shipped library unchanged, in instances of its own, in which
-- `require "core.fs"` and some others give something else. So nothing in the
-- library has to know, nothing can go past it, and instances share no state.

local script = require "core.script"
local sys = require "core.sys"

local M = {}

-- Not instantiated again: the kit itself, and what declares cases.
local function is_shared(name)
  return name == "colibri.test" or name == "colibri.scratch" or name:find("^colibri%.kit") ~= nil
end

--- A `require` of its own.
-- @param fakes table: module name -> module; wins over everything
-- @return function(name) -> module; raises as require does
function M.new(fakes)
  local loaded = {}
  local instance

  local function load(name)
    local file = "lua/" .. name:gsub("%.", "/") .. ".lua"
    local env = setmetatable({ require = instance }, { __index = _G })
    local fn, e = script.load(sys.conf.share_dir .. "/" .. file, "@" .. file, env)
    if not fn then
      error(("module '%s': %s"):format(name, tostring(e)), 0)
    end
    return fn(name)
  end

  instance = function(name)
    if fakes[name] ~= nil then
      return fakes[name]
    elseif loaded[name] == nil then
      if name:find("^core%.") or is_shared(name) then
        loaded[name] = require(name)
      else
        loaded[name] = load(name)
      end
    end
    return loaded[name]
  end
  return instance
end

return M
