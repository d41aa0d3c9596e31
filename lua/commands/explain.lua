return {
  api = 1,
  summary = "every guard and hook on the way of a command, in order, nothing done",
  access = "change",
  timeout = 300,
  dry_run = false,
  params = {
    { "verb", "name", positional = true, required = true, help = "the command: spawn, provision, or any verb" },
    { "request", "any", metavar = "ARGS", help = "its parameters; on a command line they follow the verb as usual" },
  },
  columns = { "step", "kind", "name", "verdict", "code", "where" },
  run = function(ctx, args)
    local request = args.request or {}
    if type(request) ~= "table" or ctx.json.is_array(request) and #request > 0 then
      return nil, { code = "BadParameter", message = "parameter 'request' is an object" }
    end
    ctx.audit:subject(args.verb)
    return ctx.host.explain(ctx, args.verb, request)
  end,
}
