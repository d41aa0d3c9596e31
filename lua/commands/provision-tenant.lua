return {
  api = 1,
  summary = "fetch a tenant's collection and write its .env",
  access = "change",
  timeout = 300,
  params = {
    { "tenant_id", "name", positional = true, required = true, help = "the tenant" },
    { "dry_run", "boolean", help = "fetch and compare, write nothing: which keys would be added, removed, changed" },
  },
  run = function(ctx, args)
    local result = ctx.tenants:provision(args.tenant_id, nil, args.dry_run)
    if result.code ~= ctx.json.null then
      return nil, { code = result.code, message = result.message }
    end
    return result
  end,
}
