return {
  api = 1,
  summary = "remove a tenant's .env; the tenant stays registered",
  access = "change",
  params = {
    { "tenant_id", "name", positional = true, required = true, help = "the tenant" },
    { "dry_run", "boolean", help = "only say what is there" },
  },
  columns = { "tenant_id", "result", "env", "status" },
  run = function(ctx, args)
    return ctx.tenants:unprovision(args.tenant_id, args.dry_run)
  end,
}
