-- Step 4 of the runbook: colibri spawn-agent local AGENT --jail-name T
-- --jail-root ROOT --session-id T-proof; the provision hook runs around it.

local err = require "colibri.err"
local lib = require "colibri.proof"

local GOOD = { provisioned = true, unchanged = true }

-- The agent's path: in the jail, or on the host when there is no jail around it.
local function model(ctx, proof)
  if proof.backend ~= "none" or not proof.own_daemon or not proof.agent:find("/colibri%-test%-agent$") then
    return proof.agent
  end
  return lib.program(ctx, "colibri-test-agent")
end

return {
  api = 1,
  summary = "spawn the agent into the jail, which provisions its .env",
  run = function(ctx, proof)
    local program, e = model(ctx, proof)
    if not program then
      return nil, e
    end
    proof.is_test_agent = program:find("/colibri%-test%-agent$") ~= nil
    local agent
    agent, e = lib.request(ctx, proof, { cmd = "spawn-agent", provider = "local", model = program,
      jail_name = proof.tenant, jail_root = proof.jail_root, session_id = proof.session_id,
      provision = proof.provision, arg = proof.is_test_agent and ctx.json.array { "--step-ms", "20" } or nil })
    if not agent then
      return nil, e
    end
    proof.agent_id = agent.agent_id
    lib.note(ctx, "agent %s, pid %s, session %s", agent.agent_id, tostring(agent.pid), agent.session_id)
    local provision = agent.provision
    if not GOOD[provision.result] then
      return nil, err.new("ProvisionFailed", "provision %s: %s: %s", tostring(provision.result),
        tostring(provision.code), tostring(provision.message))
    end
    lib.note(ctx, "provision: %s, %d key(s)", provision.result, provision.keys)
    return true
  end,
}
