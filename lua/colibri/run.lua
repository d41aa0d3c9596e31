-- run.lua - colibri-run: a script with `run(ctx, args)`, or a file of tests.

local context = require "colibri.context"
local core_fs = require "core.fs"
local err = require "colibri.err"
local log = require "colibri.log"
local sandbox = require "colibri.sandbox"
local script = require "core.script"
local scripts = require "colibri.scripts"
local stdio = require "core.stdio"
local sys = require "core.sys"
local task = require "core.task"
local test = require "colibri.test"

local M = {}

local SIGNALLED = { HUP = 129, INT = 130, TERM = 143 } -- exit status, as sh has it

local function absolute(path)
  return path:sub(1, 1) == "/" and path or sys.cwd .. "/" .. path
end

-- A script by its overlay name, for proofs: the site's file wins.
local function find_script(kind, name)
  local gen = scripts.current()
  if not gen then
    local errors
    gen, errors = scripts.swap()
    if not gen then
      return nil, errors[1]
    end
  end
  local def = gen[kind] and gen[kind][name]
  if not def then
    return nil, err.new("NotFound", "no script %s/%s", kind, name)
  end
  return def
end

-- What a proof may use; docs/api/ctx.lua.
local function proof_ctx(name)
  local ctx = { out = stdio.out, err = stdio.err, is_tty = stdio.is_tty, script = find_script,
    client = sandbox.readonly(require "core.client", "ctx.client"), log = log.topic(name) }
  for key, value in pairs(context.shared()) do
    ctx[key] = value
  end
  return ctx
end

local function load(path, env)
  local shown = path:sub(1, #sys.conf.share_dir + 1) == sys.conf.share_dir .. "/" and
    path:sub(#sys.conf.share_dir + 2) or path
  return script.load(path, "@" .. shown, env)
end

local function report(e)
  stdio.err(("colibri-run: %s%s\n"):format(e.where and e.where .. ": " or "", tostring(e)))
  return 2
end

-- `colibri-run SCRIPT.lua [ARGS]`
local function run_script(path, args)
  local fn, e = load(absolute(path), sandbox.env())
  if not fn then
    return report(e)
  end
  local def
  def, e = script.call(fn)
  if def == nil and e then
    return report(e)
  end
  if type(def) ~= "table" or type(def.run) ~= "function" or def.api ~= sys.api then
    return report(err.new("BadScript", "%s must return { api = %d, run = function(ctx, args) ... end }", path,
      sys.api))
  end
  local ok, status = xpcall(def.run, script.traceback, proof_ctx("proof"), args)
  if not ok then
    if status.traceback then
      log.info("run", status.traceback)
    end
    return report(status)
  end
  return math.type(status) == "integer" and status or 0
end

-- The test files of a directory and below, by name; nil, err when it cannot be read.
local function find_tests(dir, out)
  local root <close>, e = core_fs.open_trusted(dir)
  local names
  if root then
    names, e = root:list()
  end
  if not names then
    return nil, e
  end
  for _, name in ipairs(names) do
    local st = root:stat(name)
    if st and st.type == "dir" and name:sub(1, 1) ~= "." then
      local ok, why = find_tests(dir .. "/" .. name, out)
      if not ok then
        return nil, why
      end
    elseif st and st.type == "file" and name:find("_test%.lua$") then
      out[#out + 1] = dir .. "/" .. name
    end
  end
  return out
end

-- Files as they are named, directories as the test files in them.
local function test_files(paths)
  local files = {}
  for _, path in ipairs(paths) do
    path = absolute(path):gsub("(.)/+$", "%1")
    local ok, e = true, nil
    if path:find("%.lua$") then
      files[#files + 1] = path
    else
      ok, e = find_tests(path, files)
    end
    if not ok then
      return nil, e
    end
  end
  return files
end

-- `colibri-run test PATH...`
local function run_tests(paths)
  local files, e = test_files(paths)
  if not files then
    return report(e)
  end
  for _, file in ipairs(files) do
    local fn
    test.dir = file:match("^(.*)/[^/]*$")
    fn, e = load(file, _G)
    if not fn then
      return report(e)
    end
    _, e = script.call(fn)
    if e then
      return report(e)
    end
  end
  local failed, signal = test.run(stdio.out)
  return signal and SIGNALLED[signal] or failed > 0 and 1 or 0
end

--- main(path, ...) or main("test", path, ...). Waits.
-- @return exit status: 0, 1 (a proof or test failed), 2 (could not run), or more than 128 (tests
--   that a signal ended)
function M.main(first, ...)
  task.arm("colibri-run")
  if first == "test" then
    if select("#", ...) == 0 then
      stdio.err("colibri-run: usage: colibri-run test PATH...\n")
      return 2
    end
    return run_tests { ... }
  end
  if not core_fs.exists(absolute(first)) then
    return report(err.new("NotFound", "there is no %s", first))
  end
  return run_script(first, { ... })
end

return M
