-- ephemeral.lua - `--ephemeral`: a .env that goes when its agent has ended.
--
-- A row of table `ephemeral` stands from before the agent's start until the file
-- is gone, so that a daemon that was killed meanwhile knows of it. While another
-- agent is in the same jail, the file stays until that one has ended, too.

local audit = require "colibri.audit"
local log = require "colibri.log"
local provision = require "colibri.provision"
local task = require "core.task"
local unprovision = require "colibri.unprovision"

local M = {}

-- Statuses of agents that may still need the file.
local OPEN = "('starting', 'running', 'waiting')"

-- Is the file of this tenant to be removed now?
local function is_due(ctx, tenant_id)
  local row, e = ctx.db:one([[SELECT
    (SELECT count(*) FROM ephemeral WHERE tenant_id = ? AND written = 1) AS marks,
    (SELECT count(*) FROM agents WHERE jail_name = ? AND status IN ]] .. OPEN .. [[) AS open]], tenant_id, tenant_id)
  if not row then
    return nil, e
  end
  return row.marks > 0 and row.open == 0
end

-- Where its agents' files are: the tenant may have been moved or deleted since,
-- and then they are not where its row says. Another tenant's root is none of
-- ours, whatever a spawn named. True, or nil, err.
local function purge_roots(ctx, tenant_id)
  local rows, e = ctx.db:all([[SELECT DISTINCT a.jail_root_path AS jail_root_path FROM ephemeral e
    JOIN agents a ON a.agent_id = e.agent_id
    WHERE e.tenant_id = ? AND e.written = 1 AND a.jail_root_path IS NOT NULL
      AND rtrim(a.jail_root_path, '/') NOT IN (SELECT jail_root_path FROM tenants WHERE tenant_id <> ?)]], tenant_id,
    tenant_id)
  for _, row in ipairs(rows or {}) do
    if not e then
      e = select(2, unprovision.purge(ctx, row))
    end
  end
  return not e or nil, e
end

--- Remove a tenant's .env if it was ephemeral and no agent is left. Waits.
-- @return true | nil, err: it is tried again at the next end of an agent, and at the next start
function M.sweep(ctx, tenant_id)
  local _ <close> = provision.turn(tenant_id)
  local due, e = is_due(ctx, tenant_id)
  if due then
    local done
    done, e = unprovision.in_turn(ctx, tenant_id, false, audit.bind(ctx))
    if done or e.code == "TenantNotFound" then
      done, e = purge_roots(ctx, tenant_id)
    end
    if done then
      due, e = ctx.db:write(function(tx)
        return tx:exec("DELETE FROM ephemeral WHERE tenant_id = ? AND written = 1", tenant_id)
      end)
    end
  end
  if due == nil or e then
    log.warn("provision", "ephemeral env not removed", { tenant = tenant_id, code = e.code, error = e.message })
    return nil, e
  end
  return true
end

-- The spawn is over: what became of the file?
local function settled(ctx, spawn, provisioned)
  local result, code = provisioned.result, provisioned.code
  -- NoJail: nobody has said yet, the spawn was killed half-way.
  local written = result == "provisioned" or result == "unchanged" or code == "NoJail"
  local ok, e = ctx.db:write(function(tx)
    if written then
      return tx:exec("UPDATE ephemeral SET written = 1 WHERE agent_id = ?", spawn.agent_id)
    end
    return tx:exec("DELETE FROM ephemeral WHERE agent_id = ?", spawn.agent_id)
  end)
  if not ok then
    log.error("provision", "ephemeral not noted", { agent = spawn.agent_id, code = e.code, error = e.message })
  elseif written then
    M.sweep(ctx, spawn.jail_name) -- it may have ended already
  end
end

-- In a task of its own, as that of the spawn may be killed.
local guard_meta = { __close = function(guard)
  if guard.spawn then
    task.spawn_detached("ephemeral", settled, guard.ctx, guard.spawn, guard.event.provision)
  end
end }

--- Note it before anything is written. Waits for the commit.
-- @param spawn { agent_id, jail_name, ephemeral }
-- @param event of the spawn: its `provision` counts when the guard is closed
-- @return a guard to be closed when the spawn is over, however | nil, err
function M.begin(ctx, spawn, event)
  local guard = setmetatable({}, guard_meta)
  if not spawn.ephemeral then
    return guard
  end
  local ok, e = ctx.db:write(function(tx)
    return tx:exec("INSERT OR REPLACE INTO ephemeral (agent_id, tenant_id, written) VALUES (?, ?, 0)", spawn.agent_id,
      spawn.jail_name)
  end)
  if not ok then
    return nil, e
  end
  guard.ctx, guard.spawn, guard.event = ctx, spawn, event
  return guard
end

--- An agent has ended. Waits when its jail has an ephemeral .env.
function M.ended(ctx, agent_id)
  local row, e = ctx.db:one([[SELECT e.tenant_id FROM agents a JOIN ephemeral e ON e.tenant_id = a.jail_name
    WHERE a.agent_id = ? LIMIT 1]], agent_id)
  if row then
    return M.sweep(ctx, row.tenant_id)
  elseif e then
    log.error("provision", "ephemeral not looked up", { agent = agent_id, code = e.code, error = e.message })
  end
end

--- The same in a task of its own.
function M.ended_later(ctx, agent_id)
  task.spawn_detached("ephemeral", M.ended, ctx, agent_id)
end

--- After a start, when it is known which agents still run: what an earlier daemon
-- could not remove. Waits for the store, not for the removals.
-- @return true | nil, err
function M.resume(ctx)
  local ok, e = ctx.db:write(function(tx) return tx:exec("UPDATE ephemeral SET written = 1") end)
  local rows
  if ok then
    rows, e = ctx.db:all("SELECT DISTINCT tenant_id FROM ephemeral")
  end
  if not rows then
    return nil, e
  end
  for _, row in ipairs(rows) do
    task.spawn_detached("ephemeral", M.sweep, ctx, row.tenant_id)
  end
  return true
end

return M
