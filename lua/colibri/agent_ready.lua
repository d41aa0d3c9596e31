-- agent_ready.lua - when does an agent that runs count as ready?
--
--	start		at once
--	event:TYPE	with the first JSON line of this type that it prints
--	fd		with the first line that it writes to descriptor 3
--	probe		when the provider's function `ready` says so

local err = require "colibri.err"
local log = require "colibri.log"
local store = require "colibri.agent_store"
local task = require "core.task"

local M = {}

local PROBE_FIRST, PROBE_MOST = 0.1, 5 -- seconds between two probes, doubled up to
local PROBE_SECONDS = 30 -- that one may take

--- Is this a way to be ready?
function M.is_rule(rule)
  return rule == "start" or rule == "fd" or rule == "probe" or rule:find("^event:[%w_.-]+$") ~= nil
end

--- This run is ready. Does not wait: the row follows.
function M.mark(ctx, agent_id, known)
  if known.ready then
    return
  end
  known.ready = true
  task.spawn_detached("ready " .. agent_id, function()
    local at = store.now()
    local ok, e = ctx.db:write(function(tx)
      return tx:exec("UPDATE agents SET ready_at = ? WHERE agent_id = ? AND run = ?", at, agent_id, known.run)
    end)
    if not ok then
      log.error("agent", "readiness not recorded", { agent = agent_id, code = e.code, error = e.message })
    end
    store.changed(agent_id)
  end)
end

-- Ask the provider again and again while this run lives.
local function probe(ctx, spawn, known)
  local provider = ctx.gen.providers[spawn.provider]
  local pause = PROBE_FIRST
  local agent = { agent_id = spawn.agent_id, run = spawn.run, session_id = spawn.session_id, model = spawn.model,
    jail_name = spawn.jail_name, jail_root = spawn.jail_root }
  while store.live[spawn.agent_id] == known do
    -- A task of its own has the budgets that scripts have in a request.
    local is_ready, e = task.timeout(PROBE_SECONDS, provider.ready, ctx, agent)
    if is_ready then
      return M.mark(ctx, spawn.agent_id, known)
    elseif err.is(e) then
      log.warn("agent", "the provider's probe failed", { agent = spawn.agent_id, code = e.code, error = e.message })
    end
    task.sleep(pause)
    pause = math.min(pause * 2, PROBE_MOST)
  end
end

--- Begin to watch for the readiness of a run that has just started.
function M.watch(ctx, spawn, known)
  if not known then
    return -- it has ended already
  end
  local rule = spawn.ready
  known.ready_event = rule == "fd" and "colibri_ready" or rule:match("^event:(.+)$")
  known.mark_ready = function() M.mark(ctx, spawn.agent_id, known) end
  if rule == "start" then
    known.ready = true -- the spawn's own write has the time
  elseif rule == "probe" then
    task.spawn_detached("probe " .. spawn.agent_id, probe, ctx, spawn, known)
  end
end

--- An event of the agent: is it the one?
function M.take_event(known, event)
  if not known.ready and known.ready_event and event.type == known.ready_event then
    known.mark_ready()
  end
end

return M
