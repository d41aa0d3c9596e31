local spawn = require "colibri.spawn_params"

return {
  api = 1,
  summary = "start an agent, in a jail when one is named, and provision it",
  access = "change",
  timeout = spawn.TIMEOUT,
  params = spawn.list {
    { "provider", "name", positional = true, required = true, help = "who knows how to start it: local, ..." },
    { "model", "string", positional = true, required = true, min = 1, max = 4096,
      help = "what to start; for local the path of an executable in the jail" },
  },
  columns = spawn.columns(),
  run = function(ctx, args)
    return ctx.agents:spawn(args)
  end,
}
