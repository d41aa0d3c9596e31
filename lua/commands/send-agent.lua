return {
  api = 1,
  summary = "send a prompt to an agent that takes them on its stdin",
  access = "change",
  params = {
    { "agent_id", "name", positional = true, required = true, help = "the agent: its id or the beginning of it" },
    { "text", "string", positional = true, required = true, min = 1, max = 262144, stdin = true,
      help = "the prompt; - reads it from standard input" },
  },
  run = function(ctx, args)
    return ctx.agents:send(args.agent_id, args.text)
  end,
}
