return {
  api = 1,
  summary = "list tenants whose jail root exists",
  access = "read",
  params = {
    { "all", "boolean", help = "also those whose jail root is gone, as 'orphaned'" },
  },
  columns = { "tenant_id", "status", "policy", "last_result", "provisioned_at", "jail_root_path" },
  run = function(ctx, args)
    return ctx.tenants:list(args.all)
  end,
}
