return {
  api = 1,
  summary = "load all scripts anew; if one is broken, the old ones go on",
  access = "change",
  run = function(ctx)
    return ctx.host.reload()
  end,
}
