-- The shipped list-tenants, with a filter and the age of each .env in hours.
local shipped = stock()

local params = { { "only", "enum", values = { "active", "provisioned", "orphaned" }, help = "those with this status" } }
table.move(shipped.params, 1, #shipped.params, 2, params)

return {
  api = 1,
  summary = shipped.summary .. ", with the age of their .env",
  access = shipped.access,
  params = params,
  columns = { "tenant_id", "status", "age_hours", "last_result", "jail_root_path" },
  run = function(ctx, args)
    local rows, e = shipped.run(ctx, args)
    if not rows then
      return nil, e
    end
    local out = ctx.json.array {}
    for _, row in ipairs(rows) do
      if not args.only or row.status == args.only then
        row.age_hours = row.provisioned_at and (ctx.clock.now() - row.provisioned_at) // 3600 | 0
        out[#out + 1] = row
      end
    end
    return out
  end,
}
