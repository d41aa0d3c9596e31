-- tenants.lua - tenants: one row, one jail, one collection, one name.

local checked = require "colibri.checked"
local clock = require "core.clock"
local drift = require "colibri.drift"
local env_record = require "colibri.env_record"
local err = require "colibri.err"
local json = require "core.json"
local policy = require "colibri.tenant_policy"
local provision = require "colibri.provision"
local refresh = require "colibri.refresh"
local task = require "core.task"
local unprovision = require "colibri.unprovision"

local M = {}

local Tenants = {}
Tenants.__index = Tenants

local COLUMNS = [[tenant_id, jail_root_path, collection_id, status, env_owner, created_at, updated_at,
  provisioned_at, last_result, last_error, policy, interval, on_change, signal]]
local CHECKS_AT_ONCE = 20

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
  elseif row and row.policy == "interval" then
    row.refresh_at = refresh.due_at(tenant_id)
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
    if row.policy == "interval" then
      row.refresh_at = refresh.due_at(row.tenant_id)
    end
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

-- Insert or compare inside the transaction. Returns "created", "updated" or
-- "unchanged" and the row, or nil, err.
local function upsert(tx, want, update)
  local created, e = tx:exec([[INSERT INTO tenants (tenant_id, jail_root_path, collection_id, status, env_owner,
    created_at, updated_at) VALUES (?, ?, ?, 'provisioned', ?, ?, ?) ON CONFLICT (tenant_id) DO NOTHING]],
    want.tenant_id, want.jail_root_path, want.collection_id, want.env_owner, want.at, want.at)
  if not created then
    return nil, e
  end
  local row
  row, e = select_one(tx, want.tenant_id)
  if not row or created == 1 then
    return row and "created", row or e
  end
  local same = row.jail_root_path == want.jail_root_path and row.collection_id == want.collection_id
  if same and (want.env_owner == nil or row.env_owner == want.env_owner) then
    return "unchanged", row
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
  if not ok then
    return nil, e
  end
  row, e = select_one(tx, want.tenant_id)
  return row and "updated", row or e
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
    local change, row = upsert(tx, want, args.update)
    if not change then
      return nil, row
    end
    local ok, why = audit:row(tx, change)
    if not ok then
      return nil, why
    end
    row.change = change
    return row
  end)
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
    env, e = unprovision.purge(self.ctx, row)
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
  refresh.notify()
  return setmetatable({ tenant_id = tenant_id, deleted = changes > 0, env = env },
    json.ordered { "tenant_id", "deleted", "env" })
end

--- Fetch a tenant's collection and write its .env; see provision.lua. Waits.
-- @param jail_root string|nil: what the spawn used; nil: the registered root
-- @param dry_run boolean|nil
-- @param agent_id string|nil: an agent that is just being spawned; then a tenant of policy manual is skipped, and
--   the agent is not told of changes
-- @return result table, never an error
function Tenants:provision(tenant_id, jail_root, dry_run, agent_id)
  return provision.run(self.ctx, tenant_id, { jail_root = jail_root, dry_run = dry_run, agent_id = agent_id })
end

--- When .env is written, and what happens on a change; see tenant_policy.lua. Waits for the commit.
-- @param args { tenant_id, policy?, interval?, on_change?, signal? }
-- @return row with `change` | nil, err(TenantNotFound, BadParameter)
function Tenants:set_policy(args)
  return policy.set(self.ctx, args)
end

--- The same for every tenant, in one session of the vault. Waits.
-- @param strict boolean|nil: when one has failed, an error that names all that have
-- @return list of result tables with tenant_id, by name | nil, err(ProvisionFailed, ...)
function Tenants:provision_all(dry_run, strict)
  local rows, e = self.ctx.db:all("SELECT tenant_id FROM tenants ORDER BY tenant_id")
  if not rows then
    return nil, e
  end
  local ids = {}
  for i, row in ipairs(rows) do
    ids[i] = row.tenant_id
  end
  local out, counts = provision.many(self.ctx, ids, { dry_run = dry_run })
  self.ctx.audit:subject(nil, counts)
  local failed = {}
  for _, result in ipairs(strict and out or {}) do
    if result.code ~= json.null then
      failed[#failed + 1] = ("%s (%s)"):format(result.tenant_id, result.code)
    end
  end
  if #failed > 0 then
    return nil, err.new("ProvisionFailed", "%d of %d tenants: %s", #failed, #ids, table.concat(failed, ", "))
  end
  return out
end

--- Remove a tenant's .env and set its row back to `provisioned`; when that is
-- done already, fine. Waits for the commit.
-- @return { tenant_id, result = "unprovisioned|unchanged|dry-run", env = "removed|absent|present", status } | nil,
--   err(TenantNotFound, TargetEscapesRoot, NotRegular, ...)
function Tenants:unprovision(tenant_id, dry_run)
  return unprovision.run(self.ctx, tenant_id, dry_run)
end

-- In the tenant's turn, as file and row do not fit while they are written.
-- A row | nil: it is gone | nil, err.
local function check_one(ctx, tenant_id)
  local _ <close> = provision.turn(tenant_id)
  local row, e = ctx.db:one([[SELECT tenant_id, jail_root_path, status, env_uid, env_gid FROM tenants
    WHERE tenant_id = ?]], tenant_id)
  if not row then
    return nil, e
  end
  return drift.check(ctx, row)
end

--- Does a tenant's .env, or everybody's, stand as it was written? See drift.lua.
-- @param tenant_id string|nil; all boolean|nil: one of the two
-- @param strict boolean|nil: drift is an error
-- @return row, or a list of rows with all | nil, err(TenantNotFound, Drifted, ...)
function Tenants:check(tenant_id, all, strict)
  if (tenant_id == nil) == not all then
    return nil, err.new("BadParameter", "name a tenant or say --all, one of the two")
  end
  local rows, e = self.ctx.db:all("SELECT tenant_id FROM tenants WHERE ? OR tenant_id = ? ORDER BY tenant_id",
    all or false, tenant_id)
  if not rows then
    return nil, e
  elseif not all and #rows == 0 then
    return nil, err.new("TenantNotFound", "no tenant '%s' is registered", tenant_id)
  end
  local out = json.array {}
  for i, row in ipairs(rows) do
    if i % CHECKS_AT_ONCE == 0 then
      task.sleep(0) -- others have their turn
    end
    out[#out + 1], e = check_one(self.ctx, row.tenant_id)
    if e then
      return nil, e
    end
  end
  local failure = strict and drift.failure(out)
  if failure then
    return nil, failure
  end
  return all and out or out[1]
end

checked.methods(Tenants, "tenants", { get = "string", list = "boolean?",
  register = "table(tenant_id jail_root_path collection_id env_owner update)", delete = "string boolean?",
  provision = "string string? boolean? string?", set_policy = "table(tenant_id policy interval on_change signal)",
  provision_all = "boolean? boolean?", unprovision = "string boolean?",
  check = "string? boolean? boolean?" })

return M
