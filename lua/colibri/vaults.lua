-- vaults.lua - one session with the vault, shared by all who ask.
--
-- Opening a session is dear (seconds, and a login that servers count), so one
-- task of its own serves the requests in turn: it opens the adapter's session
-- for the first, keeps it while more come, and closes it when none has come
-- for COLIBRI_VAULT_IDLE seconds. A requester that gives up leaves the session
-- alone. Adapters are scripts (vault/NAME.lua) and get no more than `ctx` here.

local checked = require "colibri.checked"
local clock = require "core.clock"
local core_bw = require "core.bw"
local err = require "colibri.err"
local log = require "colibri.log"
local sandbox = require "colibri.sandbox"
local script = require "core.script"
local task = require "core.task"

local M = {}

-- Seconds without a login after "rate limit exceeded": at least as long as a
-- server takes to allow one more, doubled each time it says so again, with
-- jitter, so that several daemons do not come back together.
local BACK_OFF, BACK_OFF_MAX, JITTER = 60, 960, 0.25

-- Errors about what was asked for; after any other the session is closed,
-- unless the adapter puts keep_session = true into the error.
local ABOUT_CONTENT = { CollectionNotFound = true, CollectionAmbiguous = true, CollectionEmpty = true,
  ItemAmbiguous = true, InvalidKey = true, InvalidNote = true, InvalidValue = true }

-- ctx.bw: core.bw and the library around it, in one table; read when an adapter
-- asks for it.
local function bw_tools()
  local bw_calls, bw_cli, bw_items = require "colibri.bw_calls", require "colibri.bw_cli", require "colibri.bw_items"
  local bw_listing, bw_serve = require "colibri.bw_listing", require "colibri.bw_serve"
  local tools = { cli = bw_cli.new, serve = bw_serve.start, calls = bw_calls.new, fail = bw_cli.fail,
    listing = bw_listing.new, find_collection = bw_items.find_collection, pairs = bw_items.pairs }
  for name, fn in pairs(core_bw) do
    tools[name] = fn
  end
  return sandbox.readonly(tools, "ctx.bw")
end

local Vaults = {}
Vaults.__index = Vaults

-- Run a script's function; what it raises becomes an error object.
local function protected(fn, ...)
  local ok, result, e = xpcall(fn, script.traceback, ...)
  if not ok then
    return nil, result
  end
  if result == nil and e == nil then
    e = err.new("BadScript", "the vault adapter returned nothing")
  end
  return result, e
end

--- Requests -----------------------------------------------------------------

local function finish(request, list, e)
  if request.done then
    return
  end
  request.list, request.e, request.done = list, e, true
  request.waiter:wake()
end

local function fail_all(self, e)
  local request = table.remove(self.pending, 1)
  while request do
    finish(request, nil, e)
    request = table.remove(self.pending, 1)
  end
end

-- Secrets that nobody holds any more are wiped now, not some day.
local function sweep()
  collectgarbage()
end

-- The oldest request whose requester still waits; waits for one while the
-- session may be idle. nil: it is time to close.
local function next_request(self)
  local deadline, rested = self.clock.monotonic() + self.idle, false
  while not self.closing do
    local request = table.remove(self.pending, 1)
    local left = deadline - self.clock.monotonic()
    if request and not request.abandoned then
      return request
    elseif not request and left <= 0 and self.holds == 0 then
      return nil
    elseif not request then
      if self.session.rest and not rested then
        self.session:rest()
        sweep()
        rested = true
      end
      if self.holds > 0 then
        self.wakeup:wait()
      else
        self.wakeup:wait(left)
      end
    end
  end
  return nil
end

-- What an adapter gave must be what provisioning can rely on.
local function check(collection, list)
  if type(list) ~= "table" or #list == 0 then
    return nil, err.new("CollectionEmpty", "collection '%s' holds no key; add an item", collection)
  end
  local from = {}
  for _, pair in ipairs(list) do
    local key, item = pair.key, tostring(pair.item)
    if type(key) ~= "string" or not key:match("^[A-Za-z_][A-Za-z0-9_]*$") then
      return nil, err.new("InvalidKey", "item %s gives a key that is not a name for a variable; rename it", item)
    elseif from[key] then
      return nil, err.new("ItemAmbiguous", "key %s comes from %s and from %s; rename or delete one", key, from[key],
        item)
    elseif type(pair.value) ~= "userdata" and type(pair.value) ~= "string" then
      return nil, err.new("InvalidValue", "item %s gives no value for key %s", item, key)
    end
    from[key] = item
  end
  return list
end

--- The session's task -------------------------------------------------------

local function adapter(self)
  local name = self.ctx.conf.vault
  local def = self.gen().vault[name]
  if not def then
    return nil, err.new("VaultNotConfigured", "there is no vault adapter '%s'; set COLIBRI_VAULT to bw or file",
      tostring(name))
  end
  return def
end

-- May we log in now? nil, err when not.
local function may_open(self, def)
  local left = self.not_before - self.clock.monotonic()
  if left > 0 then
    return nil, err.new("VaultRateLimited", "the server's rate limit was reached; the next login is in %d seconds",
      math.ceil(left))
  end
  local refused = self.refused
  if refused and def.stamp and def.stamp(self.adapter_ctx) == refused.stamp then
    return nil, err.new("VaultAuthFailed", "not tried again until the configuration changes: %s", refused.message)
  end
  self.refused = nil
  return true
end

local function open(self)
  local def, e = adapter(self)
  if not def then
    return nil, e
  end
  local may
  may, e = may_open(self, def)
  if not may then
    return nil, e
  end
  local stamp = def.stamp and def.stamp(self.adapter_ctx)
  local session
  session, e = protected(def.open, self.adapter_ctx)
  if not session then
    if e.code == "VaultAuthFailed" and stamp then
      self.refused = { stamp = stamp, message = e.message }
    end
    return nil, e
  end
  self.sessions = self.sessions + 1
  return session
end

-- Closes the session on every way out of serve().
local closer = {
  __close = function(guard)
    local _, e = protected(function()
      guard.session:close(guard.vaults.closing)
      return true
    end)
    if e then
      log.warn("vault", "closing the session failed", { code = e.code, error = e.message })
    end
    guard.vaults.session = nil
    sweep()
  end,
}

local function note(self, e)
  self.last_error = { code = e.code, message = e.message, at = self.clock.now() }
  if e.code == "VaultRateLimited" and self.clock.monotonic() >= self.not_before then
    self.back_off = math.min(self.back_off and self.back_off * 2 or BACK_OFF, BACK_OFF_MAX)
    self.not_before = self.clock.monotonic() + self.back_off * (1 + JITTER * math.random())
  end
end

-- One session from open to close.
local function serve(self)
  local session, e = open(self)
  sweep() -- the credentials
  if not session then
    note(self, e)
    return fail_all(self, e)
  end
  local _ <close> = setmetatable({ vaults = self, session = session }, closer)
  self.session = session
  while true do
    local request = next_request(self)
    if not request then
      return
    end
    self.current = request
    local list
    list, e = protected(session.fetch, session, request.collection, request.since)
    if list then
      list, e = check(request.collection, list)
    end
    finish(request, list, e)
    self.current = nil
    if list then
      self.back_off = nil
    end
    if e then
      note(self, e)
      if not (ABOUT_CONTENT[e.code] or e.keep_session) then
        return
      end
    end
  end
end

-- If the task is ended from outside, whoever still waits ends too.
local worker_meta = {
  __close = function(guard)
    if guard.done then
      return
    end
    local self = guard.vaults
    local e = guard.e or err.new("Cancelled", "the vault is being closed")
    if self.current then
      finish(self.current, nil, e)
      self.current = nil
    end
    fail_all(self, e)
    table.insert(self.token, true)
  end,
}

-- Serve until nobody asks. Who has the token is the one worker.
local function work(self)
  local guard <close> = setmetatable({ vaults = self }, worker_meta)
  while #self.pending > 0 do
    local _, e = protected(function()
      if self.closing then
        fail_all(self, err.new("Cancelled", "the vault is being closed"))
      else
        serve(self)
      end
      return true
    end)
    if e then
      log.error("vault", "the session failed", { code = e.code, error = e.message, where = e.where })
      guard.e = e
      return
    end
  end
  table.insert(self.token, true)
  guard.done = true
end

--- The face -----------------------------------------------------------------

--- The vault of a host.
-- @param opts { gen = function() -> generation, ctx = { conf, fs, proc, sys, task, ... }, idle = seconds|nil, clock }
--   idle: default conf.vault_idle, else 0; clock: default core.clock
function M.new(opts)
  local ctx = opts.ctx
  local adapter_ctx = setmetatable({ log = log.topic("vault") }, { __index = function(t, key)
    if key ~= "bw" then
      return ctx[key]
    end
    local tools = bw_tools()
    rawset(t, "bw", tools)
    return tools
  end })
  return setmetatable({ gen = opts.gen, ctx = ctx, adapter_ctx = adapter_ctx,
    idle = opts.idle or tonumber(ctx.conf.vault_idle) or 0, clock = opts.clock or clock,
    holds = 0, pending = {}, wakeup = task.waiter(), token = { true }, not_before = -math.huge, sessions = 0 }, Vaults)
end

local abandon_meta = { __close = function(guard) guard.request.abandoned = true end }

--- The pairs of a collection. Waits.
-- @param collection string
-- @param since number|nil: clock.monotonic() after which the vault must have been synced; now
-- @return { { key, value = secret, item }, ... } | nil, err: a code of the vault (docs/PROTOCOL.md)
function Vaults:fetch(collection, since)
  if type(collection) ~= "string" or collection == "" or collection:find("%c") then
    return nil, err.new("CollectionNotFound", "not a name for a collection")
  end
  local request = { collection = collection, since = since or self.clock.monotonic(), waiter = task.waiter() }
  local _ <close> = setmetatable({ request = request }, abandon_meta)
  table.insert(self.pending, request)
  if table.remove(self.token) then
    self.worker = task.spawn_detached("vault session", work, self)
  else
    self.wakeup:wake()
  end
  while not request.done do
    request.waiter:wait()
  end
  return request.list, request.e
end

--- After a start: let the adapter end what an earlier daemon left behind. Waits.
function Vaults:recover()
  local def = adapter(self)
  if not def or not def.recover then
    return
  end
  local _, e = protected(def.recover, self.adapter_ctx)
  if e then
    log.warn("vault", "what an earlier daemon left behind stays", { code = e.code, error = e.message })
  end
end

local hold_meta = { __close = function(hold)
  hold.vaults.holds = hold.vaults.holds - 1
  hold.vaults.wakeup:wake()
end }

--- While the result is not closed, an open session stays open, however long
-- nobody asks: for who will ask again soon. Use <close>.
function Vaults:hold()
  self.holds = self.holds + 1
  return setmetatable({ vaults = self }, hold_meta)
end

--- Close the session; what waits for it gets Cancelled. A later request opens
-- a new one. Waits until bw has logged out.
function Vaults:close()
  local worker = self.worker
  if worker then
    self.closing = true
    self.wakeup:wake()
    worker:wait()
    self.closing = false
  end
end

-- @return { adapter, open, pending, sessions, last_error = { code, message, at }? }
function Vaults:status()
  return { adapter = self.ctx.conf.vault, open = self.session ~= nil, pending = #self.pending,
    sessions = self.sessions, last_error = self.last_error }
end

checked.methods(Vaults, "vault", { fetch = "string number?", hold = "", status = "" })

return M
