-- provision.lua - from a tenant's collection to its .env, guard by guard.
--
-- The guards stand in this order, and none of the first four opens anything
-- inside the jail root:
--   1 a tenant row exists                 else skipped TenantNotFound
--   2 the spawned root is the registered  else refused RootMismatch
--   3 the root exists, strictly below     else refused TargetMissing,
--     the base                                 TargetEscapesRoot
--   (a spawn: the policy is not manual)   else skipped PolicyManual
--   4 the vault gives the collection      else failed with the vault's code
--   5 the contained write                 else failed, or refused on an escape
-- Nothing is changed before 5, and then by one rename. While the vault was
-- asked the tenant may have been deleted or moved, so 1 to 3 stand before 5
-- again; from there to the row in the store a tenant has one writer at a time.

local audit = require "colibri.audit"
local clock = require "core.clock"
local env_record = require "colibri.env_record"
local err = require "colibri.err"
local guard = require("colibri.trace").guard
local json = require "core.json"
local log = require "colibri.log"
local on_change = require "colibri.on_change"
local refresh = require "colibri.refresh"
local sync = require "colibri.sync"
local sys = require "core.sys"
local task = require "core.task"

local M = {}

local RESULT = json.ordered { "tenant_id", "result", "code", "keys", "change", "message", "names", "added", "removed",
  "changed", "action" }
local ENV_FILE = ".env"
local ENV_MODE = 0x180 -- 0600
local AT_ONCE = 4 -- of many: each writes and syncs a file, and others wait meanwhile

local turns = setmetatable({}, { __mode = "v" }) -- tenant_id -> lock, while anybody has it

local REFUSALS = { RootMismatch = true, TargetMissing = true, TargetEscapesRoot = true, BaseMissing = true,
  NotRegular = true }

--- A path without trailing slashes: how jail roots are stored and compared.
function M.normal_root(path)
  local last = #path
  while last > 1 and path:byte(last) == 47 do -- "/"
    last = last - 1
  end
  return path:sub(1, last)
end

--- A result table: { result, code, keys, change?, message?, names?, added?, removed?, changed? }.
function M.result(result, e, fields)
  local out = setmetatable({ result = result, code = e and e.code or json.null, keys = 0,
    message = e and e.message or nil }, RESULT)
  for key, value in pairs(fields or {}) do
    out[key] = value
  end
  return out
end

--- Is this an owner we understand: "uid", "uid:gid", or a user name of the jail?
-- @return true | nil, err(BadParameter)
function M.check_owner(owner)
  if owner:match("^%d+$") or owner:match("^%d+:%d+$") or owner:match("^[A-Za-z_][A-Za-z0-9_.-]*$") then
    return true
  end
  return nil, err.new("BadParameter", "env_owner is 'UID', 'UID:GID' or a user name of the jail, not '%s'", owner)
end

-- uid and gid for a policy, looked up in the jail's own passwd when it is a
-- name. nil policy: the daemon's own.
local function resolve_owner(root, owner)
  if not owner then
    return { uid = sys.uid, gid = sys.gid }
  end
  local uid, gid = owner:match("^(%d+):?(%d*)$")
  if uid then
    return { uid = tonumber(uid), gid = tonumber(gid ~= "" and gid or uid) }
  end
  local text, e = root:read("etc/passwd", 1024 * 1024)
  if not text then
    return nil, err.wrap(e, "owner '%s'", owner)
  end
  for line in text:gmatch("[^\n]+") do
    local name, u, g = line:match("^([^:]*):[^:]*:(%d+):(%d+):")
    if name == owner then
      return { uid = tonumber(u), gid = tonumber(g) }
    end
  end
  return nil, err.new("OwnerNotFound", "no user '%s' in the jail's etc/passwd", owner)
end

-- Guards 1 to 3. Returns row, or nil and a result.
local function check_target(ctx, tenant_id, jail_root)
  local row, e = ctx.tenants:get(tenant_id)
  guard(ctx, "the tenant is registered", { tenant_id = tenant_id }, not row and e or nil)
  if not row then
    return nil, M.result(e.code == "TenantNotFound" and "skipped" or "failed", e)
  end
  if jail_root and M.normal_root(jail_root) ~= M.normal_root(row.jail_root_path) then
    e = err.new("RootMismatch", "tenant '%s' is registered with root %s, not %s", tenant_id, row.jail_root_path,
      jail_root)
  end
  guard(ctx, "its root is the registered one", { jail_root = jail_root, registered = row.jail_root_path }, e)
  if e then
    return nil, M.result("refused", e), row
  end
  local there
  there, e = ctx.fs.contain(ctx.conf.jail_root_base, row.jail_root_path)
  guard(ctx, "the root is there, below the base", { base = ctx.conf.jail_root_base, root = row.jail_root_path },
    not there and e or nil)
  if not there then
    return nil, M.result(REFUSALS[e.code] and "refused" or "failed", e), row
  end
  return row
end

-- Guard 4: the vault's pairs, sorted names; or nil, err. The vault has refused bad
-- and duplicate keys already (vaults.lua).
local function fetch(ctx, tenant_id, since)
  local list, e = ctx.vault:fetch(tenant_id, since)
  guard(ctx, "the vault gives the collection", { collection = tenant_id, keys = list and #list }, not list and e or nil)
  if not list then
    return nil, e
  end
  local names = json.array {}
  for _, pair in ipairs(list) do
    names[#names + 1] = pair.key
  end
  table.sort(names)
  return list, names
end

-- How the keys differ from what was written last (same: not at all); where that
-- is not known, from what stands there.
local function compare(ctx, row, root, prints)
  local old, e = env_record.stored(ctx.db, row.tenant_id)
  if not old then
    return nil, e
  end
  local known = next(old) ~= nil
  if not known then
    old = env_record.prints_of_file(row.tenant_id, root, ENV_FILE) or {}
  end
  local diff, differs = env_record.diff(old, prints)
  diff.same = known and not differs
  return diff
end

-- Guard 5: { change, added, removed, changed, same, prints, owner } or nil, err. The
-- file is the last thing that is touched.
local function write(ctx, row, list, dry_run)
  local prints, e = env_record.prints(row.tenant_id, list)
  if not prints then
    return nil, e
  end
  local root <close>, why = ctx.fs.open(ctx.conf.jail_root_base, row.jail_root_path)
  if not root then
    return nil, why
  end
  local owner, out, written
  owner, e = resolve_owner(root, row.env_owner)
  if owner then
    out, e = compare(ctx, row, root, prints)
  end
  if out then
    local values = {}
    for _, pair in ipairs(list) do
      values[pair.key] = pair.value
    end
    written, e = root:write_env(ENV_FILE, values,
      { mode = ENV_MODE, uid = owner.uid, gid = owner.gid, dry_run = dry_run })
  end
  guard(ctx, "the contained write", { root = row.jail_root_path, owner = row.env_owner,
    change = written and written.change }, not written and e or nil)
  if not written then
    return nil, e
  end
  out.change, out.prints, out.owner = written.change, prints, owner
  return out
end

-- What the row and the audit remember of a run. Waits for the commit.
local function remember(ctx, tenant_id, result, written, how)
  local at = math.floor(clock.now())
  local trail = how.audit or ctx.audit
  trail:subject(tenant_id, { provision = result.result, code = result.code, keys = result.names,
    added = result.added, removed = result.removed, changed = result.changed })
  local ok, e = ctx.db:write(function(tx)
    local done, why = true, nil
    if how.audit and not (how.refresh and result.result == "unchanged") then
      done, why = trail:row(tx, result.code == json.null and result.result or result.code)
    end
    if done and not written then
      return tx:exec("UPDATE tenants SET last_result = ?, last_error = ?, updated_at = ? WHERE tenant_id = ?",
        result.result, tostring(result.code) .. ": " .. tostring(result.message), at, tenant_id)
    elseif done and not (written.same and written.change == "unchanged") then
      done, why = env_record.store(tx, tenant_id, written.prints, written.owner)
    end
    if not done then
      return nil, why
    end
    return tx:exec([[UPDATE tenants SET status = 'active', provisioned_at = ?, last_result = ?, last_error = NULL,
      updated_at = ? WHERE tenant_id = ?]], at, result.result, at, tenant_id)
  end)
  if not ok then
    return nil, e
  end
  refresh.notify()
  return true
end

--- The one writer of a tenant's .env: waits until nobody else is.
-- Use `local turn <close> = provision.turn(tenant_id)`.
function M.turn(tenant_id)
  local lock = turns[tenant_id]
  if not lock then
    lock = sync.lock()
    turns[tenant_id] = lock
  end
  return lock:acquire()
end

-- From the guards again to the row in the store. Returns a result; the row when
-- there are other values now.
local function settle(ctx, tenant_id, how, list, names)
  local _ <close> = M.turn(tenant_id)
  local row, result, found = check_target(ctx, tenant_id, how.jail_root)
  local written
  if row and how.refresh and not (row.policy == "interval" and row.status == "active") then
    return M.result("skipped", err.new("RefreshOff", "tenant '%s' is not to be refreshed any more", tenant_id))
  elseif row then
    local e
    written, e = write(ctx, row, list)
    result = written and M.result(written.change == "changed" and "provisioned" or "unchanged", nil,
      { keys = #names, names = names, change = written.change, added = written.added, removed = written.removed,
        changed = written.changed })
      or M.result(REFUSALS[e.code] and "refused" or "failed", e)
  end
  if row or found then
    local ok, e = remember(ctx, tenant_id, result, written, how)
    if not ok then
      return M.result("failed", e)
    end
  end
  local differs = written and written.change == "changed" and #written.added + #written.removed + #written.changed > 0
  return result, differs and row or nil
end

-- settle(), and what the tenant's agents get to know of it.
local function finish(ctx, tenant_id, how, list, names)
  local result, row = settle(ctx, tenant_id, how, list, names)
  if row then
    result.action = on_change.act(ctx, row, result, how.agent_id)
    if not how.audit then
      ctx.audit:subject(nil, { action = result.action })
    end
  end
  return result
end

-- A run that changes nothing. Returns a result.
local function look(ctx, row, list, names)
  local seen, e = write(ctx, row, list, true)
  if not seen then
    return M.result(REFUSALS[e.code] and "refused" or "failed", e)
  end
  return M.result("dry-run", nil, { keys = #names, names = names, change = seen.change, added = seen.added,
    removed = seen.removed, changed = seen.changed })
end

local function run(ctx, tenant_id, how)
  local row, result, found = check_target(ctx, tenant_id, how.jail_root)
  local list, names
  if row and how.agent_id then
    local e = row.policy == "manual" and err.new("PolicyManual", "tenant '%s' is provisioned only when asked", tenant_id)
    guard(ctx, "its policy lets a spawn provision", { policy = row.policy }, e or nil)
    if e then
      return M.result("skipped", e)
    end
  end
  if row then
    log.info("provision", "provisioning tenant env from vault", { tenant = tenant_id })
    list, names = fetch(ctx, tenant_id, how.since)
    result = not list and M.result("failed", names) or nil
  end
  if list and how.dry_run then
    return look(ctx, row, list, names)
  elseif list then
    -- In a task of its own: a request whose time is over must not leave a new
    -- file and an old row.
    local e
    result, e = task.spawn_detached("provision", finish, ctx, tenant_id, how, list, names):wait()
    return result or M.result("failed", e)
  end
  if (row or found) and not how.dry_run then
    local ok, e = remember(ctx, tenant_id, result, nil, how)
    if not ok then
      return M.result("failed", e)
    end
  end
  return result
end

--- Provision one tenant. Waits for the vault and the store.
-- @param ctx table: with tenants, vault, db, fs, conf, audit
-- @param tenant_id string
-- @param how table: jail_root = what a spawn used, compared with the registered root; dry_run = fetch, check and
--   compare, write nothing; since = clock.monotonic() after which the vault must have been synced; audit = the
--   audit of this run alone, else the request's; agent_id = an agent that is just being spawned; refresh = nobody
--   asked: only while the tenant is active and of policy interval, and the audit has no row when nothing has changed
-- @return result { result = "provisioned|unchanged|skipped|refused|failed|dry-run", code, keys, change?,
--   names?, added?, removed?, changed?, message? }
function M.run(ctx, tenant_id, how)
  local result
  if how.dry_run and ctx.dry_run then
    -- Nothing of this ctx writes, so the whole way can be gone, to its end.
    result = run(ctx, tenant_id, setmetatable({ dry_run = false }, { __index = how }))
    result.result = result.code == json.null and "dry-run" or result.result
  else
    result = run(ctx, tenant_id, how)
  end
  local fields = { tenant = tenant_id, result = result.result, keys = result.keys }
  if result.code == json.null then
    log.info("provision", "vault provision complete", fields)
  else
    fields.code, fields.error = result.code, result.message
    log[result.result == "skipped" and "info" or "warn"]("provision", "vault provision " .. result.result, fields)
  end
  return result
end

--- Provision many tenants side by side, some at a time so that the secrets of a
-- few only are in memory. They share what the vault was synced to at the start.
-- @param ids list of tenant_id
-- @param how table: dry_run, refresh as for run()
-- @return list of results with tenant_id, in the order of ids; { result = how many }
function M.many(ctx, ids, how)
  local out, counts, following, workers = json.array {}, {}, 0, {}
  local since = clock.monotonic()
  local _ <close> = ctx.vault.hold and ctx.vault:hold() -- a dry run's has none
  local function work()
    while following < #ids do
      following = following + 1
      local i = following
      local result = M.run(ctx, ids[i], { dry_run = how.dry_run, refresh = how.refresh, since = since,
        audit = audit.bind(ctx) })
      result.tenant_id = ids[i]
      out[i] = result
      counts[result.result] = (counts[result.result] or 0) + 1
    end
  end
  for i = 1, math.min(AT_ONCE, #ids) do
    workers[i] = task.go(work)
  end
  local ended = err.new("Cancelled", "the run was ended")
  for _, worker in ipairs(workers) do
    local _, e = worker:wait()
    if e then -- it was ended, with its tenant
      log.error("provision", "a run of many was ended", { code = e.code, error = e.message })
      ended = e
    end
  end
  for i, id in ipairs(ids) do
    out[i] = out[i] or M.result("failed", ended, { tenant_id = id })
  end
  return out, counts
end

return M
