-- dry_files.lua - files as a dry run sees them: what reads is real, what would
-- change something is checked and told.

local err = require "colibri.err"

local M = {}

local function looking(options)
  local out = { dry_run = true }
  for key, value in pairs(options or {}) do
    out[key] = value
  end
  return out
end

-- The methods of a root that change something. `at` is { root, path, gone, report }.
local changing = {}

local function tell(at, action, name, more)
  local effect = { effect = "file", action = action, path = at.path .. "/" .. name }
  for key, value in pairs(more or {}) do
    effect[key] = value
  end
  at.report(effect)
end

function changing.write(at, name, data, options)
  local change, e = at.root:write(name, data, looking(options))
  if change == "changed" then
    at.gone[name] = nil
    tell(at, "write", name, { bytes = type(data) == "string" and #data or data:len() })
  end
  return change, e
end

function changing.write_env(at, name, values, options)
  local written, e = at.root:write_env(name, values, looking(options))
  if written and written.change == "changed" then
    at.gone[name] = nil
    tell(at, "write", name, { keys = written.keys })
  end
  return written, e
end

function changing.unlink(at, name)
  local st, e = at.root:stat(name)
  if not st then
    if e.code == "NotFound" then
      return false
    end
    return nil, e
  elseif st.type == "dir" then
    return nil, err.new("NotRegular", "'%s' below %s is a directory", name, at.path)
  elseif at.gone[name] then
    return false
  end
  at.gone[name] = true
  tell(at, "remove", name)
  return true
end

function changing.mkdir(at, name)
  local st, e = at.root:stat(name)
  if st then
    return nil, err.new("Exists", "'%s' below %s exists", name, at.path)
  elseif e.code ~= "NotFound" then
    return nil, e
  end
  tell(at, "mkdir", name)
  return true
end

function changing.copy_in(at, source, name)
  tell(at, "write", name, { source = source })
  return "changed"
end

-- Methods that only look: allowed by name, so that a new one is not by accident.
local LOOKING = { read = true, read_env = true, stat = true, list = true, close = true }

local function dry_root(report, path, root, e)
  if not root then
    return nil, e
  end
  local at = { root = root, path = path:gsub("(.)/+$", "%1"), gone = {}, report = report }
  return setmetatable({}, {
    __index = function(_, name)
      if changing[name] then
        return function(_, ...) return changing[name](at, ...) end
      elseif LOOKING[name] then
        return function(_, ...) return root[name](root, ...) end
      elseif root[name] then
        return function() return nil, err.new("DryRun", "root:%s cannot be told in a dry run", name) end
      end
    end,
    __close = function() root:close() end,
    __metatable = false,
  })
end

-- Functions of core.fs that only look.
local READING = { "contain", "exists", "parse_env", "read_env", "read_trusted" }

--- core.fs for a dry run.
-- @param real table: core.fs
-- @param report function(effect)
function M.new(real, report)
  local out = {}
  for name in pairs(real) do
    out[name] = function() return nil, err.new("DryRun", "fs.%s cannot be told in a dry run", name) end
  end
  for _, name in ipairs(READING) do
    out[name] = real[name]
  end
  out.open = function(base, path) return dry_root(report, path, real.open(base, path)) end
  out.open_trusted = function(path) return dry_root(report, path, real.open_trusted(path)) end
  out.make_private = function(path)
    if not real.exists(path) then
      report { effect = "file", action = "mkdir", path = path }
    end
    return true
  end
  return out
end

return M
