return {
  api = 1,
  summary = "show what happens as it happens",
  access = "read",
  stream = true,
  params = {
    { "agent", "name", metavar = "AGENT_ID", help = "only what is about this agent" },
  },
  run = function(ctx, args)
    return ctx.agents:watch(args.agent)
  end,
}
