-- env_record.lua - what was last written into a tenant's .env: for each key a
-- keyed fingerprint of its value, and the owner. No value comes in here.

local core_fingerprint = require "core.fingerprint"
local json = require "core.json"
local sys = require "core.sys"

local M = {}

local FILE = "fingerprint.key"

local shared_key

local function key()
  if not shared_key then
    local e
    shared_key, e = core_fingerprint.key(sys.conf.state_dir, FILE)
    if not shared_key then
      return nil, e
    end
  end
  return shared_key
end

--- Is there a key to make fingerprints with? It is made if there is none.
-- @return true | nil, err(KeyDamaged, NotTrusted, ...)
function M.usable()
  local hash, e = key()
  return hash and true, e
end

--- Fingerprints of values.
-- @param list { { key, value = secret or string }, ... }
-- @return { KEY = hex digits } | nil, err(KeyDamaged, NotTrusted, ...)
function M.prints(tenant_id, list)
  local hash, e = key()
  if not hash then
    return nil, e
  end
  local out = {}
  for _, pair in ipairs(list) do
    out[pair.key] = hash:of(tenant_id, pair.key, pair.value)
  end
  return out
end

--- Fingerprints of the .env that stands below an open root; it may be hostile.
-- @return { KEY = hex digits }, boolean: is it byte for byte what we write for them? | nil, err as root:read_env()
function M.prints_of_file(tenant_id, root, name)
  local hash, e = key()
  if not hash then
    return nil, e
  elseif type(root) == "userdata" then
    return hash:env(root, name, tenant_id)
  end
  local list -- a test's stand-in for a root
  list, e = root:read_env(name)
  if not list then
    return nil, e
  end
  local prints
  prints, e = M.prints(tenant_id, list)
  return prints, prints and true or e
end

--- Fingerprints that were stored by the last write.
-- @return { KEY = hex digits }; empty when nothing was stored | nil, err
function M.stored(db, tenant_id)
  local rows, e = db:all("SELECT key, print FROM env_keys WHERE tenant_id = ?", tenant_id)
  if not rows then
    return nil, e
  end
  local out = {}
  for _, row in ipairs(rows) do
    out[row.key] = row.print
  end
  return out
end

--- How the keys differ.
-- @return { added, removed, changed }: sorted lists of names; boolean: is there any?
function M.diff(old, new)
  local out = { added = json.array {}, removed = json.array {}, changed = json.array {} }
  for name, print in pairs(new) do
    if not old[name] then
      table.insert(out.added, name)
    elseif old[name] ~= print then
      table.insert(out.changed, name)
    end
  end
  for name in pairs(old) do
    if not new[name] then
      table.insert(out.removed, name)
    end
  end
  for _, list in pairs(out) do
    table.sort(list)
  end
  return out, #out.added + #out.removed + #out.changed > 0
end

--- Nothing is written any more, inside a transaction.
-- @return true | nil, err
function M.forget(tx, tenant_id)
  local ok, e = tx:exec("DELETE FROM env_keys WHERE tenant_id = ?", tenant_id)
  if ok then
    ok, e = tx:exec("UPDATE tenants SET env_uid = NULL, env_gid = NULL WHERE tenant_id = ?", tenant_id)
  end
  return ok and true, e
end

--- What was written, inside a transaction; replaces what is stored.
-- @param prints { KEY = hex digits }
-- @param owner { uid, gid }
-- @return true | nil, err
function M.store(tx, tenant_id, prints, owner)
  local ok, e = tx:exec("DELETE FROM env_keys WHERE tenant_id = ?", tenant_id)
  for name, print in pairs(prints) do
    if ok then
      ok, e = tx:exec("INSERT INTO env_keys (tenant_id, key, print) VALUES (?, ?, ?)", tenant_id, name, print)
    end
  end
  if ok then
    ok, e = tx:exec("UPDATE tenants SET env_uid = ?, env_gid = ? WHERE tenant_id = ?", owner.uid, owner.gid, tenant_id)
  end
  return ok and true, e
end

return M
