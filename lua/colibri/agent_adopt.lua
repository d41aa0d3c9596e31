-- agent_adopt.lua - agents of an earlier daemon: found, adopted, and put away.
--
-- What is true is in the state directory: a lock that is held is an agent that
-- runs. A row without one is lost, or has left its exit status; an agent
-- without a row (the database is older than it) is foreign, and gets a row.

local agent_spawn = require "colibri.agent_spawn"
local core_agent = require "core.agent"
local events = require "colibri.events"
local fs = require "core.fs"
local log = require "colibri.log"
local ready = require "colibri.agent_ready"
local restart = require "colibri.agent_restart"
local spawn_spec = require "colibri.spawn_spec"
local store = require "colibri.agent_store"
local sys = require "core.sys"
local task = require "core.task"

local M = {}

local live = store.live

local PRUNE_SECONDS = 60 -- between two looks at what may be removed
local FIND_SECONDS = 1 -- between two looks for an agent that may run
local FOREIGN = "unknown" -- provider of an agent that the database did not know

-- An agent whose shim cannot be talked to: wait until its lock is free.
local function watch_found(ctx, agent_id)
  local ended, e = core_agent.wait_found(store.dir(agent_id))
  local ok
  ok, e = restart.ended(ctx, agent_id, ended or { lost = true, why = e })
  if not ok then
    log.error("agent", "end not recorded", { agent = agent_id, code = e.code, error = e.message })
  end
end

-- Take an agent that runs. Its shim tells at once what it has kept for us.
local function take(ctx, agent_id, known)
  local handle, e = core_agent.attach { id = agent_id, dir = store.dir(agent_id) }
  known.handle, known.state, known.adopted = handle, "idle", true
  live[agent_id] = known
  if not handle then
    log.warn("agent", "an agent's shim does not answer; it is only watched", { agent = agent_id, error = e.message })
    task.spawn_detached("agent " .. agent_id, watch_found, ctx, agent_id)
  end
  log.info("agent", "agent adopted", { agent = agent_id, foreign = known.foreign })
  events.emit("agent", { agent_id = agent_id, status = "running", state = "idle",
    data = { adopted = true, foreign = known.foreign } })
end

-- A row whose agent does not run any more: its status, or that it is lost.
local function bury(ctx, agent_id, found)
  local ended = { lost = true }
  if found and found.found == "exited" then
    ended = found
  end
  return restart.ended(ctx, agent_id, ended)
end

-- One that was not ready yet may be now, or in a while.
local function watch_ready(ctx, row)
  local known = live[row.agent_id]
  known.ready = row.ready_at ~= nil
  if not known.ready and row.spec then
    local spawn = spawn_spec.of_row(row)
    if spawn.ready == "start" then
      ready.mark(ctx, row.agent_id, known)
    else
      ready.watch(ctx, spawn, known)
    end
  end
end

local adopt_row

-- The system could not tell (no descriptor is left, say): nothing is known of the agent,
-- so it must neither count as lost nor be started again.
local function adopt_later(ctx, row)
  local e
  repeat
    task.sleep(FIND_SECONDS)
    local _, why = core_agent.find(store.dir(row.agent_id))
    e = why and why.errno and why or nil
  until not e
  local ok
  ok, e = adopt_row(ctx, row)
  if not ok then
    log.error("agent", "agent not adopted", { agent = row.agent_id, code = e.code, error = e.message })
  end
end

function adopt_row(ctx, row)
  local found, e = core_agent.find(store.dir(row.agent_id))
  if e then
    log.error("agent", "agent not found again", { agent = row.agent_id, code = e.code, error = e.message })
  end
  if e and e.errno then
    task.spawn_detached("agent " .. row.agent_id, adopt_later, ctx, row)
    return true
  end
  if not (found and found.found == "alive") then
    return bury(ctx, row.agent_id, found)
  end
  take(ctx, row.agent_id, { run = row.run, foreign = row.provider == FOREIGN or nil })
  if found.pid then -- not one that is held: it will never run
    watch_ready(ctx, row)
  end
  if row.status ~= "starting" or not found.pid then
    return true
  end
  local ok
  ok, e = store.update(ctx, row.agent_id, { status = "running", pid = found.pid })
  if ok and row.spec then
    task.spawn_detached("agent " .. row.agent_id, agent_spawn.finish, ctx, row)
  end
  return ok, e
end

-- Names of the agents' directories.
local function directories()
  local root <close> = fs.open_trusted(sys.conf.state_dir .. "/agents")
  local names = root and root:list() or {}
  local out = {}
  for _, name in ipairs(names) do
    if name:find("^[%w_-]+$") and #name <= 64 then
      out[#out + 1] = name
    end
  end
  return out
end

-- An agent that runs and that the database does not know, or knows as ended.
local function adopt_foreign(ctx, agent_id, found)
  local ok, e = ctx.db:write(function(tx)
    return tx:exec([[INSERT INTO agents (agent_id, provider, model, session_id, backend, status, pid, started_at)
      VALUES (?1, ?2, ?2, ?2, 'none', 'running', ?3, ?4)
      ON CONFLICT (agent_id) DO UPDATE SET status = 'running', pid = excluded.pid, exit_code = NULL,
        exit_signal = NULL, ended_at = NULL]], agent_id, FOREIGN, found.pid, found.started_at or store.now())
  end)
  if ok then
    take(ctx, agent_id, { run = 1, foreign = true })
  end
  return ok, e
end

--- After a start: what became of the agents of an earlier daemon. Waits.
-- @return true | nil, err of the store
function M.adopt(ctx)
  local rows, e = ctx.db:all([[SELECT agent_id, provider, model, session_id, jail_name, jail_root_path, backend, run,
    restart, spec, status, ready_at FROM agents WHERE status IN ('starting', 'running')]])
  if not rows then
    return nil, e
  end
  local ok
  for _, row in ipairs(rows) do
    ok, e = adopt_row(ctx, row)
    if not ok then
      return nil, e
    end
  end
  for _, agent_id in ipairs(directories()) do
    local found = not live[agent_id] and core_agent.find(store.dir(agent_id))
    if found and found.found == "alive" then
      ok, e = adopt_foreign(ctx, agent_id, found)
      if not ok then
        return nil, e
      end
    end
  end
  return restart.resume(ctx)
end

--- What an agent that has ended used, with all its descendants, as its shim wrote it.
-- @return { user_usec, sys_usec, max_rss_kb, oom_killed } | nil when that is not known any more
function M.used(agent_id)
  local found = core_agent.find(store.dir(agent_id))
  if found and found.found == "exited" then
    return { user_usec = found.user_usec, sys_usec = found.sys_usec, max_rss_kb = found.max_rss_kb,
      oom_killed = found.oom_killed > 0 and found.oom_killed or nil }
  end
end

-- May the directory of this agent be removed, and when did the agent end?
local function ended_at(ctx, agent_id)
  if live[agent_id] then
    return nil
  end
  local row = ctx.db:one("SELECT status, ended_at FROM agents WHERE agent_id = ?", agent_id)
  if row and (row.status == "starting" or row.status == "running" or row.status == "waiting") then
    return nil
  end
  local found = core_agent.find(store.dir(agent_id))
  if not found or found.found == "alive" then
    return nil
  end
  return row and row.ended_at or found.ended_at or 0
end

--- Remove the directories of agents that have ended, beyond the number and the
-- age of the settings. Waits.
-- @return how many were removed
function M.prune(ctx)
  local old, removed = {}, 0
  for _, agent_id in ipairs(directories()) do
    local at = ended_at(ctx, agent_id)
    if at then
      old[#old + 1] = { id = agent_id, at = at }
    end
    task.sleep(0)
  end
  table.sort(old, function(a, b) return a.at > b.at or a.at == b.at and a.id < b.id end)
  local age = sys.conf.agents_keep_age
  for i, agent in ipairs(old) do
    -- Asked again: it may have been started anew meanwhile.
    if (i > sys.conf.agents_keep or (age > 0 and store.now() - agent.at > age)) and
      ended_at(ctx, agent.id) == agent.at then
      local ok, e = core_agent.remove(store.dir(agent.id))
      removed = removed + (ok and 1 or 0)
      if not ok then
        log.warn("agent", "directory not removed", { agent = agent.id, code = e.code, error = e.message })
      end
      task.sleep(0)
    end
  end
  return removed
end

--- The same, every now and then, for ever. One task of the daemon.
function M.keep_pruned(ctx)
  while true do
    local removed = M.prune(ctx)
    if removed > 0 then
      log.info("agent", "directories of ended agents removed", { agents = removed })
    end
    task.sleep(PRUNE_SECONDS)
  end
end

return M
