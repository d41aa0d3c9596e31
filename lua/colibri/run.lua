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
local test = require "colibri.test"

local M = {}

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

-- What a proof may use; docs/SCRIPTING.md.
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

-- `colibri-run test FILE...`
local function run_tests(files)
  local failed = 0
  for _, file in ipairs(files) do
    local fn, e = load(absolute(file), _G)
    if not fn then
      return report(e)
    end
    local _, why = script.call(fn)
    if why then
      return report(why)
    end
    failed = failed + test.run(stdio.out)
  end
  return failed == 0 and 0 or 1
end

--- main(path, ...) or main("test", file, ...). Waits.
-- @return exit status: 0, 1 (a proof or test failed) or 2 (could not run)
function M.main(first, ...)
  if first == "test" then
    local files = { ... }
    if #files == 0 then
      stdio.err("colibri-run: usage: colibri-run test FILE...\n")
      return 2
    end
    return run_tests(files)
  end
  if not core_fs.exists(absolute(first)) then
    return report(err.new("NotFound", "there is no %s", first))
  end
  return run_script(first, { ... })
end

return M
