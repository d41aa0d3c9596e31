local FIELDS = { "name", "layer", "api", "path", "shadows", "disabled", "stock_changed" }

local function list(ctx)
  local json = ctx.json
  local order = json.ordered { "name", "layer", "api", "path", "shadows", "disabled", "stock_changed", "wraps", "digest" }
  local out = json.array {}
  for i, entry in ipairs(ctx.gen.entries) do
    out[i] = setmetatable({ name = entry.name, layer = entry.site and "site" or "stock", api = entry.api,
      path = entry.site or entry.stock, shadows = entry.site and entry.stock or nil, disabled = entry.disabled,
      stock_changed = entry.stock_changed, wraps = entry.wraps, digest = entry.digest }, order)
  end
  return out
end

return {
  api = 1,
  summary = "which file answers to each script, and what it shadows; or write the start of an override",
  access = "read",
  params = {
    { "extract", "string", metavar = "NAME",
      help = "write a script into the site directory that wraps the shipped one, such as commands/list-tenants" },
  },
  change_params = { "extract" },
  columns = FIELDS,
  run = function(ctx, args)
    if args.extract then
      ctx.audit:subject(args.extract)
      return ctx.host.extract(ctx, args.extract)
    end
    return list(ctx)
  end,
}
