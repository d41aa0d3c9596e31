-- bw_calls.lua - an unlocked vault by one process a call.
--
-- The slow way, for versions of bw without `serve` on a descriptor: each call
-- decrypts the vault anew with the session's key from its environment. The
-- same face as bw_serve.lua.

local core_bw = require "core.bw"
local cli = require "colibri.bw_cli"

local M = {}

local Calls = {}
Calls.__index = Calls

--- Unlock with the master password, which goes in by a pipe. Waits.
-- @param password secret
-- @return true | nil, err
function Calls:unlock(password)
  local argv = { "unlock", "--passwordfile", "/dev/stdin" }
  local data, e, r = self.cli:call("unlock", argv, { input = password })
  if not data and r and r.stderr:find("KeyIdBackfillError", 1, true) then
    -- 2026.9.0 against a server without that endpoint: the second try works.
    data, e = self.cli:call("unlock", argv, { input = password })
  end
  if not data then
    return nil, e
  end
  if data.raw == nil or not core_bw.is_session(data.raw) then
    return cli.fail("VaultProtocol", "unlock gave no session key")
  end
  self.session = data.raw
  return true
end

--- Bring the copy of the vault up to date. Waits.
-- @return true | nil, err
function Calls:sync()
  local data, e = self.cli:call("sync", { "sync", "-f" })
  return data and true or nil, e
end

-- @return { status, serverUrl?, lastSync? } | nil, err. Waits.
function Calls:status()
  return self.cli:status()
end

-- @param what "collections" or "items": all that the account can see
-- @return secret: the reply, index: see bw.index, stderr of the listing | nil, err. Waits.
function Calls:list(what)
  return self.cli:list("list " .. what, { "list", what }, self.session)
end

--- Forget the key and lock. Waits.
function Calls:close()
  if self.session then
    self.session = nil
    self.cli:call("lock", { "lock" })
  end
end

-- @param tool of bw_cli.new
function M.new(tool)
  return setmetatable({ cli = tool, is_serve = false }, Calls)
end

return M
