-- unprovision.lua - take a tenant's .env away, by the guards that wrote it.

local clock = require "core.clock"
local env_record = require "colibri.env_record"
local json = require "core.json"
local log = require "colibri.log"
local provision = require "colibri.provision"
local refresh = require "colibri.refresh"

local M = {}

local ENV_FILE = ".env"
local RESULT = json.ordered { "tenant_id", "result", "env", "status" }

--- Remove the file, contained; or only look whether it is there.
-- @param row of the tenant
-- @return "removed" | "absent" | "present" | nil, err
function M.purge(ctx, row, dry_run)
  local root <close>, e = ctx.fs.open(ctx.conf.jail_root_base, row.jail_root_path)
  if not root then
    if e.code == "TargetMissing" then
      return "absent"
    end
    return nil, e
  end
  local there
  if dry_run then
    there, e = root:stat(ENV_FILE)
    if not there and e.code == "NotFound" then
      return "absent"
    end
    return there and "present", e
  end
  there, e = root:unlink(ENV_FILE)
  if there == nil then
    return nil, e
  end
  return there and "removed" or "absent"
end

-- The row, set back. Waits for the commit.
local function set_back(ctx, tenant_id, result, trail)
  return ctx.db:write(function(tx)
    local ok, e = env_record.forget(tx, tenant_id)
    if ok then
      ok, e = tx:exec([[UPDATE tenants SET status = 'provisioned', provisioned_at = NULL, last_result = ?,
        last_error = NULL, updated_at = ? WHERE tenant_id = ?]], result, math.floor(clock.now()), tenant_id)
    end
    if ok then
      ok, e = trail:row(tx, result)
    end
    return ok, e
  end)
end

--- The same as run() for who has the tenant's turn.
-- @param trail audit
function M.in_turn(ctx, tenant_id, dry_run, trail)
  local row, e = ctx.tenants:get(tenant_id)
  local env
  if row then
    env, e = M.purge(ctx, row, dry_run)
  end
  if not env then
    return nil, e
  end
  local result = dry_run and "dry-run" or (env == "removed" or row.status == "active") and "unprovisioned" or
    "unchanged"
  trail:subject(tenant_id, { env = env })
  if result == "unprovisioned" then
    local ok
    ok, e = set_back(ctx, tenant_id, result, trail)
    if not ok then
      return nil, e
    end
    log.info("provision", "tenant env removed", { tenant = tenant_id, env = env })
    refresh.notify()
  end
  return setmetatable({ tenant_id = tenant_id, result = result, env = env,
    status = dry_run and row.status or "provisioned" }, RESULT)
end

--- Remove a tenant's .env and set its row back to `provisioned`. Waits.
-- @return { tenant_id, result = "unprovisioned|unchanged|dry-run", env = "removed|absent|present", status } | nil,
--   err(TenantNotFound, TargetEscapesRoot, NotRegular, ...)
function M.run(ctx, tenant_id, dry_run)
  local _ <close> = provision.turn(tenant_id)
  if not (dry_run and ctx.dry_run) then
    return M.in_turn(ctx, tenant_id, dry_run, ctx.audit)
  end
  -- Nothing of this ctx writes, so the whole way can be gone, to its end.
  local before = ctx.tenants:get(tenant_id)
  local out, e = M.in_turn(ctx, tenant_id, false, ctx.audit)
  if out then
    out.result, out.env, out.status = "dry-run", out.env == "removed" and "present" or out.env, before.status
  end
  return out, e
end

return M
