return {
  api = 1,
  summary = "forget a tenant",
  access = "change",
  aliases = { "unregister-tenant" },
  params = {
    { "tenant_id", "name", positional = true, required = true, help = "the tenant; one that is not there is fine" },
    { "purge_env", "boolean", help = "remove its .env too" },
  },
  run = function(ctx, args)
    return ctx.tenants:delete(args.tenant_id, args.purge_env)
  end,
}
