-- policy/states: which event means which state.

local core_script = require "core.script"
local sandbox = require "colibri.sandbox"
local sys = require "core.sys"
local t = require "colibri.test"

local path = sys.conf.share_dir .. "/lua/policy/states.lua"
local states = core_script.call(core_script.load(path, "@policy/states.lua", sandbox.env()))

t.test("each known event decides the state, whatever it was", function()
  local want = {
    session = "idle", session_started = "idle", turn_start = "working", message_update = "working",
    tool_execution_start = "working", tool_execution_end = "working", queue_update = "blocked",
    turn_end = "done", error = "error",
  }
  for event, state in pairs(want) do
    for _, before in ipairs { "idle", "working", "blocked", "done", "error" } do
      t.eq(states.decide(before, event), state, event)
    end
  end
end)

t.test("unknown events change nothing", function()
  for _, event in ipairs { "", "usage", "agent_start", "agent_end", "tool_error", "my_session", "turn_start2",
    "tool_execution", "Error", ".", "%a" } do
    for _, before in ipairs { "idle", "working", "blocked", "done", "error" } do
      t.eq(states.decide(before, event), before, event)
    end
  end
end)

t.test("one turn of the test agent", function()
  local state, seen = "idle", {}
  for _, event in ipairs { "session", "agent_start", "turn_start", "tool_execution_start", "message_update",
    "queue_update", "turn_end", "usage", "agent_end" } do
    state = states.decide(state, event)
    seen[#seen + 1] = state
  end
  t.eq(seen, { "idle", "idle", "working", "working", "working", "blocked", "done", "done", "done" })
end)
