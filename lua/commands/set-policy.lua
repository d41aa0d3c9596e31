return {
  api = 1,
  summary = "when a tenant's .env is written, and what its agents get to know of a change",
  access = "change",
  params = {
    { "tenant_id", "name", positional = true, required = true, help = "the tenant" },
    { "policy", "enum", values = { "on-spawn", "interval", "manual" }, positional = true,
      help = "at each spawn; that and every SECONDS while active; only when asked" },
    { "interval", "integer", positional = true, metavar = "SECONDS", min = 1, max = 31536000, requires = "policy",
      help = "of policy interval" },
    { "on_change", "enum", values = { "none", "hook" },
      help = "what happens when values have changed: nothing; the hooks of env_changed run" },
  },
  columns = { "tenant_id", "policy", "interval", "on_change", "status", "change" },
  run = function(ctx, args)
    return ctx.tenants:set_policy(args)
  end,
}
