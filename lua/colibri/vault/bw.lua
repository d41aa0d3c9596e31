-- vault/bw.lua - the vault behind the Bitwarden CLI `bw`.
--
-- One session is: status, [logout], [config server, status], login, then one
-- resident `bw serve` over a socketpair that is unlocked and gives the listings,
-- then its end and logout. A bw without that is run once for each call instead.
-- bw fails open in many ways: it logs in at bitwarden.com when its data file is
-- damaged, it says success when a sync failed; what each check is for stands
-- beside it. The data directory is kept, so that a server sees one device; no
-- login stays in it.

local err = require "colibri.err"

local LOCK_WAIT = 90 -- seconds; longer than another process keeps an idle session
local DIR_MODE = 0x1c0 -- 0700
local MARK = "login" -- a file beside data.json while there may be a login in that
local OPEN_CALLS, FETCH_CALLS = 3, 2 -- times vault_timeout: what an open and a fetch may take in all
-- An unforced sync asks only when the vault changed last, and compares that with
-- our clock: see refresh().
local SAME_CLOCK = 3 -- seconds
local FULL_SYNC = 60 -- seconds

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

-- The lock of a data directory. Waits while another process has it: another
-- daemon, or a bw that an earlier one left behind.
local function take_lock(ctx, dir)
  local deadline = ctx.clock.monotonic() + LOCK_WAIT
  while true do
    local lock, e = ctx.bw.lock_dir(dir)
    if lock then
      return lock
    elseif e.code ~= "VaultBusy" or ctx.clock.monotonic() > deadline then
      return ctx.bw.fail(e.code, "%s", e.message)
    end
    ctx.task.sleep(0.1)
  end
end

-- Make <state_dir>/bw/<name>, and take its lock.
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
  lock, e = take_lock(ctx, dir)
  if not lock then
    return nil, e
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
  for _, name in ipairs { "data.json", "data.json.bak" } do
    s.root:unlink(name)
  end
end

-- Log out; when bw cannot do it, take its data away. Waits.
-- @return whether bw did it
local function logout(s)
  local data, e = s.cli:call("logout", { "logout" })
  if not data and not e.message:find("not logged in", 1, true) then
    s.ctx.log.warn("bw: logout failed; its data is removed instead", { code = e.code, error = e.message })
    wipe(s)
    return false
  end
  return true
end

-- What data.json was when bw last said of itself that it is logged out and at our
-- server, by directory.
local seen_ready = {}

-- For the next session: a look at what this one left, now that nobody waits.
local function look_back(s)
  local st = s.cli:status()
  if st and st.status == "unauthenticated" and st.serverUrl == s.server then
    seen_ready[s.dir] = s.ctx.bw.stamp(s.dir .. "/data.json")
  end
end

-- bw must be logged out, and at our server and no other: a login sends the API
-- key to whatever server its data file names. That costs a start of bw, unless
-- the file is still what it was when bw said so.
local function prepare(s)
  local seen, stamp = seen_ready[s.dir], s.ctx.bw.stamp(s.dir .. "/data.json")
  seen_ready[s.dir] = nil
  if seen == stamp and stamp ~= "" then
    return true
  end
  local st, e = s.cli:status()
  if not st then
    return nil, e
  end
  -- A bw-data directory beside node wins over our setting.
  if not s.root:stat("data.json") then
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

-- Whole seconds of ISO time compare as text.
local function iso(s, at)
  return s.ctx.clock.iso(at):sub(1, 19)
end

-- Is what bw says of itself from our server, and as locked or unlocked as it
-- should be? With since: is its copy of the vault from after this moment? A
-- login or a sync that failed says success; then there is nothing in the copy,
-- or something old.
local function check_status(s, wanted, since)
  local st, e = s.vault:status()
  if not st then
    return nil, e
  end
  if st.serverUrl ~= s.server then
    return s.fail("ServerMismatch", "after the login it is at another server than BW_SERVER")
  end
  if st.status == "unauthenticated" then
    return s.fail("VaultAuthFailed", "it logged itself out")
  elseif wanted and st.status ~= wanted then
    return s.fail("VaultProtocol", "it is %s, not %s", st.status, wanted)
  end
  if since and (type(st.lastSync) ~= "string" or st.lastSync:sub(1, 19) < iso(s, since - 1)) then
    return s.fail("VaultStale", "the vault could not be synced")
  end
  return st
end

-- Is our clock not ahead of the server's? The access token says when it was
-- made; the sync that follows at once has the time of our clock.
local function is_same_clock(s, st)
  local data = s.ctx.bw.read_data(s.dir)
  local made = data and s.ctx.bw.token_time(data)
  return made ~= nil and st.lastSync:sub(1, 19) <= iso(s, made + SAME_CLOCK)
end

-- The vault, locked: bw serve, or what runs bw for each call.
local function start_vault(s)
  local serve, e = s.ctx.bw.serve(s.cli)
  if not serve and e.unsupported then
    s.ctx.log.info("bw: no serve on a descriptor; it is run for each call", { code = e.code, error = e.message })
    return s.ctx.bw.calls(s.cli)
  end
  return serve, e
end

local function login(s, credentials)
  local asked, since = s.ctx.clock.monotonic(), s.ctx.clock.now()
  s.logged_in = true
  s.root:write(MARK, "", { mode = 0x180 }) -- 0600
  local data, e = s.cli:call("login", { "login", "--apikey" },
    { env = { BW_CLIENTID = credentials.BW_CLIENTID, BW_CLIENTSECRET = credentials.BW_CLIENTSECRET } })
  if not data then
    return nil, e
  end
  s.vault, e = start_vault(s)
  if not s.vault then
    return nil, e
  end
  local st
  st, e = check_status(s, "locked", since)
  if not st then
    return nil, e
  end
  s.synced, s.full_sync = asked, asked
  s.same_clock = s.vault.is_serve and is_same_clock(s, st)
  s.ctx.log.debug("bw: may a sync be left to the server's time of the last change", { clocks_agree = s.same_clock })
  return true
end

local function unlock(s, credentials)
  local ok, e = s.vault:unlock(credentials.BW_PASSWORD)
  if ok and s.vault.is_serve then
    ok, e = check_status(s, "unlocked")
  end
  return ok and true or nil, e
end

-- Bring bw's copy of the vault up to date, unless it is newer than the request.
--
-- Only a forced sync is sure, but each one counts on the server's limit of
-- logins (ten, then one a minute). An unforced one asks when the vault changed
-- last and compares that with OUR time of the last sync: were our clock ahead,
-- what changes in between would be missed for good. So it is good enough only
-- where the clocks were seen to agree, and at least once a minute a forced one
-- makes up for what less than that may hide. (After an unforced one lastSync
-- may stay as it was.)
local function refresh(s, since)
  if since and since <= s.synced then
    return true
  end
  local asked, now = s.ctx.clock.monotonic(), s.ctx.clock.now()
  local force = not s.same_clock or asked - s.full_sync >= FULL_SYNC or s.listing.damaged ~= nil
  if force then
    s.listing:renew()
  else
    s.listing:rest()
  end
  local ok, e = s.vault:sync(force)
  -- A serve that was logged out (401) says success to every later sync.
  if ok then
    ok, e = check_status(s, s.vault.is_serve and "unlocked" or nil, force and now or nil)
  end
  if not ok then
    return nil, e
  end
  s.synced = asked
  if force then
    s.full_sync = asked
  end
  return true
end

--- The pairs of one collection. Waits.
-- @param name string: exact name of the collection
-- @param since number|nil: ctx.clock.monotonic() of the request; what was synced before is synced again
-- @return { { key, value = secret, item }, ... } | nil, err
function Session:fetch(name, since)
  self.cli.deadline = self.ctx.clock.monotonic() + FETCH_CALLS * self.cli.timeout
  local ok, e = refresh(self, since)
  local bw = self.ctx.bw
  local collections, id, items, out
  if ok then
    collections, e = self.listing:collections(self.vault)
  end
  if collections then
    id, e = bw.find_collection(collections, name)
  end
  if id then
    items, e = self.listing:items(self.vault, id)
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

--- Nobody waits: let go of what can be listed again. Never waits.
function Session:rest()
  self.listing:rest()
end

--- End serve, and log out. Waits where that is possible; where it is not (the
-- task is being ended), what the login left on disk is removed at once.
-- @param last boolean|nil: no session follows soon
function Session:close(last)
  if self.closed then
    return
  end
  self:rest()
  if self.logged_in then
    local done = pcall(function()
      self.cli.deadline = nil
      if self.vault then
        self.vault:close()
      end
      if logout(self) and not last and self.server then
        look_back(self)
      end
    end)
    if not done then
      if self.vault and self.vault.is_serve then
        self.vault:kill()
      end
      wipe(self)
    end
    self.root:unlink(MARK)
  end
  self.closed = true
  self.root:close()
  self.lock_fd:close()
  self.lock:release()
end

-- Everything up to an unlocked session; waits.
local function start(s, credentials)
  s.cli.deadline = s.ctx.clock.monotonic() + OPEN_CALLS * s.cli.timeout
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

-- A session in a directory that is locked, not begun.
local function new_session(ctx, server, program, dir, lock, ca)
  local s = setmetatable({ ctx = ctx, fail = ctx.bw.fail, dir = dir, lock = lock, server = server,
    listing = ctx.bw.listing(dir) }, Session)
  local e
  s.root, e = ctx.fs.open_trusted(dir)
  if s.root then
    s.lock_fd, e = lock:fd()
  end
  if not s.lock_fd then
    lock:release()
    return ctx.bw.fail("VaultNotConfigured", "%s", e.message)
  end
  s.cli = ctx.bw.cli { ctx = ctx, program = program, dir = dir, timeout = ctx.conf.vault_timeout or 60, ca = ca,
    lock_fd = s.lock_fd }
  return s
end

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
  local s
  s, e = new_session(ctx, server, program, dir, lock, credentials.NODE_EXTRA_CA_CERTS)
  if not s then
    return nil, e
  end
  local undo <close> = setmetatable({ session = s }, undo_meta)
  local ok
  ok, e = start(s, credentials)
  if not ok then
    s:close(true) -- somebody waits for the error
    return nil, e
  end
  undo.session = nil
  return s
end

-- End a login that a daemon which is no more left in this directory.
local function recover_one(ctx, dir)
  local lock, e = take_lock(ctx, dir)
  if not lock then
    return nil, e
  end
  local program = find_program(ctx) or dir .. "/no-bw" -- then the login is removed by hand
  local s <close> = new_session(ctx, nil, program, dir, lock)
  if s and s.root:stat(MARK) then
    ctx.log.warn("bw: a login was left behind; logging out", { dir = dir })
    s.logged_in = true -- so the close logs out
  end
  return true
end

--- After a crash: end what it left logged in. Waits.
local function recover(ctx)
  local base = ctx.conf.state_dir:gsub("/+$", "") .. "/bw"
  local root <close> = ctx.fs.open_trusted(base)
  for _, name in ipairs(root and root:list() or {}) do
    if root:stat(name .. "/" .. MARK) then
      local ok, e = recover_one(ctx, base .. "/" .. name)
      if not ok then
        return nil, e
      end
    end
  end
  return true
end

return {
  api = 1,
  summary = "Bitwarden or Vaultwarden through the official CLI",
  open = open,
  recover = recover,
  stamp = function(ctx)
    return ctx.bw.stamp(ctx.conf.provider_env)
  end,
}
