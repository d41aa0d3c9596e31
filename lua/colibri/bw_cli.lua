-- bw_cli.lua - run the Bitwarden CLI one step at a time, and believe little.
--
-- A step is a process with an environment from scratch and at most one secret
-- in it; it counts as done only when it exits with 0, its `--response` parses,
-- and that says success. Everything else becomes one of the vault's codes, with
-- what an operator should do next. What the steps are is decided by the adapter
-- vault/bw.lua, which gets this module as part of ctx.bw.

local core_bw = require "core.bw"
local err = require "colibri.err"

local M = {}

local SMALL_OUTPUT = 1024 * 1024 -- bytes
local LIST_OUTPUT = 32 * 1024 * 1024
local ERROR_OUTPUT = 64 * 1024
local LOCK_FD = 9 -- in the child

local ADVICE = {
  VaultAuthFailed = "check BW_CLIENTID, BW_CLIENTSECRET and BW_PASSWORD in provider.env",
  VaultUnreachable = "check BW_SERVER, the network and, for a private CA, NODE_EXTRA_CA_CERTS in provider.env",
  VaultRateLimited = "wait a minute before the next try",
  VaultTimeout = "check that the server answers, or raise COLIBRI_VAULT_TIMEOUT",
  VaultProtocol = "check the server's log and that bw is a version from 2026.5.0 to 2026.8.0",
  VaultStale = "check the server's log and try again",
  VaultBusy = "stop the other process, or wait for it",
  ServerMismatch = "check that BW_SERVER is what the server calls itself, and who else uses the directory",
}

-- bw's own words for a failure; the first that is found counts.
local MEANINGS = {
  { "Rate limit exceeded", "VaultRateLimited" },
  { "Too many requests", "VaultRateLimited" },
  { "client_id", "VaultAuthFailed" },
  { "client_secret", "VaultAuthFailed" },
  { "Invalid API Key", "VaultAuthFailed" },
  { "invalid_grant", "VaultAuthFailed" },
  { "Invalid claim", "VaultAuthFailed" },
  { "not logged in", "VaultAuthFailed" },
  { "FetchError", "VaultUnreachable" },
  { "ECONNREFUSED", "VaultUnreachable" },
  { "ECONNRESET", "VaultUnreachable" },
  { "ENOTFOUND", "VaultUnreachable" },
  { "EAI_AGAIN", "VaultUnreachable" },
  { "ETIMEDOUT", "VaultUnreachable" },
  { "certificate", "VaultUnreachable" },
}

--- An error with advice: nil, err.
function M.fail(code, fmt, ...)
  local advice = ADVICE[code]
  return nil, err.new(code, "bw: " .. fmt .. (advice and "; " .. advice or ""), ...)
end

local fail = M.fail

--- What a program said, for a message: bounded, on one line.
function M.quote(text)
  text = text:gsub("%c+", " "):gsub("^%s+", ""):gsub("%s+$", "")
  return #text > 200 and text:sub(1, 200) .. "..." or text
end

local quote = M.quote

local Cli = {}
Cli.__index = Cli

-- What every bw gets. It holds our lock of the directory too: should we die, the
-- next daemon waits until this bw has ended.
local function setting(cli, env)
  local all = {
    PATH = "/usr/bin:/bin:/usr/local/bin", HOME = cli.dir, BITWARDENCLI_APPDATA_DIR = cli.dir,
    BW_NOINTERACTION = "true", LANG = "C.UTF-8", NODE_EXTRA_CA_CERTS = cli.ca,
  }
  for name, value in pairs(env or {}) do
    all[name] = value
  end
  return { cli.program, env = all, cwd = cli.dir, fds = { [LOCK_FD] = cli.lock_fd }, secret_output = true,
    max_stderr = ERROR_OUTPUT, kill_on_overflow = true }
end

--- Seconds that a call may take: those of a call, and what is left of those for
-- all calls of one open or fetch.
function Cli:seconds()
  local left = self.deadline and self.deadline - self.ctx.clock.monotonic() or self.timeout
  return math.max(math.min(left, self.timeout), 0.001)
end

--- Start bw for longer than one step.
-- @param argv list of strings
-- @param fds { [n] = fd }: further descriptors
-- @return process | nil, err
function Cli:start(argv, fds)
  local spec = setting(self)
  for n, fd in pairs(fds) do
    spec.fds[n] = fd
  end
  table.move(argv, 1, #argv, 2, spec)
  spec.max_stderr = SMALL_OUTPUT
  local process, e = self.ctx.proc.start(spec)
  if not process then
    return fail("VaultNotConfigured", "%s", e.message)
  end
  return process
end

-- Run one step.
-- @return result of ctx.proc.run | nil, err
local function run(cli, step, argv, opts)
  local spec = setting(cli, opts.env)
  spec[2] = "--response"
  table.move(argv, 1, #argv, 3, spec)
  spec.input, spec.timeout, spec.max_stdout = opts.input, cli:seconds(), opts.max_stdout or SMALL_OUTPUT
  local r, e = cli.ctx.proc.run(spec)
  if not r then
    return fail("VaultNotConfigured", "%s", e.message)
  end
  cli.ctx.log.debug("bw " .. step, { code = r.code, seconds = r.seconds })
  if r.timed_out then
    return fail("VaultTimeout", "%s took more than %g seconds", step, spec.timeout)
  elseif r.overflow then
    return fail("VaultProtocol", "%s printed too much", step)
  end
  return r
end

--- Why did a step fail? From the message of its reply, or from stderr.
-- @param r { code, signal, stderr }
-- @return nil, err
function M.failure(step, r, message)
  local said = message or r.stderr
  for _, meaning in ipairs(MEANINGS) do
    if said:find(meaning[1], 1, true) then
      return fail(meaning[2], "%s: %s", step, quote(said))
    end
  end
  -- Every version has other words for a wrong master password.
  if step == "unlock" and message then
    return fail("VaultAuthFailed", "unlock: %s", quote(message))
  end
  local ended = r.signal and r.signal ~= 0 and ("was ended by signal %d"):format(r.signal) or
    ("ended with status %d"):format(r.code)
  return fail("VaultProtocol", "%s %s%s", step, ended, said ~= "" and ": " .. quote(said) or " and said nothing")
end

local failure = M.failure

-- The data of a reply. Exit 0 alone means nothing, and neither does
-- success = true with another exit code.
local function reply_data(step, r)
  local reply, e
  if r.stdout:len() > 0 then
    reply, e = core_bw.decode(r.stdout)
  end
  if r.code ~= 0 or (reply and reply.success ~= true) then
    return failure(step, r, reply and type(reply.message) == "string" and reply.message or nil)
  end
  if not reply then
    return fail("VaultProtocol", "%s said success, but %s", step, e and e.message or "printed nothing")
  end
  if type(reply.data) ~= "table" then
    return fail("VaultProtocol", "%s: no data in the reply", step)
  end
  return reply.data
end

--- Run a step and take its data. Waits.
-- @param step string: for messages
-- @param argv list of strings
-- @param opts { env = further variables, input = secret, max_stdout }|nil
-- @return data, nil, result | nil, err, result or nil
function Cli:call(step, argv, opts)
  local r, e = run(self, step, argv, opts or {})
  if not r then
    return nil, e
  end
  local data
  data, e = reply_data(step, r)
  return data, e, r
end

--- The part of a reply to `status` that counts.
-- @return { status, serverUrl?, lastSync? } | nil, err
function M.check_status(data, e)
  if not data then
    return nil, e
  end
  local st = data.template
  if type(st) ~= "table" or type(st.status) ~= "string" then
    return fail("VaultProtocol", "status: not the expected shape")
  end
  return st
end

--- What bw says about itself. Waits.
-- @return { status, serverUrl?, lastSync? } | nil, err
function Cli:status()
  return M.check_status(self:call("status", { "status" }))
end

--- Run a step that lists, with the session's key. Waits.
-- @return secret: the reply, index: see bw.index, stderr | nil, err
function Cli:list(step, argv, session)
  local r, e = run(self, step, argv, { env = { BW_SESSION = session }, max_stdout = LIST_OUTPUT })
  if not r then
    return nil, e
  end
  local index
  if r.code == 0 then
    index, e = core_bw.index(r.stdout)
  end
  if not index then
    local _, why = reply_data(step, r)
    if why then
      return nil, why
    end
    return fail(e.code, "%s: %s", step, e.message)
  end
  return r.stdout, index, r.stderr
end

--- Runs bw in its data directory.
-- @param spec { ctx, program, dir, timeout = seconds a step, ca = secret|nil, lock_fd = of the directory's lock|nil }
function M.new(spec)
  return setmetatable(spec, Cli)
end

return M
