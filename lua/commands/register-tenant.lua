return {
  api = 1,
  summary = "register a tenant: a jail, its root and its collection",
  access = "change",
  params = {
    { "tenant_id", "name", positional = true, required = true, help = "jail name, and the collection's name" },
    { "jail_root_path", "path", positional = true, required = true, help = "root of the jail as the host sees it" },
    { "collection_id", "name", positional = true, required = true, help = "name of the collection; the same as TENANT_ID" },
    { "env_owner", "string", max = 64, metavar = "OWNER",
      help = "owner of .env: UID, UID:GID or a user name of the jail; default: the daemon's user" },
    { "update", "boolean", help = "replace a row that differs" },
  },
  columns = { "tenant_id", "jail_root_path", "collection_id", "status", "change", "env_owner", "created_at",
    "updated_at", "provisioned_at", "last_result", "last_error", "policy", "interval", "refresh_at", "on_change", "signal" },
  run = function(ctx, args)
    if args.collection_id ~= args.tenant_id then
      return nil, { code = "BadParameter", message = "collection_id must be '" .. args.tenant_id ..
        "': tenant, jail and collection share one name" }
    end
    return ctx.tenants:register(args)
  end,
}
