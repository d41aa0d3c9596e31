return {
  api = 1,
  summary = "show one agent",
  access = "read",
  params = {
    { "agent_id", "name", positional = true, required = true, help = "the agent: its id or the beginning of it" },
  },
  columns = { "agent_id", "status", "state", "pid", "provider", "model", "session_id", "jail_name", "jail_root_path",
    "provision" },
  run = function(ctx, args)
    return ctx.agents:get(args.agent_id, true)
  end,
}
