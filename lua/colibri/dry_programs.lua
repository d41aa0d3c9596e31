-- dry_programs.lua - programs and agents as a dry run sees them: none is started
-- and none is stopped; what would be is told, and taken to succeed.

local core_agent = require "core.agent"
local core_fs = require "core.fs"
local core_proc = require "core.proc"
local err = require "colibri.err"
local json = require "core.json"
local task = require "core.task"

local M = {}

local SIGTERM = 15

local function list(words)
  local out = json.array {}
  for i, word in ipairs(words) do
    out[i] = word
  end
  return out
end

-- Whatever else the binding has, now or later, must not act.
local function refusing(real, what)
  local out = {}
  for name in pairs(real) do
    out[name] = function() return nil, err.new("DryRun", "%s.%s cannot be told in a dry run", what, name) end
  end
  return out
end

local function run(report, spec)
  report { effect = "run", argv = list(spec) }
  local stdout = ""
  if spec.secret_output then
    stdout = core_fs.parse_env("V=", "nothing")[1].value
  end
  return { code = 0, signal = 0, stdout = stdout, stderr = "", timed_out = false, overflow = false, seconds = 0.0 }
end

--- core.proc for a dry run.
function M.proc(report)
  local out = refusing(core_proc, "proc")
  out.find, out.environ = core_proc.find, core_proc.environ
  out.fd_of = core_proc.fd_of
  out.run = function(spec) return run(report, spec) end
  out.start = function(spec)
    local result = run(report, spec)
    local process = { wait = function() return result end, done = function() return true end,
      kill = function() return false end, pid = function() end, close = function() end }
    return setmetatable({}, { __index = process, __close = process.close, __metatable = false })
  end
  return out
end

-- A handle of an agent: of one that would be started, or of one that runs.
local function handle(report, id, pid)
  local ended = { code = -1, signal = SIGTERM }
  local methods = {
    id = function() return id end,
    pid = function() return pid end,
    go = function() return pid end,
    wait = function() return { code = 0, signal = 0 } end,
    send = function(_, bytes)
      report { effect = "send", agent_id = id, bytes = #bytes }
      return 0
    end,
    stop = function(_, signo)
      ended.signal = signo or SIGTERM
      report { effect = "stop", agent_id = id }
      return { code = -1, signal = ended.signal }
    end,
    signal = function(_, signo)
      report { effect = "signal", agent_id = id, signal = signo }
    end,
  }
  return setmetatable({}, { __metatable = false, __index = function(_, name)
    return methods[name] or function() return nil, err.new("DryRun", "agent:%s cannot be told in a dry run", name) end
  end })
end

--- core.agent for a dry run.
function M.agent(report)
  local out = refusing(core_agent, "agent")
  out.start = function(spec)
    report { effect = "start", agent_id = spec.id, argv = list(spec.argv) }
    return handle(report, spec.id, 0)
  end
  for _, name in ipairs { "find", "read_log", "log_range", "log_tail" } do
    out[name] = core_agent[name]
  end
  out.stop_found = function(dir)
    report { effect = "stop", agent_id = dir:match("[^/]*$") }
    return { code = -1, signal = SIGTERM }
  end
  out.next_event = function() return task.waiter():wait() end
  return out
end

--- Agents that run, for an instance of the library that must not touch them.
-- @param live table: agent_id -> { handle, ... }, of agent_store.lua
-- @return a copy; its handles report
function M.live(live, report)
  local out = {}
  for id, known in pairs(live) do
    local copy = {}
    for key, value in pairs(known) do
      copy[key] = value
    end
    if known.handle then
      copy.handle = handle(report, id, known.handle:pid())
    end
    out[id] = copy
  end
  return out
end

return M
