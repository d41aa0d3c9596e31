return {
  api = 1,
  summary = "which file answers to each script, and what it shadows",
  access = "read",
  columns = { "name", "layer", "path", "shadows" },
  run = function(ctx)
    local json = ctx.json
    local order = json.ordered { "name", "layer", "path", "shadows", "disabled" }
    local out = json.array {}
    for i, entry in ipairs(ctx.gen.entries) do
      out[i] = setmetatable({ name = entry.name, layer = entry.site and "site" or "stock",
        path = entry.site or entry.stock, shadows = entry.site and entry.stock or nil,
        disabled = entry.disabled }, order)
    end
    return out
  end,
}
