-- dry_files.lua - files as a dry run sees them: what reads is real, what would
-- change something is checked and told.
--
-- What would have become of a file is kept by path, so a later step of the same
-- run meets it: removed is not there, written again is one write, written and
-- removed is nothing. Only what a written file holds cannot be read.

local err = require "colibri.err"

local M = {}

local function looking(options)
  local out = { dry_run = true }
  for key, value in pairs(options or {}) do
    out[key] = value
  end
  return out
end

-- The methods of a root that change something. `at` is { root, path, run }, run
-- what all roots of a dry run share: { fates, report, take_back }. A fate is
-- { exists, data?, effect? }.
local changing = {}

local function path_of(at, name)
  return at.path .. "/" .. name
end

-- The new fate of a file, told as what becomes of it in all: nil when in the end
-- it is as on the disk.
local function decide(at, name, fate, action, more)
  local path = path_of(at, name)
  local before = at.run.fates[path]
  if before and before.effect then
    at.run.take_back(before.effect)
  end
  if action then
    local effect = { effect = "file", action = action, path = path }
    for key, value in pairs(more or {}) do
      effect[key] = value
    end
    fate.effect = at.run.report(effect)
  end
  at.run.fates[path] = fate
end

-- Strings and secrets, or tables of them.
local function is_same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  for key, value in pairs(a) do
    if b[key] ~= value then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

-- A write of data; on_disk is what it would be for the file as it stands there.
-- @return "changed" | "unchanged"
local function written(at, name, data, on_disk, more)
  local before = at.run.fates[path_of(at, name)]
  if not before then
    if on_disk == "changed" then
      decide(at, name, { exists = true, data = data }, "write", more)
    end
    return on_disk
  elseif before.exists and is_same(before.data, data) then
    return "unchanged"
  end
  decide(at, name, { exists = true, data = data }, on_disk == "changed" and "write", more)
  return "changed"
end

function changing.write(at, name, data, options)
  local change, e = at.root:write(name, data, looking(options))
  if not change then
    return nil, e
  end
  return written(at, name, data, change, { bytes = type(data) == "string" and #data or data:len() })
end

function changing.write_env(at, name, values, options)
  local out, e = at.root:write_env(name, values, looking(options))
  if not out then
    return nil, e
  end
  out.change = written(at, name, values, out.change, { keys = out.keys })
  return out
end

function changing.copy_in(at, source, name)
  return written(at, name, source, "changed", { source = source })
end

function changing.unlink(at, name)
  local fate = at.run.fates[path_of(at, name)]
  local st, e = at.root:stat(name)
  if not st and e.code ~= "NotFound" then
    return nil, e
  elseif st and st.type == "dir" then
    return nil, err.new("NotRegular", "'%s' below %s is a directory", name, at.path)
  elseif fate and not fate.exists or not fate and not st then
    return false
  end
  decide(at, name, { exists = false }, st and "remove")
  return true
end

function changing.mkdir(at, name)
  local fate = at.run.fates[path_of(at, name)]
  local st, e = at.root:stat(name)
  if not st and e.code ~= "NotFound" then
    return nil, e
  elseif fate and fate.exists or not fate and st then
    return nil, err.new("Exists", "'%s' below %s exists", name, at.path)
  end
  decide(at, name, { exists = true }, "mkdir")
  return true
end

-- Looking at one name: not there when it would have been removed.
local looks = {}
for _, method in ipairs { "read", "read_env", "stat" } do
  looks[method] = function(at, name, ...)
    local fate = at.run.fates[path_of(at, name)]
    if fate and not fate.exists then
      return nil, err.new("NotFound", "'%s' below %s does not exist", name, at.path)
    end
    return at.root[method](at.root, name, ...)
  end
end

-- Methods that only look: allowed by name, so that a new one is not by accident.
local LOOKING = { list = true, close = true }

local function dry_root(run, path, root, e)
  if not root then
    return nil, e
  end
  local at = { root = root, path = path:gsub("(.)/+$", "%1"), run = run }
  return setmetatable({}, {
    __index = function(_, name)
      local method = changing[name] or looks[name]
      if method then
        return function(_, ...) return method(at, ...) end
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
-- @param report function(effect) -> effect
-- @param take_back function(effect): it was told, and is overtaken
function M.new(real, report, take_back)
  local run = { fates = {}, report = report, take_back = take_back }
  local out = {}
  for name in pairs(real) do
    out[name] = function() return nil, err.new("DryRun", "fs.%s cannot be told in a dry run", name) end
  end
  for _, name in ipairs(READING) do
    out[name] = real[name]
  end
  out.open = function(base, path) return dry_root(run, path, real.open(base, path)) end
  out.open_trusted = function(path) return dry_root(run, path, real.open_trusted(path)) end
  out.make_private = function(path)
    if not real.exists(path) then
      report { effect = "file", action = "mkdir", path = path }
    end
    return true
  end
  return out
end

return M
