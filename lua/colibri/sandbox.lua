-- sandbox.lua - the environment a script runs in.
--
-- An allow-list: pure functions of the standard library (bounded by core/bound.c),
-- `require` for a few
-- pure modules, and nothing that has an effect; effects come from `ctx`. Every
-- file has an environment of its own, in which an undeclared name is an error
-- with file and line, so a typo is never nil. It contains accidents; enemies
-- are contained by jails (docs/SECURITY.md).

local script = require "core.script"

local M = {}

local FUNCTIONS = {
  "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal",
  "rawget", "rawlen", "select", "setmetatable", "tonumber", "tostring", "type", "xpcall",
}
local LIBRARIES = { coroutine = coroutine, math = math, string = string, table = table, utf8 = utf8 }
local MODULES = {
  ["colibri.err"] = true, ["colibri.launch"] = true, ["colibri.params"] = true, ["colibri.proof"] = true,
  ["colibri.spawn_params"] = true, ["colibri.sync"] = true, ["core.json"] = true,
  ["colibri.api_docs"] = true, -- for `make docs`
}

-- What to say to somebody who reaches for something that is absent on purpose.
local HINTS = {
  print = "use ctx.log.info(...)",
  io = "use ctx.fs",
  os = "use ctx.clock, ctx.proc or ctx.fs",
  debug = "errors carry file, line and traceback by themselves",
  load = "put the code in a file of the overlay",
  package = "require knows the pure modules of colibri only",
  collectgarbage = "memory is the host's business",
}

--- A view of a table that cannot be written to.
-- @param t table; nested plain tables are views too. Later changes of t show,
--   further nested tables do not become views.
-- @param name string: for the error text.
function M.readonly(t, name)
  if getmetatable(t) == false then
    return t -- a view already
  end
  for key, value in pairs(t) do
    if type(value) == "table" and getmetatable(value) == nil then
      t[key] = M.readonly(value, name .. "." .. tostring(key))
    end
  end
  return setmetatable({}, {
    __index = t,
    __newindex = function(_, key)
      error(("%s.%s is read-only"):format(name, tostring(key)), 2)
    end,
    __pairs = function() return pairs(t) end,
    __len = function() return #t end,
    __metatable = false,
  })
end

--- Let scripts require a further module: an embedding program's own.
-- @param name string: a module whose value is a table; no name of ours
function M.allow(name)
  if name:find("^core%.") or name:find("^colibri%.") then
    error("'" .. name .. "' is a name of colibri's own", 2)
  end
  MODULES[name] = true
end

local function sandbox_require(name)
  if not MODULES[name] then
    error(("module '%s' is not for scripts"):format(tostring(name)), 2)
  end
  return M.readonly(require(name), name)
end

local function undefined(_, name)
  local hint = HINTS[name] and (" (" .. HINTS[name] .. ")") or ""
  error(("undefined name '%s'%s"):format(tostring(name), hint), 2)
end

local function undeclared(_, name)
  error(("assignment to undeclared name '%s'; use local"):format(tostring(name)), 2)
end

local function copies()
  local out = {}
  for name, library in pairs(LIBRARIES) do
    local copy = {}
    for key, value in pairs(library) do
      copy[key] = value
    end
    out[name] = copy
  end
  return out
end

local shipped_copies -- one set for all shipped files: 4 KB less for each

--- A new environment for one script file.
-- @param extra table|nil: further names, such as `stock`.
-- @param shipped boolean|nil: a file of ours, which leaves the libraries alone
function M.env(extra, shipped)
  local env = {}
  for _, name in ipairs(FUNCTIONS) do
    env[name] = _G[name]
  end
  if shipped and not shipped_copies then
    shipped_copies = copies()
  end
  for name, copy in pairs(shipped and shipped_copies or copies()) do
    env[name] = copy
  end
  env.setmetatable = script.setmetatable
  env._VERSION = _VERSION
  env.require = sandbox_require
  for name, value in pairs(extra or {}) do
    env[name] = value
  end
  return setmetatable(env, { __index = undefined, __newindex = undeclared, __metatable = false })
end

return M
