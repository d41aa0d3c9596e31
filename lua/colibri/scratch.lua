-- scratch.lua - a real daemon in a scratch directory, for tests and proofs.
--
--	local d <close> = scratch.daemon { backend = "none" }
--	d:tree { ["jails/proof0/root/"] = true, ["vault/proof0.env"] = "A=1\n" }
--	local reply = d:call("status")
--
-- Everything lies below one directory that is removed at the end: socket,
-- store, state, jail-root base, vault and site directory.

local client = require "core.client"
local clock = require "core.clock"
local core_agent = require "core.agent"
local err = require "colibri.err"
local files = require "colibri.kit.files"
local fs = require "core.fs"
local proc = require "core.proc"
local sys = require "core.sys"
local task = require "core.task"

local M = {}

local Daemon = {}
Daemon.__index = Daemon

local START_SECONDS = 20
local open = {} -- daemon -> true, until it is closed
local SIGTERM, SIGKILL = 15, 9

--- Make files and directories below the scratch directory: { [name] = text };
-- a name that ends in "/" is a directory.
function Daemon:tree(tree)
  return files.tree(self.dir, tree)
end

--- The text of a file below the scratch directory | nil, err.
function Daemon:read(name)
  return files.read(self.dir, name)
end

--- stat of a file below the scratch directory | nil, err.
function Daemon:stat(name)
  return files.stat(self.dir, name)
end

--- Put /bin/sh, further programs and what they link into a jail root. Waits.
-- @param name string: the root below the scratch directory, "jails/proof0/root"
-- @param ... absolute paths of programs
function Daemon:furnish(name, ...)
  local root <close> = assert(fs.open_trusted(self.dir))
  local paths = { "/bin/sh", ... }
  local ldd = assert(proc.run { "/usr/bin/ldd", env = { PATH = "/usr/bin:/bin" }, table.unpack(paths) })
  for path in ldd.stdout:gmatch("(/%S+)") do
    paths[#paths + 1] = path:gsub(":$", "")
  end
  for _, path in ipairs(paths) do
    self:tree { [name .. path:match("^.*/")] = true }
    assert(root:copy_in(path, name .. path, 0x1ed)) -- 0755
  end
end

-- Flags of this daemon.
local function flags(self, options)
  local list = { "--socket", self.socket, "--db", self.dir .. "/colibri.sqlite", "--state-dir", self.dir .. "/state",
    "--jail-root-base", self.base, "--site-dir", self.dir .. "/site", "--vault-dir", self.dir .. "/vault",
    "--vault", options.vault or "file", "--jail-backend", options.backend or "none",
    "--provider-env", self.dir .. "/provider.env", "--log-level", options.log_level or "debug" }
  for _, word in ipairs(options.flags or {}) do
    list[#list + 1] = word
  end
  return list
end

-- Try to connect until the daemon answers or has ended. It listens before it has
-- loaded its scripts, so a connection alone does not mean that it serves.
local function wait_until_up(self)
  local limit = clock.monotonic() + START_SECONDS
  while clock.monotonic() < limit do
    local conn = client.connect(self.socket)
    if conn and conn:request({ cmd = "status" }, START_SECONDS) then
      self.conn = conn
      return true
    end
    if self.process:done() then
      local result = self.process:wait()
      return nil, err.new("DaemonFailed", "the daemon ended with %s: %s", tostring(result.code), result.stderr)
    end
    task.sleep(0.005)
  end
  return nil, err.new("DaemonFailed", "the daemon did not answer in %d s", START_SECONDS)
end

--- Start (again) with the options given to scratch.daemon. Waits.
-- @return self | nil, err(DaemonFailed)
function Daemon:start()
  local argv = { self.options.program or sys.program "colibri-daemon" }
  for _, word in ipairs(flags(self, self.options)) do
    argv[#argv + 1] = word
  end
  local start = { max_stderr = 64 * 1024 * 1024, cwd = "/", env = { COLIBRI_SHARE_DIR = sys.conf.share_dir,
    PATH = "/usr/local/bin:/usr/bin:/bin", COLIBRI_TEST_GC = proc.environ "COLIBRI_TEST_GC" } }
  for name, value in pairs(self.options.env or {}) do
    start.env[name] = value
  end
  table.move(argv, 1, #argv, 1, start)
  local e
  self.process, e = proc.start(start)
  if not self.process then
    return nil, e
  end
  local up
  up, e = wait_until_up(self)
  if not up then
    return nil, e
  end
  return self
end

--- Send a command; waits.
-- @return data | nil, err as the daemon gave it
function Daemon:call(cmd, args)
  local request = { cmd = cmd }
  for key, value in pairs(args or {}) do
    request[key] = value
  end
  local reply, e = self.conn:request(request, 60)
  if not reply then
    return nil, e
  end
  if not reply.ok then
    return nil, reply.error
  end
  return reply.data
end

--- A further connection.
function Daemon:connect()
  return client.connect(self.socket)
end

--- Stop by a signal (default TERM). Waits.
-- @return { code, signal, stderr, ... }: stderr is the log
function Daemon:stop(signo)
  if self.conn then
    self.conn:close()
    self.conn = nil
  end
  if not self.process then
    return nil
  end
  self.process:kill(signo or SIGTERM)
  local result = self.process:wait()
  self.process = nil
  self.log = (self.log or "") .. result.stderr
  return result
end

--- Stop with KILL, as a crash would.
function Daemon:crash()
  return self:stop(SIGKILL)
end

-- Agents outlive their daemon by design; scratch ones must not.
local function stop_agents(self)
  if not self.conn then
    return
  end
  for _, agent in ipairs(self:call("list-agents") or {}) do
    self:call("stop-agent", { agent_id = agent.agent_id, grace = 0 })
  end
end

function Daemon:close()
  if self.dir then
    stop_agents(self)
    self:stop()
    fs.remove_tree(self.dir)
    self.dir = nil
  end
  open[self] = nil
end
Daemon.__close = Daemon.close

--- Close those that are still open after their task, and with it their process,
-- was killed. Waits.
function M.close_all()
  for daemon in pairs(open) do
    daemon:crash()
    local agents <close> = fs.open_trusted(daemon.dir .. "/state/agents")
    for _, id in ipairs(agents and agents:list() or {}) do
      core_agent.stop_found(daemon.dir .. "/state/agents/" .. id, 0)
    end
    daemon:close()
  end
end

--- A daemon in a new scratch directory. Waits until it listens.
-- @param options { vault?, backend?, flags?, log_level?, files? (see tree), env? = { NAME =
--   value }, start = false to not start it }
-- @return daemon with dir, base, socket; close it, or use <close>
function M.daemon(options)
  options = options or {}
  local dir = assert(fs.scratch("colibri-test"))
  local self = setmetatable({ dir = dir, base = dir .. "/jails", socket = dir .. "/run/sock", options = options },
    Daemon)
  open[self] = true
  self:tree { ["jails/"] = true, ["vault/"] = true, ["site/"] = true, ["state/"] = true }
  self:tree(options.files or {})
  if options.start ~= false then
    local ok, e = self:start()
    if not ok then
      self:close()
      error(tostring(e), 2)
    end
  end
  return self
end

return M
