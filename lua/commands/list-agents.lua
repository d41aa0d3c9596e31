return {
  api = 1,
  summary = "list agents that have not ended",
  access = "read",
  params = {
    { "all", "boolean", help = "also those that have ended" },
    { "state", "string", min = 1, max = 32, metavar = "STATE",
      help = "only these: idle, working, blocked, done, error, stalled, or a status: waiting, exited, failed, ..." },
    { "limit", "integer", min = 1, max = 10000, default = 1000, metavar = "N", help = "at most so many, the newest" },
    { "jail", "name", metavar = "NAME", help = "only those of this jail" },
  },
  columns = { "agent_id", "state", "status", "jail_name", "model", "run", "last_event", "started_at",
    "exit_code", "exit_signal", "reason" },
  run = function(ctx, args)
    return ctx.agents:list(args)
  end,
}
