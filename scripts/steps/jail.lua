-- Step 1 of the runbook: a jail root with the agent in it.
--
-- A root that was named must be there already (bastille create, then
-- agent-jail-bootstrap.sh); otherwise a scratch one is made and filled.

local err = require "colibri.err"
local lib = require "colibri.proof"

local BOOTSTRAP_SECONDS = 300

-- An existing jail: nothing in it is touched here.
local function existing(ctx, proof)
  local there, e = ctx.fs.contain(proof.base, proof.jail_root)
  if not there then
    if e.code == "TargetMissing" then
      e = err.new("TargetMissing", "%s is not there: make the jail and run agent-jail-bootstrap.sh %s first",
        proof.jail_root, proof.tenant)
    end
    return nil, e
  end
  lib.note(ctx, "jail root %s (existing)", proof.jail_root)
  return true
end

-- Fill a root by the same script that fills a real jail.
local function bootstrap(ctx, proof)
  local agent, e = lib.program(ctx, "colibri-test-agent")
  if not agent then
    return nil, e
  end
  local result
  result, e = ctx.proc.run { "/bin/sh", ctx.conf.share_dir .. "/scripts/agent-jail-bootstrap.sh",
    proof.tenant, "--root", proof.jail_root, "--bin", agent:match("^(.*)/[^/]*$"), "--binaries-only",
    env = { PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }, cwd = "/",
    timeout = BOOTSTRAP_SECONDS }
  if not result then
    return nil, e
  elseif result.code ~= 0 then
    return nil, err.new("BootstrapFailed", "agent-jail-bootstrap.sh ended with %s: %s", tostring(result.code),
      (result.stderr:gsub("%s+$", "")))
  end
  return true
end

return {
  api = 1,
  summary = "a jail root with the agent in it",
  run = function(ctx, proof)
    if proof.jail_root then
      return existing(ctx, proof)
    end
    local scratch, e = lib.scratch(ctx, proof)
    if not scratch then
      return nil, e
    end
    local jail = "jails/" .. proof.tenant
    local ok
    ok, e = lib.mkdirs(ctx, scratch, { "jails", jail, jail .. "/root" }, 0x1ed) -- 0755
    if not ok then
      return nil, e
    end
    proof.base = scratch .. "/jails"
    proof.jail_root = scratch .. "/" .. jail .. "/root"
    lib.note(ctx, "jail root %s", proof.jail_root)
    return bootstrap(ctx, proof)
  end,
}
