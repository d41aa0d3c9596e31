return {
  api = 1,
  summary = "does a tenant's .env stand as it was written",
  access = "read",
  timeout = 300,
  params = {
    { "tenant_id", "name", positional = true, help = "the tenant" },
    { "all", "boolean", help = "every tenant, a row each" },
    { "strict", "boolean", help = "drift is an error, for the exit status" },
  },
  columns = { "tenant_id", "drift", "findings", "detail" },
  run = function(ctx, args)
    return ctx.tenants:check(args.tenant_id, args.all, args.strict)
  end,
}
