-- An agent may be named by the beginning of its id, as a table on a terminal
-- shows it.
local scratch = require "colibri.scratch"
local t = require "colibri.test"

-- A command that puts rows of ended agents into the store.
local PLANT = [[
return {
  api = 1,
  summary = "rows of agents",
  access = "change",
  params = { { "ids", "list", required = true } },
  run = function(ctx, args)
    return ctx.db:write(function(tx)
      for _, id in ipairs(args.ids) do
        tx:exec("INSERT INTO agents (agent_id, provider, model, session_id, backend, status, started_at) " ..
          "VALUES (?, 'local', '/bin/true', 's', 'none', 'exited', 1)", id)
      end
      return #args.ids
    end)
  end,
}
]]

t.test("the beginning of an id stands for it", function()
  local d <close> = scratch.daemon { files = { ["site/commands/plant.lua"] = PLANT } }
  local one, two = "aaaa0000-0000-4000-8000-000000000001", "aaaa1111-0000-4000-8000-000000000002"
  t.eq(d:call("plant", { ids = { one, two } }), 2)
  t.eq(d:call("get-agent", { agent_id = one }).agent_id, one)
  t.eq(d:call("get-agent", { agent_id = "aaaa0" }).agent_id, one)
  t.eq(d:call("get-agent", { agent_id = two:sub(1, 35) }).agent_id, two)
  t.err("AgentAmbiguous", d:call("get-agent", { agent_id = "aaaa" }))
  t.err("AgentNotFound", d:call("get-agent", { agent_id = "aaa" })) -- too short
  t.err("AgentNotFound", d:call("get-agent", { agent_id = "____" })) -- no pattern
  t.err("AgentNotRunning", d:call("stop-agent", { agent_id = "aaaa1" }))
  t.err("AgentNotFound", d:call("stop-agent", { agent_id = "bbbb" }))
  t.eq(d:call("audit")[1].subject, "bbbb")
end)

t.test("a running one is stopped by it, its log shown", function()
  local d <close> = scratch.daemon()
  local id = d:call("spawn-agent", { provider = "local", model = "/bin/sleep", arg = { "600" } }).agent_id
  t.eq(d:call("logs", { agent_id = id:sub(1, 8) }).agent_id, id)
  t.eq(d:call("stop-agent", { agent_id = id:sub(1, 8), grace = 5 }).agent_id, id)
  t.eq(d:call("audit")[1].subject, id)
  local used = t.eventually(function() return d:call("get-agent", { agent_id = id }).used end) -- its shim is gone
  t.eq(d:call("get-agent", { agent_id = id:sub(1, 8) }).used, used, "what it used, too")
end)
