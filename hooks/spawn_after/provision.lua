-- The runbook's order: the agent runs, then its secrets are put beside it.
return {
  api = 1,
  summary = "fetch the tenant's collection and write <jail_root>/.env",
  run = function(ctx, event)
    if event.provision_mode == "after" and event.jail_name and event.jail_root then
      event.provision = ctx.tenants:provision(event.jail_name, event.jail_root, false, event.agent_id)
    end
  end,
}
