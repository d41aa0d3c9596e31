-- kit/proc.lua - a fake of core.proc: programs are recorded, their outcomes
-- scripted. None is ever run.

local core_proc = require "core.proc"
local err = require "colibri.err"
local fs = require "core.fs"

local M = {}

local Proc = {}
Proc.__index = Proc

local OPTIONS = { env = "table", cwd = "string", input = "any", timeout = "number", grace = "number",
  max_stdout = "number", max_stderr = "number", kill_on_overflow = "boolean", secret_output = "boolean",
  fds = "table" }

function M.new(dir)
  return setmetatable({ dir = dir, runs = {}, outcomes = {}, absent = {}, count = 0 }, Proc)
end

--- What a program does.
-- @param program string: argv[1], or its last part
-- @param outcome { code?, signal?, stdout?, stderr?, timed_out?, overflow? }, or
--   function(call) that returns one, or nil, err. call = { argv..., env =, input = ... }
function Proc:on(program, outcome)
  self.outcomes[program] = outcome
end

--- proc.find will not find this one.
function Proc:missing(name)
  self.absent[name] = true
end

-- Text as a secret: through a file of ours, as only the core can make one.
local function to_secret(self, text)
  local root <close> = assert(fs.open_trusted(self.dir))
  assert(root:write_env("secret.env", { V = text }, { mode = 0x180 }))
  local list = assert(root:read_env("secret.env"))
  root:unlink("secret.env")
  return list[1].value
end
M.to_secret = to_secret

local function check(spec)
  if type(spec) ~= "table" then
    error("bad argument #1 (table expected)", 3)
  end
  for key, value in pairs(spec) do
    local want = OPTIONS[key]
    if math.type(key) ~= "integer" and not want then
      error(("unknown field '%s'"):format(tostring(key)), 3)
    elseif want and want ~= "any" and type(value) ~= want then
      error(("field '%s' must be a %s"):format(key, want), 3)
    elseif not want and type(value) ~= "string" then
      error("argv must be strings", 3)
    end
  end
  if spec[1] == nil then
    error("no program is given", 3)
  end
end

local function outcome_of(self, spec)
  local program = spec[1]
  local outcome = self.outcomes[program] or self.outcomes[program:match("[^/]*$")]
  if outcome == nil then
    error(("no outcome is scripted for: %s; see proc:on"):format(table.concat(spec, " ")), 0)
  end
  if type(outcome) == "function" then
    return outcome(spec)
  end
  return outcome
end

local function result_of(self, spec, outcome)
  local out = outcome.stdout or ""
  return { code = outcome.code or (outcome.signal and -1 or 0), signal = outcome.signal or 0,
    stdout = spec.secret_output and to_secret(self, out) or out, stderr = outcome.stderr or "",
    timed_out = outcome.timed_out or false, overflow = outcome.overflow or false, seconds = outcome.seconds or 0.0 }
end

local function run(self, spec)
  self.runs[#self.runs + 1] = spec
  local outcome, e = outcome_of(self, spec)
  if not outcome then
    return nil, e
  end
  return result_of(self, spec, outcome)
end

local Process = {}
Process.__index = Process

function Process:wait()
  return self.result, self.e
end

function Process:done() -- luacheck: ignore self
  return true
end

function Process:kill() -- luacheck: ignore self
  return false
end

function Process:pid() -- luacheck: ignore self
  return nil
end

function Process:close() -- luacheck: ignore self
end
Process.__close = Process.close
Process.__metatable = false

--- The fake of core.proc.
function Proc:module()
  local fake = {
    run = function(spec, ...)
      check(spec, ...)
      return run(self, spec)
    end,
    -- Ends at once: what a program does is known when it is started.
    start = function(spec)
      check(spec)
      local result, e = run(self, spec)
      if not result then
        return nil, e
      end
      return setmetatable({ result = result }, Process)
    end,
    find = function(name)
      if type(name) ~= "string" then
        error("bad argument #1 (string expected)", 2)
      elseif self.absent[name] then
        return nil, err.new("ProgramNotFound", "program '%s' is not in the fixed list of directories", name)
      end
      return name:sub(1, 1) == "/" and name or "/usr/bin/" .. name
    end,
    environ = function() return nil end,
    fd_of = core_proc.fd_of,
  }
  return fake
end

return M
