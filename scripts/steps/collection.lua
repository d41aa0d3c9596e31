-- Step 2 of the runbook: a collection named like the tenant, with one item.
--
-- The file vault's collection is a file and is made here; one in Vaultwarden is
-- made by its owner in the web vault, since `bw` has read access only.

local err = require "colibri.err"
local lib = require "colibri.proof"

-- Where the file vault of the daemon in question has its collections.
local function vault_dir(ctx, proof)
  if not proof.own_daemon then
    return proof.vault_dir or ctx.conf.vault_dir
  end
  local scratch, e = lib.scratch(ctx, proof)
  if not scratch then
    return nil, e
  end
  local ok
  ok, e = lib.mkdirs(ctx, scratch, { "vault" })
  if not ok then
    return nil, e
  end
  return scratch .. "/vault"
end

local function make_file(ctx, proof)
  local dir, e = vault_dir(ctx, proof)
  if not dir then
    return nil, e
  end
  proof.vault_dir = dir
  local name = proof.tenant .. ".env"
  local root <close>, why = ctx.fs.open_trusted(dir)
  if not root then
    return nil, why
  end
  if root:stat(name) then
    return nil, err.new("CollectionExists", "%s/%s is there already; prove with another --tenant", dir, name)
  end
  local written
  written, e = root:write_env(name, { [proof.key] = proof.value }, { mode = 0x180 }) -- 0600
  if not written then
    return nil, e
  end
  proof.made_collection = name
  lib.note(ctx, "collection %s/%s with the item %s", dir, name, proof.key)
  return true
end

return {
  api = 1,
  summary = "a collection in the vault, named like the tenant",
  run = function(ctx, proof)
    if proof.vault == "file" then
      return make_file(ctx, proof)
    end
    return "skip", ("yours to make in the web vault: collection '%s' with a login item '%s' whose password is a " ..
      "throwaway value; the bootstrap account must be able to read it"):format(proof.tenant, proof.key)
  end,
}
