-- The runbook as a proof: register a tenant, spawn its agent into a jail, find
-- its secrets beside it. By itself it runs in a scratch directory with a daemon
-- of its own; --socket and --jail-root point it at a real daemon and a real jail.
--
--	colibri-run scripts/proof.lua --tenant proof0 --vault file --jail-backend bwrap
--
-- Each step is a file of scripts/steps/; a site replaces one by a file of the
-- same name in its own steps/ directory.

local lib = require "colibri.proof"

local STEPS = { "jail", "collection", "daemon", "register", "spawn", "verify" }
local CLEANUP = "cleanup"

local AGENT = "/usr/local/bin/colibri-test-agent"

local OPTIONS = {
  { "tenant", metavar = "NAME", default = "proof0", help = "tenant, jail and collection" },
  { "vault", metavar = "NAME", help = "vault adapter: file or bw" },
  { "jail_backend", metavar = "NAME", help = "jail launcher: bwrap, nspawn, jexec, jail, none" },
  { "socket", metavar = "PATH", help = "use the daemon that listens there; else one is started" },
  { "base", metavar = "DIR", help = "jail-root base; else a scratch directory" },
  { "jail_root", metavar = "DIR", help = "an existing jail's root (BASE/NAME/root)" },
  { "vault_dir", metavar = "DIR", help = "directory of an existing daemon's file vault" },
  { "key", metavar = "NAME", default = "FIRST_PROOF_KEY", help = "the item in the collection" },
  { "value", metavar = "TEXT", help = "its throwaway value, for the file vault; else made up" },
  { "agent", metavar = "PATH", help = "the agent's path in the jail" },
  { "provision", metavar = "WHEN", default = "after", help = "after or before the agent's start" },
  { "jexec", metavar = "PATH", help = "a stand-in for jexec (tests/tools/jexec)" },
  { "keep", help = "leave the scratch directory, the tenant and its .env" },
  { "help", help = "this text" },
}

local function usage(ctx, e)
  ctx.err("proof: " .. e.message .. "\n" .. lib.usage("colibri-run scripts/proof.lua", OPTIONS))
  return 2
end

local function bad(fmt, ...)
  return nil, { code = "BadParameter", message = fmt:format(...) }
end

-- Every path of the options must be absolute.
local function check(options)
  for _, name in ipairs { "socket", "base", "jail_root", "vault_dir", "agent" } do
    if options[name] and options[name]:sub(1, 1) ~= "/" then
      return bad("--%s must be an absolute path", (name:gsub("_", "-")))
    end
  end
  if not options.tenant:match("^[A-Za-z0-9_][A-Za-z0-9_-]*$") or #options.tenant > 64 then
    return bad("--tenant '%s' is not a name", options.tenant)
  elseif not options.key:match("^[A-Za-z_][A-Za-z0-9_]*$") then
    return bad("--key '%s' is not a variable name", options.key)
  elseif options.provision ~= "after" and options.provision ~= "before" then
    return bad("--provision is after or before")
  end
  return true
end

-- A value that nobody else has, so that finding it proves where it came from.
local function made_up_value(ctx)
  return ("throwaway-%d-%d"):format(ctx.sys.pid, math.floor(ctx.clock.now() * 1000) % 1000000000)
end

-- What the steps share: the options, and where things are. Filled in further by the steps.
local function facts(ctx, options)
  local proof = {}
  for name, value in pairs(options) do
    proof[name] = value
  end
  proof.own_daemon = not options.socket
  proof.vault = options.vault or ctx.conf.vault
  proof.backend = options.jail_backend or ctx.conf.jail_backend
  proof.session_id = options.tenant .. "-proof"
  proof.value = options.value or made_up_value(ctx)
  proof.agent = options.agent or AGENT
  -- Without any of these the jail is a scratch one, and `jail` makes it.
  if options.jail_root or options.base or options.socket then
    proof.base = options.base or ctx.conf.jail_root_base
    proof.jail_root = options.jail_root or proof.base .. "/" .. options.tenant .. "/root"
  end
  if options.jexec and options.jexec:sub(1, 1) ~= "/" then
    proof.jexec = ctx.sys.cwd .. "/" .. options.jexec
  end
  return proof
end

return {
  api = 1,
  summary = "the vault provision runbook, from the jail to the verified .env",
  run = function(ctx, args)
    local options, e = lib.options(OPTIONS, args)
    if options and options.help then
      ctx.out(lib.usage("colibri-run scripts/proof.lua", OPTIONS))
      return 0
    end
    local ok = options
    if ok then
      ok, e = check(options)
    end
    if not ok then
      return usage(ctx, e)
    end
    local proof = facts(ctx, options)
    return lib.main(ctx, proof, STEPS, CLEANUP)
  end,
}
