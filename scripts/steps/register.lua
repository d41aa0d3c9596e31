-- Step 3 of the runbook: colibri register-tenant T ROOT T

local err = require "colibri.err"
local lib = require "colibri.proof"

return {
  api = 1,
  summary = "register the tenant",
  run = function(ctx, proof)
    local row, e = lib.request(ctx, proof, { cmd = "register-tenant", tenant_id = proof.tenant,
      jail_root_path = proof.jail_root, collection_id = proof.tenant })
    if not row then
      return nil, e
    end
    -- A tenant that was there before is not ours to delete.
    proof.registered = row.change == "created"
    if proof.registered and row.status ~= "provisioned" then
      return nil, err.new("WrongStatus", "a new tenant has status '%s', not 'provisioned'", tostring(row.status))
    end
    lib.note(ctx, "tenant %s: %s, status %s", row.tenant_id, row.change, row.status)
    return true
  end,
}
