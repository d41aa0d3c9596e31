-- bw_serve.lua - an unlocked vault in one resident `bw serve`.
--
-- It talks HTTP over a socketpair: no name, no port, one peer, and it ends when
-- we do. It answers anybody who can talk to it, so nobody else may. Replies
-- count as those of bw_cli.lua do: only parsed, only with success. The same face
-- as bw_calls.lua.

local core_bw = require "core.bw"
local cli = require "colibri.bw_cli"
local http1 = require "core.http1"

local M = {}

local SERVE_FD = 3
-- bw since 2026.6.0 refuses other names, on a socketpair too.
local HOST = "localhost:8087"
local SMALL_REPLY = 1024 * 1024 -- bytes
local LIST_REPLY = 32 * 1024 * 1024
local END_SECONDS = 2

local Serve = {}
Serve.__index = Serve

-- It does not answer any more: why? Waits for its end, but not for ever.
local function gone(serve, step, e)
  local process = serve.process
  local r = serve.cli.ctx.task.timeout(END_SECONDS, process.wait, process)
  process:close()
  serve.conn:close()
  if r and r.overflow then
    return cli.fail("VaultProtocol", "%s: serve printed too much", step)
  elseif r then
    return cli.failure(step, r)
  end
  return cli.fail("VaultProtocol", "%s: %s", step, e.message)
end

-- Ask; the status and the body of the reply.
local function ask(serve, step, method, path, body, max)
  local seconds = serve.cli:seconds()
  local began = serve.cli.ctx.clock.monotonic()
  local reply, e = serve.conn:request { method = method, path = path, host = HOST, body = body, timeout = seconds,
    max = max or SMALL_REPLY }
  serve.cli.ctx.log.debug("bw serve " .. step, { code = reply and reply.status or e.code,
    seconds = serve.cli.ctx.clock.monotonic() - began })
  if reply then
    return reply
  elseif e.code == "Timeout" then
    serve:kill()
    return cli.fail("VaultTimeout", "%s took more than %g seconds", step, seconds)
  elseif e.code == "Disconnected" then
    return gone(serve, step, e)
  end
  serve:kill()
  return cli.fail("VaultProtocol", "%s: %s", step, e.message)
end

-- The data of a reply that is small.
local function call(serve, step, method, path, body)
  local reply, e = ask(serve, step, method, path, body)
  if not reply then
    return nil, e
  end
  local decoded
  decoded, e = core_bw.decode(reply.body)
  if reply.status ~= 200 or (decoded and decoded.success ~= true) then
    local message = decoded and type(decoded.message) == "string" and decoded.message or nil
    e = select(2, cli.failure(step, { code = reply.status, stderr = "" }, message))
    e.status = reply.status
    return nil, e
  elseif not decoded then
    return cli.fail("VaultProtocol", "%s: %s", step, e.message)
  elseif type(decoded.data) ~= "table" then
    return cli.fail("VaultProtocol", "%s: no data in the reply", step)
  end
  return decoded.data
end

--- Unlock. Waits.
-- @param password secret
-- @return true | nil, err
function Serve:unlock(password)
  local body, e = core_bw.password_json(password)
  if not body then
    return cli.fail(e.code, "%s", e.message)
  end
  local data
  data, e = call(self, "unlock", "POST", "/unlock", body)
  if not data and e.status == 500 then
    -- KeyIdBackfillError of 2026.9.0: the second try works.
    data, e = call(self, "unlock", "POST", "/unlock", body)
  end
  return data and true or nil, e
end

--- Bring the copy of the vault up to date. Waits.
-- @param force boolean: whatever the server says of its last change
-- @return true | nil, err
function Serve:sync(force)
  local data, e = call(self, "sync", "POST", force and "/sync?force=true" or "/sync")
  return data and true or nil, e
end

-- @return { status, serverUrl?, lastSync? } | nil, err. Waits.
function Serve:status()
  local data, e = call(self, "status", "GET", "/status")
  return cli.check_status(data, e)
end

-- @param what "collections" or "items": all that the account can see
-- @return secret: the reply, index: see bw.index, what bw said on stderr since the last list | nil, err. Waits.
function Serve:list(what)
  local step = "list " .. what
  local reply, e = ask(self, step, "GET", "/list/object/" .. what, nil, LIST_REPLY)
  if not reply then
    return nil, e
  end
  local index
  if reply.status == 200 then
    index, e = core_bw.index(reply.body)
  end
  if not index then
    local decoded = core_bw.decode(reply.body)
    if reply.status ~= 200 or (decoded and decoded.success ~= true) then
      return cli.failure(step, { code = reply.status, stderr = "" },
        decoded and type(decoded.message) == "string" and decoded.message or nil)
    end
    return cli.fail("VaultProtocol", "%s: %s", step, e.message)
  end
  local said = self.process:stderr()
  local new = said:sub(self.heard + 1)
  self.heard = #said
  return reply.body, index, new
end

--- End it at once. Never waits.
function Serve:kill()
  self.conn:close()
  self.process:close()
end

Serve.close = Serve.kill

--- Start it and see that it answers. Waits.
-- @param tool of bw_cli.new
-- @return serve | nil, err; err.unsupported: it ended without a word on the connection
function M.start(tool)
  local conn, fd = http1.pair()
  if not conn then
    return cli.fail("VaultNotConfigured", "%s", fd.message)
  end
  local process, e = tool:start({ "serve", "--hostname", "fd+connected://" .. SERVE_FD }, { [SERVE_FD] = fd })
  fd:close()
  if not process then
    conn:close()
    return nil, e
  end
  local serve = setmetatable({ cli = tool, conn = conn, process = process, is_serve = true, heard = 0 }, Serve)
  local guard <close> = setmetatable({}, { __close = function(guard)
    if not guard.done then
      serve:kill()
    end
  end })
  local reply
  reply, e = conn:request { path = "/status", host = HOST, timeout = tool:seconds(), max = SMALL_REPLY }
  if reply then
    guard.done = true
    return serve
  elseif e.code == "Timeout" then
    return cli.fail("VaultTimeout", "serve did not answer")
  elseif e.code ~= "Disconnected" then
    return cli.fail("VaultProtocol", "serve: %s", e.message)
  end
  local _, why = gone(serve, "serve", e)
  why.unsupported = true
  return nil, why
end

return M
