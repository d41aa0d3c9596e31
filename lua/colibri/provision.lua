-- provision.lua - from a tenant's collection to its .env, guard by guard.
--
-- The guards stand in this order, and none of the first four opens anything
-- inside the jail root:
--   1 a tenant row exists                 else skipped TenantNotFound
--   2 the spawned root is the registered  else refused RootMismatch
--   3 the root exists, strictly below     else refused TargetMissing,
--     the base                                 TargetEscapesRoot
--   4 the vault gives the collection      else failed with the vault's code
--   5 the contained write                 else failed, or refused on an escape
-- Nothing is changed before 5, and then by one rename.

local clock = require "core.clock"
local err = require "colibri.err"
local json = require "core.json"
local log = require "colibri.log"
local sys = require "core.sys"

local M = {}

local RESULT = json.ordered { "result", "code", "keys", "change", "message", "names" }
local ENV_MODE = 0x180 -- 0600

local REFUSALS = { RootMismatch = true, TargetMissing = true, TargetEscapesRoot = true, BaseMissing = true,
  NotRegular = true }

--- A path without trailing slashes: how jail roots are stored and compared.
function M.normal_root(path)
  local trimmed = path:gsub("/+$", "")
  return trimmed == "" and "/" or trimmed
end

--- A result table: { result, code, keys, change?, message?, names? }.
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
  if not row then
    return nil, M.result(e.code == "TenantNotFound" and "skipped" or "failed", e)
  end
  if jail_root and M.normal_root(jail_root) ~= M.normal_root(row.jail_root_path) then
    e = err.new("RootMismatch", "tenant '%s' is registered with root %s, not %s", tenant_id, row.jail_root_path,
      jail_root)
    return nil, M.result("refused", e), row
  end
  local there
  there, e = ctx.fs.contain(ctx.conf.jail_root_base, row.jail_root_path)
  if not there then
    return nil, M.result(REFUSALS[e.code] and "refused" or "failed", e), row
  end
  return row
end

-- Guard 4: { KEY = secret }, sorted names; or nil, err. The vault has refused bad
-- and duplicate keys already (vaults.lua).
local function fetch(ctx, tenant_id)
  local pairs_list, e = ctx.vault:fetch(tenant_id)
  if not pairs_list then
    return nil, e
  end
  local values, names = {}, json.array {}
  for _, pair in ipairs(pairs_list) do
    values[pair.key] = pair.value
    names[#names + 1] = pair.key
  end
  table.sort(names)
  return values, names
end

-- Guard 5.
local function write(ctx, row, values)
  local root <close>, e = ctx.fs.open(ctx.conf.jail_root_base, row.jail_root_path)
  if not root then
    return nil, e
  end
  local owner
  owner, e = resolve_owner(root, row.env_owner)
  if not owner then
    return nil, e
  end
  return root:write_env(".env", values, { mode = ENV_MODE, uid = owner.uid, gid = owner.gid })
end

-- What the row and the audit remember of a run. Waits for the commit.
local function remember(ctx, tenant_id, result)
  local at = math.floor(clock.now())
  local good = result.result == "provisioned" or result.result == "unchanged"
  ctx.audit:subject(tenant_id, { provision = result.result, code = result.code, keys = result.names })
  local ok, e = ctx.db:write(function(tx)
    if good then
      return tx:exec([[UPDATE tenants SET status = 'active', provisioned_at = ?, last_result = ?, last_error = NULL,
        updated_at = ? WHERE tenant_id = ?]], at, result.result, at, tenant_id)
    end
    return tx:exec("UPDATE tenants SET last_result = ?, last_error = ?, updated_at = ? WHERE tenant_id = ?",
      result.result, tostring(result.code) .. ": " .. tostring(result.message), at, tenant_id)
  end)
  if not ok then
    return nil, e
  end
  return true
end

local function run(ctx, tenant_id, jail_root, dry_run)
  local row, result, found = check_target(ctx, tenant_id, jail_root)
  if not row then
    return result, found ~= nil
  end
  log.info("provision", "provisioning tenant env from vault", { tenant = tenant_id })
  local values, names = fetch(ctx, tenant_id)
  if not values then
    return M.result("failed", names), true
  end
  if dry_run then
    return M.result("dry-run", nil, { keys = #names, names = names }), false
  end
  local written, e = write(ctx, row, values)
  if not written then
    return M.result(REFUSALS[e.code] and "refused" or "failed", e), true
  end
  return M.result(written.change == "changed" and "provisioned" or "unchanged", nil,
    { keys = #names, names = names, change = written.change }), true
end

--- Provision one tenant. Waits for the vault and the store.
-- @param ctx table: with tenants, vault, db, fs, conf, audit
-- @param tenant_id string
-- @param jail_root string|nil: what a spawn used, compared with the registered root
-- @param dry_run boolean|nil: fetch and check, write nothing
-- @return result { result = "provisioned|unchanged|skipped|refused|failed|dry-run", code, keys, ... }
function M.run(ctx, tenant_id, jail_root, dry_run)
  local result, touch = run(ctx, tenant_id, jail_root, dry_run)
  if touch and not dry_run then
    local ok, e = remember(ctx, tenant_id, result)
    if not ok then
      result = M.result("failed", e)
    end
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

return M
