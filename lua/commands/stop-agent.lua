return {
  api = 1,
  summary = "stop an agent and everything it started",
  access = "change",
  aliases = { "stop" },
  timeout = 120,
  params = {
    { "agent_id", "name", positional = true, required = true, help = "the agent" },
    { "grace", "number", min = 0, max = 60, metavar = "SECONDS", help = "time between TERM and KILL; default 5" },
  },
  run = function(ctx, args)
    return ctx.agents:stop(args.agent_id, args.grace)
  end,
}
