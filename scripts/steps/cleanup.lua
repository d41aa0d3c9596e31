-- The runbook's clean-up: runs whatever happened, tries every part even if one
-- fails, and removes only what this proof made.

local lib = require "colibri.proof"

local STOP_SECONDS = 15
local SIGTERM, SIGKILL = 15, 9

local function stop_agent(ctx, proof, agent_id)
  local ok, e = lib.request(ctx, proof, { cmd = "stop-agent", agent_id = agent_id, grace = 2 })
  if not ok and e.code == "AgentNotRunning" then
    return true
  end
  return ok, e
end

-- The agent of this proof; all agents of a daemon of our own, because agents
-- outlive their daemon and one may have started without our hearing of it.
local function stop_agents(ctx, proof)
  if not proof.own_daemon then
    return not proof.agent_id or stop_agent(ctx, proof, proof.agent_id)
  elseif not proof.process then
    return true
  end
  local agents, e = lib.request(ctx, proof, { cmd = "list-agents" })
  if not agents then
    return e.code == "DaemonUnreachable" or nil, e
  end
  for _, agent in ipairs(agents) do
    local ok
    ok, e = stop_agent(ctx, proof, agent.agent_id)
    if not ok then
      return nil, e
    end
  end
  return true
end

local function delete_tenant(ctx, proof)
  if proof.keep then
    return true
  elseif not proof.registered then
    if proof.agent_id then
      lib.note(ctx, "tenant %s was there before: left as it is, with its .env", proof.tenant)
    end
    return true
  end
  return lib.request(ctx, proof, { cmd = "delete-tenant", tenant_id = proof.tenant, purge_env = true })
end

local function stop_daemon(ctx, proof)
  local process = proof.process
  if not process then
    return true
  end
  process:kill(SIGTERM)
  local ended, e = ctx.task.timeout(STOP_SECONDS, function() return process:wait() end)
  if not ended then
    process:kill(SIGKILL)
    return nil, e
  end
  return true
end

-- A collection in a vault directory that is not ours goes by name.
local function remove_collection(ctx, proof)
  if not proof.made_collection or proof.own_daemon then
    return true
  end
  local root <close>, e = ctx.fs.open_trusted(proof.vault_dir)
  if not root then
    return nil, e
  end
  local removed
  removed, e = root:unlink(proof.made_collection)
  return removed ~= nil or nil, e
end

local function remove_scratch(ctx, proof)
  if not proof.scratch then
    return true
  elseif proof.keep then
    lib.note(ctx, "kept: %s", proof.scratch)
    return true
  end
  return ctx.fs.remove_tree(proof.scratch)
end

return {
  api = 1,
  summary = "clean up",
  run = function(ctx, proof)
    local first
    for _, part in ipairs { stop_agents, delete_tenant, stop_daemon, remove_collection, remove_scratch } do
      local called, ok, e = pcall(part, ctx, proof)
      if not called then
        ok, e = nil, ok
      end
      if not ok then
        if first then
          lib.note(ctx, "%s", tostring(e))
        end
        first = first or e
      end
    end
    if first then
      return nil, first
    end
    return true
  end,
}
