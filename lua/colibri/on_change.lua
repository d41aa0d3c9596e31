-- on_change.lua - what a tenant's running agents get to know when the values in
-- their .env have become others: the row's on_change.

local agent_signal = require "colibri.agent_signal"
local err = require "colibri.err"
local hooks = require "colibri.hooks"
local json = require "core.json"
local log = require "colibri.log"

local M = {}

local ROUNDS_MAX = 3 -- of one tenant's action, when changes come while it is done
local RESULT = json.ordered { "action", "agents", "failed", "code", "message" }

-- Ids of the agents that run in the tenant's jail, but for the one that is just
-- being spawned: it has not read the old values.
local function running(ctx, tenant_id, except)
  local rows, e = ctx.db:all("SELECT agent_id FROM agents WHERE jail_name = ? AND status = 'running' ORDER BY agent_id",
    tenant_id)
  if not rows then
    return nil, e
  end
  local out = json.array {}
  for _, row in ipairs(rows) do
    if row.agent_id ~= except then
      out[#out + 1] = row.agent_id
    end
  end
  return out
end

-- Each action: function(ctx, row, agents, diff) -> how many failed, the last err.
local actions = {}

function actions.signal(_, row, agents)
  local failed, last = 0, nil
  for _, agent_id in ipairs(agents) do
    local ok, e = agent_signal.send(agent_id, row.signal)
    if not ok then
      failed, last = failed + 1, e
    end
  end
  return failed, last
end

-- One after the other, so that not all are away at the same time.
function actions.restart(ctx, _, agents)
  local failed, last = 0, nil
  for _, agent_id in ipairs(agents) do
    local ok, e = ctx.agents:restart(agent_id)
    if not ok then
      failed, last = failed + 1, e
    end
  end
  return failed, last
end

function actions.hook(ctx, row, agents, diff)
  local ok, e = hooks.run(ctx.gen, "env_changed", ctx, { tenant_id = row.tenant_id, jail_root = row.jail_root_path,
    added = diff.added, removed = diff.removed, changed = diff.changed, agents = agents })
  return ok and 0 or 1, e
end

-- The action, done once. Returns its result.
local function once(ctx, row, diff, except)
  local failed
  local agents, e = running(ctx, row.tenant_id, except)
  if agents then
    failed, e = actions[row.on_change](ctx, row, agents, diff)
  end
  local out = { action = row.on_change, agents = agents and #agents or 0, failed = agents and failed or 1 }
  if out.failed > 0 then
    e = err.is(e) and e or err.new("ScriptError", "%s", tostring(e))
    out.code, out.message = e.code, e.message
  end
  log[out.failed > 0 and "warn" or "info"]("provision", "agents told of changed env", { tenant = row.tenant_id,
    action = out.action, agents = out.agents, failed = out.failed, code = out.code, error = out.message })
  return setmetatable(out, RESULT)
end

-- tenant_id -> { later = { row, diff } }: its action is under way. A restart
-- provisions again, and with a vault that gives other values at each fetch there
-- would be no end; so a spawn's change counts for nobody then. Another change
-- is done afterwards.
local acting = {}
local acting_meta = { __close = function(guard) acting[guard.tenant_id] = nil end }

--- Do what the tenant's row asks for. Waits as the action does.
-- @param ctx table: of the request, or of the daemon's own
-- @param row of the tenant
-- @param diff { added, removed, changed }: names of keys
-- @param except agent_id|nil: of the spawn that brought the change; left alone
-- @return { action, agents = how many, failed, code?, message? } | nil: there is none, or one is under way
function M.act(ctx, row, diff, except)
  local id = row.tenant_id
  if not actions[row.on_change] then
    return nil
  elseif acting[id] then
    if not except then
      acting[id].later = { row, diff }
    end
    return nil
  end
  local state = {}
  acting[id] = state
  local _ <close> = setmetatable({ tenant_id = id }, acting_meta)
  local out = once(ctx, row, diff, except)
  for _ = 2, ROUNDS_MAX do
    local later = state.later
    state.later = nil
    if not later or not actions[later[1].on_change] then
      break
    end
    out = once(ctx, later[1], later[2])
  end
  return out
end

return M
