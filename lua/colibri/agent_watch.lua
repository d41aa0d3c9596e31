-- agent_watch.lua - what agents report.

local core_agent = require "core.agent"
local events = require "colibri.events"
local json = require "core.json"
local log = require "colibri.log"
local ready = require "colibri.agent_ready"
local restart = require "colibri.agent_restart"
local script = require "core.script"
local store = require "colibri.agent_store"
local task = require "core.task"
local usage = require "colibri.agent_usage"

local M = {}

local live, ending, now = store.live, store.ending, store.now

local USAGE_SECONDS = 2 -- between two writes of what agents used

-- What an agent used goes into the store a little later, with what comes
-- until then.
local function keep_usage(ctx, id, known)
  task.sleep(USAGE_SECONDS)
  local used = known.usage
  known.usage = nil
  if live[id] ~= known or not used then
    return -- its end has taken it along
  end
  local ok, e = ctx.db:write(function(tx) return usage.store(tx, id, used) end)
  if not ok then
    log.error("agent", "usage not recorded yet", { agent = id, code = e.code, error = e.message })
    known.usage = usage.add(known.usage, used)
    return keep_usage(ctx, id, known)
  end
end

-- Lines that look like events and never became any: `dropped` by the shim (too
-- long, or we were slow or away), `malformed` (no JSON, no UTF-8). All are in the log.
local function lost_events(id, known, why, n)
  local field = "events_" .. why
  if not known[field] then
    log.warn("agent", "events of an agent are lost; they are in its log", { agent = id, why = why })
  end
  known[field] = (known[field] or 0) + n
  events.emit("agent", { agent_id = id, status = "running", state = known.state, data = { [why] = n } })
end

local DECIDE_SECONDS = 1 -- for a site's policy, which must not hold up the others

-- The state behind an event. A site's policy may raise and loop: it gets a task of its own.
local function state_after(gen, known, event)
  local states = gen.policy.states
  if not states then
    return known.state
  elseif not gen.site["policy/states"] then
    return states.decide(known.state, event.type) or known.state
  end
  local state, e = task.timeout(DECIDE_SECONDS, states.decide, known.state, event.type)
  if e and not known.policy_failed then
    known.policy_failed = true
    log.warn("agent", "policy/states failed; the state stays", { code = e.code, error = e.message })
  end
  return type(state) == "string" and state or known.state
end

-- A line of an agent's stdout that looks like an event.
local function take_event(ctx, gen, id, line)
  local known = live[id]
  local event = json.decode(line)
  if event == nil then
    lost_events(id, known, "malformed", 1)
  end
  if type(event) ~= "table" or type(event.type) ~= "string" then
    return
  end
  if event.type ~= "colibri_ready" then -- the shim's own: descriptor 3
    known.last_event, known.last_event_at = event.type, now()
  end
  if event.type == "usage" then
    if not known.usage then
      task.spawn_detached("usage " .. id, keep_usage, ctx, id, known)
    end
    known.usage = usage.add(known.usage, event)
  end
  ready.take_event(known, event)
  local before = known.state
  known.state = state_after(gen, known, event)
  if known.state ~= before and live[id] == known then
    events.emit("agent", { agent_id = id, status = "running", state = known.state })
  end
  events.emit("output", { agent_id = id, data = event })
end

-- The end of a run, as its shim reports it.
local function take_end(ctx, report)
  local id, known = report.id, live[report.id]
  if (report.log_lost or 0) > 0 then
    log.warn("agent", "some of what an agent wrote could not be kept in its log", { agent = id, bytes = report.log_lost })
  end
  if ending[id] then
    ending[id] = nil -- we know already
    store.changed(id)
  elseif known and known.starting then
    known.gone = true -- the spawn sees it, too, and gives up
  else
    local ok, e = restart.ended(ctx, id, { code = report.code, signal = report.signal, lost = report.type == "lost",
      oom_killed = report.oom_killed })
    if not ok then
      log.error("agent", "end not recorded", { agent = id, code = e.code, error = e.message })
    end
  end
end

local function take(ctx, gen, report)
  if report.dropped and live[report.id] then
    lost_events(report.id, live[report.id], "dropped", report.dropped)
  end
  if report.type ~= "event" then
    take_end(ctx, report)
  elseif live[report.id] then
    take_event(ctx, gen(), report.id, report.line)
  end
end

--- The supervisor: takes what agents report, for ever. One task of the daemon.
-- @param gen function returning the current generation
function M.supervise(ctx, gen)
  while true do
    local report = core_agent.next_event()
    local ok, e = xpcall(take, script.traceback, ctx, gen, report)
    if not ok then -- one agent's report; the others' go on
      log.error("agent", "a report was not taken", { agent = report.id, error = tostring(e) })
    end
  end
end

return M
