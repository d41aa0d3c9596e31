-- tenants.lua - tenants: one row, one jail, one collection, one name.

local clock = require "core.clock"
local env_record = require "colibri.env_record"
local err = require "colibri.err"
local json = require "core.json"
local provision = require "colibri.provision"

local M = {}

local Tenants = {}
Tenants.__index = Tenants

local COLUMNS = [[tenant_id, jail_root_path, collection_id, status, env_owner, created_at, updated_at,
  provisioned_at, last_result, last_error]]

--- The tenants as a request may see and change them: `ctx.tenants`.
function M.bind(ctx)
  return setmetatable({ ctx = ctx }, Tenants)
end

local function now()
  return math.floor(clock.now())
end

local function select_one(from, tenant_id)
  return from:one("SELECT " .. COLUMNS .. " FROM tenants WHERE tenant_id = ?", tenant_id)
end

--- One tenant.
-- @return row | nil, err(TenantNotFound)
function Tenants:get(tenant_id)
  local row, e = select_one(self.ctx.db, tenant_id)
  if not row and not e then
    e = err.new("TenantNotFound", "no tenant '%s' is registered", tenant_id)
  end
  return row, e
end

--- All tenants by name. Rows whose jail root is gone are left out, or shown
-- with status "orphaned" when all is true.
-- @return list of rows | nil, err
function Tenants:list(all)
  local ctx = self.ctx
  local rows, e = ctx.db:all("SELECT " .. COLUMNS .. " FROM tenants ORDER BY tenant_id")
  if not rows then
    return nil, e
  end
  local out = json.array {}
  for _, row in ipairs(rows) do
    local there = ctx.fs.contain(ctx.conf.jail_root_base, row.jail_root_path)
    if not there then
      row.status = "orphaned"
    end
    if there or all then
      out[#out + 1] = row
    end
  end
  return out
end

-- Insert or compare inside the transaction. Returns "created", "updated",
-- "unchanged", or nil, err.
local function upsert(tx, want, update)
  local row, e = select_one(tx, want.tenant_id)
  if e then
    return nil, e
  end
  if not row then
    local ok
    ok, e = tx:exec([[INSERT INTO tenants (tenant_id, jail_root_path, collection_id, status, env_owner, created_at,
      updated_at) VALUES (?, ?, ?, 'provisioned', ?, ?, ?)]], want.tenant_id, want.jail_root_path,
      want.collection_id, want.env_owner, want.at, want.at)
    return ok and "created", e
  end
  local same = row.jail_root_path == want.jail_root_path and row.collection_id == want.collection_id
  if same and (want.env_owner == nil or row.env_owner == want.env_owner) then
    return "unchanged"
  end
  if not update then
    return nil, err.new("TenantExists",
      "tenant '%s' is registered with root %s and collection '%s'; --update replaces that", want.tenant_id,
      row.jail_root_path, row.collection_id)
  end
  local ok
  ok, e = tx:exec([[UPDATE tenants SET jail_root_path = ?, collection_id = ?, env_owner = coalesce(?, env_owner),
    status = CASE WHEN ? THEN status ELSE 'provisioned' END, updated_at = ? WHERE tenant_id = ?]],
    want.jail_root_path, want.collection_id, want.env_owner, same, want.at, want.tenant_id)
  if ok and not same then
    ok, e = env_record.forget(tx, want.tenant_id)
  end
  return ok and "updated", e
end

--- Register a tenant. Waits for the commit.
-- @param args { tenant_id, jail_root_path, collection_id, env_owner?, update? }
-- @return row with `change` | nil, err(TargetMissing, TargetEscapesRoot, TenantExists)
function Tenants:register(args)
  local root = provision.normal_root(args.jail_root_path)
  local there, e = self.ctx.fs.contain(self.ctx.conf.jail_root_base, root)
  if not there then
    return nil, e
  end
  if args.env_owner then
    local ok, why = provision.check_owner(args.env_owner)
    if not ok then
      return nil, why
    end
  end
  local want = { tenant_id = args.tenant_id, jail_root_path = root, collection_id = args.collection_id,
    env_owner = args.env_owner, at = now() }
  local audit = self.ctx.audit
  audit:subject(args.tenant_id)
  local _ <close> = provision.turn(args.tenant_id)
  return self.ctx.db:write(function(tx)
    local change, why = upsert(tx, want, args.update)
    if not change then
      return nil, why
    end
    local ok, row
    ok, why = audit:row(tx, change)
    if ok then
      row, why = select_one(tx, want.tenant_id)
    end
    if not row then
      return nil, why
    end
    row.change = change
    return row
  end)
end

-- Remove the tenant's .env, contained. "removed", "absent", or nil, err.
local function purge_env(ctx, row)
  local root <close>, e = ctx.fs.open(ctx.conf.jail_root_base, row.jail_root_path)
  if not root then
    if e.code == "TargetMissing" then
      return "absent"
    end
    return nil, e
  end
  local removed
  removed, e = root:unlink(".env")
  if removed == nil then
    return nil, e
  end
  return removed and "removed" or "absent"
end

--- Delete a tenant; one that is not there is fine. Waits for the commit.
-- @return { tenant_id, deleted, env = "kept|removed|absent" } | nil, err
function Tenants:delete(tenant_id, purge)
  local _ <close> = provision.turn(tenant_id)
  local row, e = select_one(self.ctx.db, tenant_id)
  if e then
    return nil, e
  end
  local env = "kept"
  if row and purge then
    env, e = purge_env(self.ctx, row)
    if not env then
      return nil, e
    end
  end
  self.ctx.audit:subject(tenant_id, { env = env })
  local changes
  changes, e = self.ctx.db:write(function(tx)
    local ok, why = env_record.forget(tx, tenant_id)
    local n
    if ok then
      n, why = tx:exec("DELETE FROM tenants WHERE tenant_id = ?", tenant_id)
    end
    if not n then
      return nil, why
    end
    ok, why = self.ctx.audit:row(tx, n > 0 and "deleted" or "absent")
    return ok and n, why
  end)
  if not changes then
    return nil, e
  end
  return setmetatable({ tenant_id = tenant_id, deleted = changes > 0, env = env },
    json.ordered { "tenant_id", "deleted", "env" })
end

--- Fetch a tenant's collection and write its .env; see provision.lua. Waits.
-- @param jail_root string|nil: what the spawn used; nil: the registered root
-- @param dry_run boolean|nil
-- @return result table, never an error
function Tenants:provision(tenant_id, jail_root, dry_run)
  return provision.run(self.ctx, tenant_id, jail_root, dry_run)
end

return M
