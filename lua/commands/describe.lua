return {
  api = 1,
  summary = "every command with its parameters; the CLI is built from this",
  access = "read",
  run = function(ctx)
    return ctx.host.describe(ctx.gen)
  end,
}
