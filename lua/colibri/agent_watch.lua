-- agent_watch.lua - what agents report, and agents of an earlier daemon.

local core_agent = require "core.agent"
local json = require "core.json"
local log = require "colibri.log"
local store = require "colibri.agent_store"
local task = require "core.task"

local M = {}

local live, now, record_end = store.live, store.now, store.record_end

-- A line of an agent's stdout that looks like an event.
local function take_event(gen, known, line)
  local event = json.decode(line)
  if type(event) ~= "table" or type(event.type) ~= "string" then
    return
  end
  known.last_event, known.last_event_at = event.type, now()
  local states = gen.policy.states
  if states then
    known.state = states.decide(known.state, event.type) or known.state
  end
end

--- The supervisor: takes what agents report, for ever. One task of the daemon.
-- @param gen function returning the current generation
function M.supervise(ctx, gen)
  while true do
    local report = core_agent.next_event()
    local known = live[report.id]
    if report.type == "event" then
      if known then
        take_event(gen(), known, report.line)
      end
    else
      local ok, e = record_end(ctx, report.id, { code = report.code, signal = report.signal,
        lost = report.type == "lost" })
      if not ok then
        log.error("agent", "end not recorded", { agent = report.id, code = e.code, error = e.message })
      end
    end
  end
end

-- An adopted agent reports to nobody: wait until its lock is free.
local function watch_adopted(ctx, agent_id)
  local ended, e = core_agent.wait_found(store.dir(agent_id))
  local ok
  ok, e = record_end(ctx, agent_id, ended or { lost = true, why = e })
  if not ok then
    log.error("agent", "end not recorded", { agent = agent_id, code = e.code, error = e.message })
  end
end

--- After a start: what became of the agents of an earlier daemon. Waits.
function M.adopt(ctx)
  local rows, e = ctx.db:all("SELECT agent_id FROM agents WHERE status IN ('starting', 'running')")
  if not rows then
    return nil, e
  end
  for _, row in ipairs(rows) do
    local found = core_agent.find(store.dir(row.agent_id))
    if found and found.found == "alive" then
      live[row.agent_id] = { state = "idle", adopted = true }
      task.spawn_detached("agent " .. row.agent_id, watch_adopted, ctx, row.agent_id)
      log.info("agent", "agent adopted", { agent = row.agent_id })
    else
      local ok
      local ended = found and found.found == "exited" and found or { lost = true }
      ok, e = record_end(ctx, row.agent_id, ended)
      if not ok then
        return nil, e
      end
    end
  end
  return true
end

return M
