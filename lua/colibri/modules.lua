-- modules.lua - the library once more, on other bindings.
--
-- A dry run (effects_dry.lua) and a world of the test kit (kit/world.lua) run
-- the shipped library unchanged, in instances of its own, in which
-- `require "core.fs"` and some others give something else. So nothing in the
-- library has to know, nothing can go past it, and instances share no state.

local fs = require "core.fs"
local script = require "core.script"
local sys = require "core.sys"

local M = {}

local GROUP_OR_OTHERS_WRITE = 0x12 -- 0022
local SIZE_MAX = 1024 * 1024

-- Not instantiated again: the kit itself, and what declares cases.
local function is_shared(name)
  return name == "colibri.test" or name == "colibri.scratch" or name == "colibri.modules" or
    name:find("^colibri%.kit") ~= nil
end

local compiled = {} -- module name -> function(require)

-- A module's text as a function of its `require`, so that it is read and
-- compiled once however many instances there are.
local function compile(name)
  local file = "lua/" .. name:gsub("%.", "/") .. ".lua"
  local text, e = fs.read_trusted(sys.conf.share_dir .. "/" .. file, GROUP_OR_OTHERS_WRITE, SIZE_MAX)
  local fn
  if text then
    fn, e = script.compile("local require = ...; " .. text, "@" .. file, _G)
  end
  if not fn then
    error(("module '%s': %s"):format(name, tostring(e)), 0)
  end
  compiled[name] = fn
  return fn
end

--- A `require` of its own.
-- @param fakes table: module name -> module; wins over everything
-- @param parent function: what gives the bindings that are not faked
-- @return function(name) -> module; raises as require does
function M.new(fakes, parent)
  local loaded = {}
  local function instance(name)
    if fakes[name] ~= nil then
      return fakes[name]
    elseif loaded[name] == nil then
      if name:find("^core%.") or is_shared(name) then
        loaded[name] = parent(name)
      else
        loaded[name] = (compiled[name] or compile(name))(instance)
      end
    end
    return loaded[name]
  end
  return instance
end

return M
