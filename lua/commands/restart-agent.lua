local spawn = require "colibri.spawn_params"

return {
  api = 1,
  summary = "start an agent anew: one that has ended, was given up, waits, or runs",
  access = "change",
  timeout = spawn.TIMEOUT,
  params = {
    { "agent_id", "name", positional = true, required = true, help = "the agent: its id or the beginning of it" },
    { "grace", "number", min = 0, max = 60, metavar = "SECONDS", help = "time between TERM and KILL; default 5" },
  },
  columns = spawn.columns(),
  run = function(ctx, args)
    return ctx.agents:restart(args.agent_id, args.grace)
  end,
}
