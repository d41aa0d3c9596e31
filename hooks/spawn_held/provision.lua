-- `--provision before`: the agent is held in its jail meanwhile.
return {
  api = 1,
  summary = "write <jail_root>/.env before the agent may run",
  run = function(ctx, event)
    if event.jail_name and event.jail_root then
      event.provision = ctx.tenants:provision(event.jail_name, event.jail_root, false, event.agent_id)
    end
  end,
}
