-- store.lua - the database: schema and migrations.
--
-- Each migration runs in one transaction that also sets PRAGMA user_version; a
-- schema newer than ours is refused.

local core_db = require "core.db"
local err = require "colibri.err"
local log = require "colibri.log"

local M = {}

-- CHECK (a = 'x' OR a = 'y' OR ...): for IN with more than two values SQLite opens a
-- temporary table in each statement, which costs more than the rest of it.
local MIGRATIONS = {
  [[
CREATE TABLE tenants (
  tenant_id TEXT PRIMARY KEY,
  jail_root_path TEXT NOT NULL,
  collection_id TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('provisioned', 'active')),
  env_owner TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  provisioned_at INTEGER,
  last_result TEXT,
  last_error TEXT
) STRICT;
CREATE TABLE agents (
  agent_id TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  session_id TEXT NOT NULL,
  jail_name TEXT,
  jail_root_path TEXT,
  backend TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('starting', 'running', 'exited', 'failed', 'lost')),
  pid INTEGER,
  exit_code INTEGER,
  exit_signal INTEGER,
  provision_result TEXT,
  provision_code TEXT,
  started_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT;
CREATE INDEX agents_by_status ON agents (status);
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  request INTEGER NOT NULL,
  command TEXT NOT NULL,
  subject TEXT,
  result TEXT NOT NULL,
  detail TEXT
) STRICT;
]],
  -- what was last written into each .env: env_record.lua
  [[
ALTER TABLE tenants ADD COLUMN env_uid INTEGER;
ALTER TABLE tenants ADD COLUMN env_gid INTEGER;
CREATE TABLE env_keys (
  tenant_id TEXT NOT NULL,
  key TEXT NOT NULL,
  print TEXT NOT NULL,
  PRIMARY KEY (tenant_id, key)
) STRICT, WITHOUT ROWID;
]],
  -- when a tenant's .env is written, and what follows: tenant_policy.lua
  [[
ALTER TABLE tenants ADD COLUMN policy TEXT NOT NULL DEFAULT 'on-spawn'
  CHECK (policy = 'on-spawn' OR policy = 'interval' OR policy = 'manual');
ALTER TABLE tenants ADD COLUMN interval INTEGER CHECK (interval > 0);
ALTER TABLE tenants ADD COLUMN on_change TEXT NOT NULL DEFAULT 'none'
  CHECK (on_change = 'none' OR on_change = 'signal' OR on_change = 'restart' OR on_change = 'hook');
ALTER TABLE tenants ADD COLUMN signal TEXT;
]],
  -- supervision: the runs of an agent, and what a restart needs
  [[
CREATE TABLE agents_new (
  agent_id TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  session_id TEXT NOT NULL,
  jail_name TEXT,
  jail_root_path TEXT,
  backend TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status = 'starting' OR status = 'running' OR status = 'waiting' OR status = 'exited'
    OR status = 'failed' OR status = 'lost'),
  pid INTEGER,
  exit_code INTEGER,
  exit_signal INTEGER,
  provision_result TEXT,
  provision_code TEXT,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  spec TEXT,
  run INTEGER NOT NULL DEFAULT 1,
  restart TEXT NOT NULL DEFAULT 'never',
  restarts INTEGER NOT NULL DEFAULT 0,
  restart_at INTEGER,
  restart_memory TEXT,
  stop_run INTEGER,
  ready_at INTEGER,
  reason TEXT,
  usage_input INTEGER NOT NULL DEFAULT 0,
  usage_output INTEGER NOT NULL DEFAULT 0,
  usage_cache_read INTEGER NOT NULL DEFAULT 0,
  usage_cache_write INTEGER NOT NULL DEFAULT 0,
  usage_cost_micros INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO agents_new (agent_id, provider, model, session_id, jail_name, jail_root_path, backend, status, pid,
  exit_code, exit_signal, provision_result, provision_code, started_at, ended_at)
  SELECT agent_id, provider, model, session_id, jail_name, jail_root_path, backend, status, pid,
  exit_code, exit_signal, provision_result, provision_code, started_at, ended_at FROM agents;
DROP TABLE agents;
ALTER TABLE agents_new RENAME TO agents;
CREATE INDEX agents_by_status ON agents (status);
]],
  -- what is to be removed when an agent has ended: ephemeral.lua
  [[
CREATE TABLE ephemeral (
  agent_id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  written INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
]],
}

--- Open the database and bring its schema up to date.
-- @param path string: absolute, or ":memory:"
-- @return db | nil, err(StoreOpenFailed, StoreReadOnly, StoreCorrupt, StoreNewer, ...)
function M.open(path)
  local db, e = core_db.open(path)
  if not db then
    return nil, e
  end
  local version
  version, e = db:version()
  if not version then
    return nil, e
  end
  if version > #MIGRATIONS then
    db:close()
    return nil, err.new("StoreNewer", "%s has schema %d, this program knows up to %d; use the newer program",
      path, version, #MIGRATIONS)
  end
  for to = version + 1, #MIGRATIONS do
    local ok
    ok, e = db:migrate(to, MIGRATIONS[to])
    if not ok then
      db:close()
      return nil, e
    end
    log.info("store", "schema migrated", { to = to })
  end
  return db
end

return M
