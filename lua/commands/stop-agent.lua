return {
  api = 1,
  summary = "stop an agent, or all, with everything they started",
  access = "change",
  aliases = { "stop" },
  timeout = 120,
  params = {
    { "agent_id", "name", positional = true, help = "the agent: its id or the beginning of it" },
    { "all", "boolean", help = "all agents instead" },
    { "grace", "number", min = 0, max = 60, metavar = "SECONDS", help = "time between the signal and KILL; default 5" },
    { "signal", "enum", values = { "TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "KILL" }, default = "TERM",
      help = "the signal that asks them to end" },
  },
  run = function(ctx, args)
    local options = { grace = args.grace, signal = args.signal }
    if args.all and not args.agent_id then
      return ctx.agents:stop_all(options)
    elseif args.all or not args.agent_id then
      return nil, { code = "BadParameter", message = "name an agent, or say --all" }
    end
    return ctx.agents:stop(args.agent_id, options)
  end,
}
