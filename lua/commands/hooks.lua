local COLUMNS = { "event", "nr", "name", "on_error", "before", "after", "path", "failures", "suspended" }

local function rows_of(ctx, event, out)
  local json = ctx.json
  local order = json.ordered(COLUMNS)
  for i, hook in ipairs(ctx.gen.hooks[event]) do
    local failures, suspended = ctx.host.hook_state(hook)
    out[#out + 1] = setmetatable({ event = event, nr = i, name = hook.name, on_error = hook.on_error,
      before = json.array { table.unpack(hook.before or {}) }, after = json.array { table.unpack(hook.after or {}) },
      path = hook.source, failures = failures, suspended = suspended }, order)
  end
end

return {
  api = 1,
  summary = "the hooks of each event, in the order they run",
  access = "read",
  params = { { "event", "string", positional = true, help = "of this event only" } },
  columns = COLUMNS,
  run = function(ctx, args)
    local names, out = {}, ctx.json.array {}
    for name in pairs(ctx.gen.hooks) do
      names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
      if not args.event or args.event == name then
        rows_of(ctx, name, out)
      end
    end
    if args.event and #out == 0 then
      return nil, { code = "NotFound", message = "no hook of event '" .. args.event .. "'" }
    end
    return out
  end,
}
