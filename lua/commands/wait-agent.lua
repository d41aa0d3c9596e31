local spawn = require "colibri.spawn_params"

return {
  api = 1,
  summary = "wait until an agent has ended for good, or is ready",
  access = "read",
  timeout = 86400,
  params = {
    { "agent_id", "name", positional = true, required = true, help = "the agent: its id or the beginning of it" },
    { "for", "enum", values = { "exit", "ready" }, default = "exit", help = "what to wait for" },
    { "timeout", "number", min = 0.1, max = 86000, metavar = "SECONDS", help = "wait no longer than this" },
  },
  columns = spawn.columns(),
  run = function(ctx, args)
    return ctx.agents:wait(args.agent_id, args["for"], args.timeout)
  end,
}
