-- vault/bw.lua - the vault behind the Bitwarden CLI `bw`.
--
-- One session is: status, [logout], [config server, status], login, status,
-- unlock, then listings, then lock and logout; each step is a process of its
-- own (bw_cli.lua, as ctx.bw.cli). bw fails open in many ways: it logs in at
-- bitwarden.com when its data file is damaged, it says success when a sync
-- failed; what each check is for stands beside it. The data directory is kept,
-- so that a server sees one device; no login stays in it.

local err = require "colibri.err"

local LOCK_WAIT = 90 -- seconds; longer than another process keeps an idle session
local DIR_MODE = 0x1c0 -- 0700

--- Settings -----------------------------------------------------------------

local FILE_RULE = "mode 0600, owned by root or the daemon's user"
local WANTED = { "BW_SERVER", "BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD" }

-- The credentials, as secrets by name.
local function read_credentials(ctx)
  local path = ctx.conf.provider_env
  local list, e = ctx.fs.read_env(path)
  if not list and e.code == "NotFound" then
    return nil, err.new("VaultNotConfigured", "there is no %s; create it, %s, with %s", path, FILE_RULE,
      table.concat(WANTED, ", "))
  elseif not list then
    return nil, err.new("VaultNotConfigured", "%s; %s must hold KEY=VALUE lines, %s", e.message, path, FILE_RULE)
  end
  local values, missing = {}, {}
  for _, pair in ipairs(list) do
    values[pair.key] = pair.value
  end
  for _, name in ipairs(WANTED) do
    if not values[name] or values[name]:len() == 0 then
      missing[#missing + 1] = name
    end
  end
  if #missing > 0 then
    return nil, err.new("VaultNotConfigured", "%s lacks %s; add what is missing", path, table.concat(missing, ", "))
  end
  return values
end

-- Absolute path of the program.
local function find_program(ctx)
  local path, e = ctx.conf.bw, nil
  if not path then
    path, e = ctx.proc.find("bw")
  end
  if not path then
    return nil, err.new("VaultNotConfigured",
      "%s; install the Bitwarden CLI (npm install -g @bitwarden/cli@2026.8.0) or name it with COLIBRI_BW", e.message)
  end
  return path
end

-- Make <state_dir>/bw/<name>, and take its lock. Waits while another process
-- has it.
local function open_dir(ctx, name)
  local state <close>, e = ctx.fs.open_trusted(ctx.conf.state_dir)
  if not state then
    return ctx.bw.fail("VaultNotConfigured", "state_dir: %s", e.message)
  end
  for _, part in ipairs { "bw", "bw/" .. name } do
    local ok
    ok, e = state:mkdir(part, DIR_MODE)
    if not ok and e.code ~= "Exists" then
      return ctx.bw.fail("VaultNotConfigured", "state_dir: %s", e.message)
    end
  end
  local dir = ctx.conf.state_dir:gsub("/+$", "") .. "/bw/" .. name
  local lock
  local deadline = ctx.clock.monotonic() + LOCK_WAIT
  repeat
    lock, e = ctx.bw.lock_dir(dir)
    if not lock and e.code ~= "VaultBusy" then
      return ctx.bw.fail("VaultNotConfigured", "%s", e.message)
    elseif not lock then
      ctx.task.sleep(0.1)
    end
  until lock or ctx.clock.monotonic() > deadline
  if not lock then
    return ctx.bw.fail("VaultBusy", "%s", e.message)
  end
  return dir, lock
end

--- The session --------------------------------------------------------------

local Session = {}
Session.__index = Session

function Session.__close(session)
  session:close()
end

-- Remove what a login left on disk without asking bw: the API key and the
-- access token stand in there in plain text. Never waits.
local function wipe(s)
  local root <close> = s.ctx.fs.open_trusted(s.dir)
  if not root then
    return
  end
  for _, name in ipairs { "data.json", "data.json.bak" } do
    root:unlink(name)
  end
end

-- Log out; when bw cannot do it, take its data away. Waits.
local function logout(s)
  local data, e = s.cli:call("logout", { "logout" })
  if not data and not e.message:find("not logged in", 1, true) then
    s.ctx.log.warn("bw: logout failed; its data is removed instead", { code = e.code, error = e.message })
    wipe(s)
  end
end

-- bw must be logged out, and at our server and no other: a login sends the API
-- key to whatever server its data file names.
local function prepare(s)
  local st, e = s.cli:status()
  if not st then
    return nil, e
  end
  -- A bw-data directory beside node wins over our setting.
  local root <close> = s.ctx.fs.open_trusted(s.dir)
  if not root or not root:stat("data.json") then
    return s.fail("VaultNotConfigured", "its data is elsewhere; remove the bw-data directory beside node")
  end
  if st.status ~= "unauthenticated" then
    s.ctx.log.warn("bw: a login was left behind; logging out")
    logout(s)
    st, e = s.cli:status()
  end
  if st and st.serverUrl ~= s.server then
    st, e = s.cli:call("config server", { "config", "server", s.server })
    if st then
      st, e = s.cli:status()
    end
  end
  if not st then
    return nil, e
  end
  if st.serverUrl ~= s.server or st.status ~= "unauthenticated" then
    return s.fail("ServerMismatch", "before the login it does not take the server, or keeps an old login")
  end
  return true
end

-- Is what bw has cached from after this moment, and from our server?
local function check_synced(s, since)
  local st, e = s.cli:status()
  if not st then
    return nil, e
  end
  if st.serverUrl ~= s.server then
    return s.fail("ServerMismatch", "after the login it is at another server than BW_SERVER")
  end
  if st.status == "unauthenticated" then
    return s.fail("VaultAuthFailed", "it logged itself out")
  end
  -- A login whose sync failed says success; then there is nothing here, or
  -- something old. Whole seconds of ISO time compare as text.
  local earliest = s.ctx.clock.iso(since - 1):sub(1, 19)
  if type(st.lastSync) ~= "string" or st.lastSync:sub(1, 19) < earliest then
    return s.fail("VaultStale", "the vault could not be synced")
  end
  return true
end

local function login(s, credentials)
  local asked, since = s.ctx.clock.monotonic(), s.ctx.clock.now()
  s.logged_in = true
  local data, e = s.cli:call("login", { "login", "--apikey" },
    { env = { BW_CLIENTID = credentials.BW_CLIENTID, BW_CLIENTSECRET = credentials.BW_CLIENTSECRET } })
  if not data then
    return nil, e
  end
  local ok
  ok, e = check_synced(s, since)
  if not ok then
    return nil, e
  end
  s.synced = asked
  return true
end

-- The session's key, as a secret. The password goes in by a pipe.
local function unlock(s, credentials)
  local argv = { "unlock", "--passwordfile", "/dev/stdin" }
  local data, e, r = s.cli:call("unlock", argv, { input = credentials.BW_PASSWORD })
  if not data and r and r.stderr:find("KeyIdBackfillError", 1, true) then
    -- 2026.9.0 against a server without that endpoint: the second try works.
    data, e = s.cli:call("unlock", argv, { input = credentials.BW_PASSWORD })
  end
  if not data then
    return nil, e
  end
  if data.raw == nil or not s.ctx.bw.is_session(data.raw) then
    return s.fail("VaultProtocol", "unlock gave no session key")
  end
  s.session = data.raw
  return true
end

-- Bring the cache up to date unless it is newer than the request.
local function refresh(s, since)
  if since and since <= s.synced then
    return true
  end
  local asked, now = s.ctx.clock.monotonic(), s.ctx.clock.now()
  s.collections = nil
  local data, e = s.cli:call("sync", { "sync", "-f" })
  if not data then
    return nil, e
  end
  local ok
  ok, e = check_synced(s, now)
  if not ok then
    return nil, e
  end
  s.synced = asked
  return true
end

--- The pairs of one collection. Waits.
-- @param name string: exact name of the collection
-- @param since number|nil: ctx.clock.monotonic() of the request; what was synced before is synced again
-- @return { { key, value = secret, item }, ... } | nil, err
function Session:fetch(name, since)
  local ok, e = refresh(self, since)
  if not ok then
    return nil, e
  end
  if not self.collections then
    self.collections, e = self.cli:list("list collections", { "list", "collections" }, self.session)
    if not self.collections then
      return nil, e
    end
  end
  local bw = self.ctx.bw
  local id, items, out
  id, e = bw.find_collection(self.collections, name)
  if id then
    items, e = self.cli:list("list items", { "list", "items", "--collectionid", id }, self.session)
  end
  if items then
    out, e = bw.pairs(items, id)
  end
  if not out then
    return nil, e
  end
  if #out == 0 then
    return self.fail("CollectionEmpty", "collection '%s' has no login item and no secure note; add one", name)
  end
  return out
end

--- Lock and log out. Waits where that is possible; where it is not (the task
-- is being ended), what the login left on disk is removed at once.
function Session:close()
  if self.closed then
    return
  end
  if self.logged_in then
    local done = pcall(function()
      if self.session then
        self.cli:call("lock", { "lock" })
      end
      logout(self)
    end)
    if not done then
      wipe(self)
    end
  end
  self.closed = true
  self.session = nil
  self.lock:release()
end

-- Everything up to an unlocked session; waits.
local function start(s, credentials)
  local ok, e = prepare(s)
  if ok then
    ok, e = login(s, credentials)
  end
  if ok then
    ok, e = unlock(s, credentials)
  end
  return ok, e
end

-- Closes a session that did not come to life, however that ended.
local undo_meta = {
  __close = function(undo)
    if undo.session then
      undo.session:close()
    end
  end,
}

local function open(ctx)
  local credentials, program, server, dir, lock, e
  credentials, e = read_credentials(ctx)
  if credentials then
    server, e = ctx.bw.check_server(credentials.BW_SERVER)
  end
  if server then
    program, e = find_program(ctx)
  end
  if not program then
    return nil, e
  end
  dir, lock = open_dir(ctx, ctx.bw.dir_name(server, credentials.BW_CLIENTID))
  if not dir then
    return nil, lock
  end
  local cli = ctx.bw.cli { ctx = ctx, program = program, dir = dir, timeout = ctx.conf.vault_timeout or 60,
    ca = credentials.NODE_EXTRA_CA_CERTS }
  local s = setmetatable({ ctx = ctx, cli = cli, fail = ctx.bw.fail, dir = dir, lock = lock, server = server }, Session)
  local undo <close> = setmetatable({ session = s }, undo_meta)
  local ok
  ok, e = start(s, credentials)
  if not ok then
    s:close()
    return nil, e
  end
  undo.session = nil
  return s
end

return { api = 1, summary = "Bitwarden or Vaultwarden through the official CLI", open = open }
