-- From an agent's event to its state: idle, working, blocked, done, error.
-- Events that are not named here, now or in the future, change nothing.

local STATES = {
  session = "idle",
  turn_start = "working",
  message_update = "working",
  queue_update = "blocked",
  turn_end = "done",
  error = "error",
}
local PREFIXES = {
  { "session", "idle" },
  { "tool_execution_", "working" },
}

return {
  api = 1,
  summary = "what an agent's events say about its state",
  decide = function(state, event_type)
    if STATES[event_type] then
      return STATES[event_type]
    end
    for _, rule in ipairs(PREFIXES) do
      if event_type:sub(1, #rule[1]) == rule[1] then
        return rule[2]
      end
    end
    return state
  end,
}
