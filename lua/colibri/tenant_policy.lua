-- tenant_policy.lua - when a tenant's .env is written, and what its agents get
-- to know of a change: the row's policy, interval, on_change and signal.

local clock = require "core.clock"
local err = require "colibri.err"
local refresh = require "colibri.refresh"

local M = {}

M.POLICIES = { "on-spawn", "interval", "manual" }
M.ACTIONS = { "none", "signal", "restart", "hook" }

local function bad(fmt, ...)
  return nil, err.new("BadParameter", fmt, ...)
end

-- Do the parameters fit each other?
local function check(args)
  if not args.policy and not args.on_change then
    return bad "give a policy, or --on-change"
  elseif args.policy == "interval" and not args.interval then
    return bad "policy interval needs its seconds: interval 3600"
  elseif args.interval and args.policy ~= "interval" then
    return bad("policy %s takes no seconds", args.policy)
  elseif args.on_change == "signal" and not args.signal then
    return bad "--on-change signal needs --signal"
  elseif args.signal and args.on_change ~= "signal" then
    return bad("--on-change %s takes no --signal", args.on_change)
  end
  return true
end

--- Set the policy, the action on a change, or both. Waits for the commit.
-- @param args { tenant_id, policy?, interval?, on_change?, signal? }
-- @return the tenant's row with change = "updated|unchanged" | nil, err(TenantNotFound, BadParameter)
function M.set(ctx, args)
  local ok, e = check(args)
  if not ok then
    return nil, e
  end
  local row
  row, e = ctx.tenants:get(args.tenant_id)
  if not row then
    return nil, e
  end
  ctx.audit:subject(args.tenant_id, { policy = args.policy, interval = args.interval, on_change = args.on_change,
    signal = args.signal })
  local want = { policy = row.policy, interval = row.interval, on_change = row.on_change, signal = row.signal }
  if args.policy then
    want.policy, want.interval = args.policy, args.interval
  end
  if args.on_change then
    want.on_change, want.signal = args.on_change, args.signal
  end
  local same = true
  for _, name in ipairs { "policy", "interval", "on_change", "signal" } do
    same = same and want[name] == row[name]
    row[name] = want[name]
  end
  row.change = same and "unchanged" or "updated"
  if same then
    return row
  end
  row.updated_at = math.floor(clock.now())
  local done
  done, e = ctx.db:write(function(tx)
    return tx:exec([[UPDATE tenants SET policy = ?, interval = ?, on_change = ?, signal = ?, updated_at = ?
      WHERE tenant_id = ?]], want.policy, want.interval, want.on_change, want.signal, row.updated_at, args.tenant_id)
  end)
  if not done then
    return nil, e
  end
  refresh.notify()
  return row
end

return M
