return {
  api = 1,
  summary = "run a line of Lua inside the daemon; `colibri console` is a prompt for it",
  access = "change",
  timeout = 300,
  dry_run = false,
  params = {
    { "chunk", "string", positional = true, required = true, metavar = "LUA", help = "an expression, or statements" },
    { "write", "boolean", help = "let ctx change things; else it only tells what would change" },
  },
  run = function(ctx, args)
    return ctx.host.console(ctx, args.chunk, args.write)
  end,
}
