return {
  api = 1,
  summary = "show one tenant",
  access = "read",
  params = {
    { "tenant_id", "name", positional = true, required = true, help = "the tenant" },
  },
  columns = { "tenant_id", "jail_root_path", "collection_id", "status", "change", "env_owner", "created_at",
    "updated_at", "provisioned_at", "last_result", "last_error", "policy", "interval", "refresh_at", "on_change", "signal" },
  run = function(ctx, args)
    return ctx.tenants:get(args.tenant_id)
  end,
}
