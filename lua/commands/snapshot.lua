local json = require "core.json"

local ORDER = json.ordered { "host", "at", "counts", "usage", "panes" }
local PANE = json.ordered { "id", "agent", "state", "status", "attention", "stalled", "session_id", "jail_name", "model",
  "run", "pid", "started_at", "last_event", "last_event_at", "ready", "reason", "usage" }
local COUNTS = { "agents", "idle", "working", "blocked", "done", "error", "starting", "waiting", "stalled", "attention" }
local USAGE = { "input", "output", "cache_read", "cache_write", "cost_micros" }

-- What a pane shows for a state: an agent that does not run has its status there.
local function pane_of(row)
  local state = row.state or row.status
  local attention = state == "error" or state == "blocked" or state == "waiting" or row.stalled or false
  return setmetatable({ id = row.agent_id, agent = row.provider, state = state, status = row.status,
    attention = attention, stalled = row.stalled or false, session_id = row.session_id, jail_name = row.jail_name,
    model = row.model, run = row.run, pid = row.pid, started_at = row.started_at, last_event = row.last_event,
    last_event_at = row.last_event_at, ready = row.ready, reason = row.reason, usage = row.usage }, PANE)
end

local function zeros(names)
  local out = setmetatable({}, json.ordered(names))
  for _, name in ipairs(names) do
    out[name] = 0
  end
  return out
end

local function add(counts, name)
  if counts[name] then
    counts[name] = counts[name] + 1
  end
end

return {
  api = 1,
  summary = "all agents at a glance: a pane for each, and how many are in which state",
  access = "read",
  params = {
    { "state", "string", min = 1, max = 32, metavar = "STATE", help = "only panes in this state" },
    { "jail", "name", metavar = "NAME", help = "only agents of this jail" },
  },
  run = function(ctx, args)
    local rows, e = ctx.agents:list { jail = args.jail }
    if not rows then
      return nil, e
    end
    local counts, used, panes = zeros(COUNTS), zeros(USAGE), json.array {}
    for _, row in ipairs(rows) do
      local pane = pane_of(row)
      counts.agents = counts.agents + 1
      add(counts, pane.state)
      for _, flag in ipairs { "stalled", "attention" } do
        counts[flag] = counts[flag] + (pane[flag] and 1 or 0)
      end
      for _, name in ipairs(row.usage and USAGE or {}) do
        used[name] = used[name] + row.usage[name]
      end
      if not args.state or pane.state == args.state or pane.status == args.state or
        args.state == "stalled" and pane.stalled then
        panes[#panes + 1] = pane
      end
    end
    return setmetatable({ host = ctx.sys.hostname(), at = math.floor(ctx.clock.now()), counts = counts, usage = used,
      panes = panes }, ORDER)
  end,
}
