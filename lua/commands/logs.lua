return {
  api = 1,
  summary = "show what an agent wrote",
  access = "read",
  stream = true,
  params = {
    { "agent_id", "name", positional = true, required = true, help = "the agent: its id or the beginning of it" },
    { "follow", "boolean", short = "f", help = "go on as it writes, over restarts, until it has ended for good" },
    { "since", "time", metavar = "TIME", help = "only what came since: 10m (ago), 2026-11-26T01:02 (UTC), UNIX seconds" },
    { "tail", "integer", min = 0, metavar = "LINES", help = "only the last lines" },
    { "stderr", "boolean", help = "what it wrote to stderr instead" },
    { "position", "integer", min = 0, hidden = true, help = "go on from this byte" },
  },
  run = function(ctx, args)
    return ctx.agents:logs(args)
  end,
}
