local spawn = require "colibri.spawn_params"

return {
  api = 1,
  summary = "short for spawn-agent local EXECUTABLE",
  access = "change",
  timeout = spawn.TIMEOUT,
  params = spawn.list {
    { "model", "string", positional = true, required = true, min = 1, max = 4096, metavar = "EXECUTABLE",
      help = "path of an executable in the jail" },
  },
  columns = spawn.columns(),
  run = function(ctx, args)
    args.provider = "local"
    return ctx.agents:spawn(args)
  end,
}
