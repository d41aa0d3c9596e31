-- Step 5 of the runbook: .env at 0600 with the key in it, the tenant active,
-- the log lines; and that the agent ran and nothing was left lying about.

local err = require "colibri.err"
local lib = require "colibri.proof"

local EVENT_SECONDS = 20
local LOG_LINES = { "provisioning tenant env from vault", "vault provision complete" }

local function fail(code, fmt, ...)
  return nil, err.new(code, fmt, ...)
end

local function check_mode(_, _, root)
  local st, e = root:stat(".env")
  if not st then
    return nil, e
  elseif st.type ~= "file" or st.mode ~= 0x180 then
    return fail("WrongMode", ".env is a %s of mode %04o, not a file of mode 0600", st.type, st.mode)
  end
  return true
end

-- grep -c "^KEY=" .env is 1. No value leaves its locked memory, but for the
-- throwaway one that this proof made itself.
local function check_key(_, proof, root)
  local pairs_list, e = root:read_env(".env")
  if not pairs_list then
    return nil, e
  end
  local count, found = 0, nil
  for _, pair in ipairs(pairs_list) do
    if pair.key == proof.key then
      count, found = count + 1, pair.value
    end
  end
  if count ~= 1 then
    return fail("WrongKeys", ".env has %d line(s) %s=, not 1", count, proof.key)
  elseif proof.made_collection and found:reveal() ~= proof.value then
    return fail("WrongValue", "%s in .env is not what the vault holds", proof.key)
  end
  return true
end

local function check_leftovers(_, _, root)
  local names, e = root:list()
  if not names then
    return nil, e
  end
  for _, name in ipairs(names) do
    if name ~= ".env" and name:find(".env", 1, true) or name:find("^%.colibri") then
      return fail("StrayFile", "'%s' was left in the jail root", name)
    end
  end
  return true
end

local function check_active(ctx, proof)
  local rows, e = lib.request(ctx, proof, { cmd = "list-tenants" })
  if not rows then
    return nil, e
  end
  for _, row in ipairs(rows) do
    if row.tenant_id == proof.tenant then
      return row.status == "active" or fail("WrongStatus", "tenant '%s' is '%s', not 'active'", proof.tenant,
        row.status)
    end
  end
  return fail("TenantNotFound", "list-tenants does not show '%s'", proof.tenant)
end

-- The agent says something by itself, and the daemon hears it.
local function check_agent(ctx, proof)
  if not proof.is_test_agent then
    return true
  end
  return lib.poll(ctx, EVENT_SECONDS, "the agent's turn_end", function()
    local agent, e = lib.request(ctx, proof, { cmd = "get-agent", agent_id = proof.agent_id })
    if not agent then
      return nil, e
    elseif agent.status ~= "running" then
      return fail("AgentEnded", "the agent is %s, exit code %s", agent.status, tostring(agent.exit_code))
    end
    return agent.state == "done"
  end)
end

local function check_log(ctx, proof)
  if not proof.own_daemon then
    lib.note(ctx, "look for '%s' in the daemon's log", LOG_LINES[2])
    return true
  end
  local root <close>, e = ctx.fs.open_trusted(proof.scratch)
  if not root then
    return nil, e
  end
  local text
  text, e = root:read("daemon.log")
  if not text then
    return nil, e
  end
  local from = 1
  for _, line in ipairs(LOG_LINES) do
    local _, last = text:find(line, from, true)
    if not last then
      return fail("LogLineMissing", "the daemon's log has no line '%s'", line)
    end
    from = last
  end
  return true
end

return {
  api = 1,
  summary = "verify .env, the tenant, the agent and the log",
  run = function(ctx, proof)
    local root <close>, e = ctx.fs.open(proof.base, proof.jail_root)
    if not root then
      return nil, e
    end
    for _, check in ipairs { check_mode, check_key, check_leftovers, check_active, check_agent, check_log } do
      local ok, why = check(ctx, proof, root)
      if not ok then
        return nil, why
      end
    end
    lib.note(ctx, "%s/.env is 0600 and has %s=; tenant %s is active", proof.jail_root, proof.key, proof.tenant)
    return true
  end,
}
