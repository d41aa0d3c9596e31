return {
  api = 1,
  summary = "fetch a tenant's collection and write its .env",
  access = "change",
  timeout = 1800,
  params = {
    { "tenant_id", "name", positional = true, help = "the tenant" },
    { "all", "boolean", help = "every tenant in one session of the vault, a row each; a failure does not stop the others" },
    { "strict", "boolean", requires = "all", help = "a tenant that failed makes the whole an error, for the exit status" },
    { "dry_run", "boolean", help = "fetch and compare, write nothing: which keys would be added, removed, changed" },
  },
  columns = { "tenant_id", "result", "code", "change", "keys", "added", "removed", "changed", "message" },
  run = function(ctx, args)
    if (args.tenant_id == nil) == not args.all then
      return nil, { code = "BadParameter", message = "name a tenant or say --all, one of the two" }
    elseif args.all then
      return ctx.tenants:provision_all(args.dry_run, args.strict)
    end
    local result = ctx.tenants:provision(args.tenant_id, nil, args.dry_run)
    if result.code ~= ctx.json.null then
      return nil, { code = result.code, message = result.message }
    end
    return result
  end,
}
