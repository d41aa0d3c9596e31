-- `colibri rotate-all [--pause SECONDS]`: every active tenant's .env from the
-- vault as it is now. One that fails does not keep the others from theirs.
return {
  api = 1,
  summary = "provision every active tenant again",
  access = "change",
  timeout = 3600,
  params = {
    { "pause", "number", min = 0, max = 600, default = 0, metavar = "SECONDS", help = "wait so long between two tenants" },
  },
  columns = { "tenant_id", "result", "code", "keys" },
  run = function(ctx, args)
    local rows, e = ctx.tenants:list()
    if not rows then
      return nil, e
    end
    ctx.audit:subject("*")
    local out, counts = ctx.json.array {}, {}
    for _, row in ipairs(rows) do
      if row.status == "active" then
        if #out > 0 then
          ctx.task.sleep(args.pause)
        end
        local result = ctx.tenants:provision(row.tenant_id)
        out[#out + 1] = { tenant_id = row.tenant_id, result = result.result, code = result.code, keys = result.keys }
        counts[result.result] = (counts[result.result] or 0) + 1
      end
    end
    ctx.audit:subject("*", counts)
    return out
  end,
}
