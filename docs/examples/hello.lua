-- hello.lua - what embed.c runs, and what `colibri-run` runs as well.
return {
  api = 1,
  summary = "greet, after a short wait",
  run = function(ctx, args)
    ctx.task.sleep(0.01)
    ctx.log.info("hello", { name = args[1] or "world", platform = ctx.sys.platform })
    return 0
  end,
}
