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
    { "on_change", "enum", values = { "none", "signal", "restart", "hook" },
      help = "when values have changed: nothing; the jail's agents get a signal, or are restarted; env_changed runs" },
    { "signal", "enum", values = { "HUP", "INT", "QUIT", "TERM", "USR1", "USR2" }, requires = "on_change",
      help = "of --on-change signal" },
  },
  columns = { "tenant_id", "policy", "interval", "on_change", "signal", "status", "change" },
  run = function(ctx, args)
    return ctx.tenants:set_policy(args)
  end,
}
