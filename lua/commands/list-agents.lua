return {
  api = 1,
  summary = "list agents that have not ended",
  access = "read",
  params = {
    { "all", "boolean", help = "also those that have ended" },
  },
  columns = { "agent_id", "status", "state", "jail_name", "model", "pid", "started_at" },
  run = function(ctx, args)
    return ctx.agents:list(args.all)
  end,
}
