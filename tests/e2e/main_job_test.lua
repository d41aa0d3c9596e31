-- The main job through a real daemon: register, spawn, provision, verify.
local t = require "colibri.test"
local fs = require "core.fs"
local scratch = require "colibri.scratch"
local sys = require "core.sys"

local AGENT = sys.program "colibri-test-agent"
local FILES = { ["jails/proof0/root/"] = true, ["vault/proof0.env"] = "FIRST_PROOF_KEY=throw-away\n" }

local function spawn(d, more)
  local args = { provider = "local", model = AGENT, jail_name = "proof0", jail_root = d.base .. "/proof0/root",
    session_id = "proof0-proof", arg = { "--step-ms", "1", "--hold-secs", "60" } }
  for key, value in pairs(more or {}) do
    args[key] = value
  end
  return d:call("spawn-agent", args)
end

local function register(d, more)
  local args = { tenant_id = "proof0", jail_root_path = d.base .. "/proof0/root", collection_id = "proof0" }
  for key, value in pairs(more or {}) do
    args[key] = value
  end
  return d:call("register-tenant", args)
end

t.test("the runbook, step by step", function()
  local d <close> = scratch.daemon { files = FILES }
  local row = t.ok(register(d))
  t.eq(row.status, "provisioned")
  t.eq(row.change, "created")
  local agent, e = spawn(d)
  t.ok(agent, tostring(e and e.message))
  t.eq(agent.provision.result, "provisioned")
  t.eq(agent.provision.keys, 1)
  t.eq(d:read("jails/proof0/root/.env"), "FIRST_PROOF_KEY=throw-away\n")
  local st = d:stat("jails/proof0/root/.env")
  t.eq(st.mode, 0x180)
  t.eq(st.nlink, 1)
  local tenants = d:call("list-tenants")
  t.eq(tenants[1].status, "active")
  t.eq(tenants[1].last_result, "provisioned")
  t.eventually(function() return d:call("get-agent", { agent_id = agent.agent_id }).state == "done" end)
  local again = spawn(d)
  t.eq(again.provision.result, "unchanged")
  local stopped = t.ok(d:call("stop-agent", { agent_id = agent.agent_id }))
  t.eq(stopped.status, "exited")
  t.eq(stopped.exit_signal, 15)
  t.eq(#d:call("list-agents"), 1)
  local log = d:stop().stderr
  t.ok(log:find("provisioning tenant env from vault", 1, true))
  t.ok(log:find("vault provision complete", 1, true))
  t.eq(log:find("throw-away", 1, true), nil, "the value is in no log line")
  t.ok(d:start())
end)

t.test("registering: the same row, another row, --update, bad roots", function()
  local d <close> = scratch.daemon { files = FILES }
  t.ok(register(d))
  t.eq(register(d, { jail_root_path = d.base .. "/proof0/root///" }).change, "unchanged")
  d:tree { ["jails/other/"] = true }
  t.err("TenantExists", register(d, { jail_root_path = d.base .. "/other" }))
  t.eq(register(d, { jail_root_path = d.base .. "/other", update = true }).change, "updated")
  t.err("TargetMissing", register(d, { jail_root_path = d.base .. "/none" }))
  t.err("TargetEscapesRoot", register(d, { jail_root_path = d.base }))
  t.err("TargetEscapesRoot", register(d, { jail_root_path = d.base .. "/other/.." }))
  t.err("TargetEscapesRoot", register(d, { jail_root_path = "/etc" }))
  t.err("BadParameter", register(d, { jail_root_path = "relative" }))
  for _, name in ipairs { "a/b", "..", ".", "-x", "", "a\0b", ("x"):rep(300), "ä", "a b" } do
    t.err("BadParameter", register(d, { tenant_id = name }))
  end
  t.err("BadParameter", register(d, { collection_id = "else" }))
  t.err("MissingParameter", d:call("register-tenant", { tenant_id = "x" }))
end)

t.test("the guards, in their order", function()
  local d <close> = scratch.daemon { files = FILES }
  local agent = spawn(d)
  t.eq({ agent.provision.result, agent.provision.code }, { "skipped", "TenantNotFound" })
  register(d)
  agent = spawn(d, { jail_root = d.base .. "/proof0/else" })
  t.eq({ agent.provision.result, agent.provision.code }, { "refused", "RootMismatch" })
  t.eq(d:call("get-tenant", { tenant_id = "proof0" }).status, "provisioned")
  d:tree { ["jails/gone/"] = true }
  t.ok(d:call("register-tenant", { tenant_id = "gone", jail_root_path = d.base .. "/gone", collection_id = "gone" }))
  assert(fs.remove_tree(d.base .. "/gone"))
  agent = spawn(d, { jail_name = "gone", jail_root = d.base .. "/gone" })
  t.eq({ agent.provision.result, agent.provision.code }, { "refused", "TargetMissing" })
  t.eq(#d:call("list-tenants"), 1)
  t.eq(#d:call("list-tenants", { all = true }), 2)
  agent = spawn(d, { jail_root = d.base .. "/proof0/root/" })
  t.eq(agent.provision.result, "provisioned", "a trailing slash is no difference")
end)

t.test("a vault that fails leaves file and status alone", function()
  local d <close> = scratch.daemon { files = FILES }
  register(d)
  t.eq(spawn(d).provision.result, "provisioned")
  for text, code in pairs {
    ["A=1\nA=2\n"] = "DuplicateKey", ["1BAD=x\n"] = "InvalidKey", [""] = "CollectionEmpty", ["no line"] = "InvalidLine",
  } do
    d:tree { ["vault/proof0.env"] = text }
    local p = spawn(d).provision
    t.eq(p.result, "failed", text)
    t.ok(p.code == code or p.code == "InvalidNote" or p.code == "ItemAmbiguous", p.code)
    t.eq(d:read("jails/proof0/root/.env"), "FIRST_PROOF_KEY=throw-away\n")
    t.eq(d:call("get-tenant", { tenant_id = "proof0" }).status, "active")
  end
  local row = d:call("get-tenant", { tenant_id = "proof0" })
  t.eq(row.last_result, "failed")
  t.ok(row.last_error)
  d:tree { ["vault/proof0.env"] = "FIRST_PROOF_KEY=new\n" }
  t.eq(spawn(d).provision.result, "provisioned", "the next one works")
end)

t.test("--provision before: .env is there before the agent; it never runs if that fails", function()
  local d <close> = scratch.daemon { files = FILES }
  local marker = d.dir .. "/ran"
  local args = { model = "/bin/sh", provision = "before", session_id = "s",
    arg = { "-c", "cat '" .. d.base .. "/proof0/root/.env' > '" .. marker .. "'; sleep 60" } }
  local _, e = spawn(d, args)
  t.eq(e and e.code, "ProvisionFailed")
  t.eq(fs.exists(marker), false, "the agent never ran")
  t.eq(#d:call("list-agents"), 0)
  register(d)
  local agent = t.ok(spawn(d, args))
  t.eq(agent.provision.result, "provisioned")
  t.eventually(function() return d:read("ran") == "FIRST_PROOF_KEY=throw-away\n" end)
end)

t.test("provision-tenant and --dry-run", function()
  local d <close> = scratch.daemon { files = FILES }
  t.err("TenantNotFound", d:call("provision-tenant", { tenant_id = "proof0" }))
  register(d)
  local dry = t.ok(d:call("provision-tenant", { tenant_id = "proof0", dry_run = true }))
  t.eq(dry.result, "dry-run")
  t.eq(dry.names[1], "FIRST_PROOF_KEY")
  t.eq(fs.exists(d.base .. "/proof0/root/.env"), false)
  t.eq(d:call("get-tenant", { tenant_id = "proof0" }).status, "provisioned")
  t.eq(d:call("provision-tenant", { tenant_id = "proof0" }).result, "provisioned")
end)

t.test("delete-tenant is idempotent and can purge", function()
  local d <close> = scratch.daemon { files = FILES }
  register(d)
  d:call("provision-tenant", { tenant_id = "proof0" })
  local gone = d:call("delete-tenant", { tenant_id = "proof0", purge_env = true })
  t.eq({ gone.deleted, gone.env }, { true, "removed" })
  t.eq(fs.exists(d.base .. "/proof0/root/.env"), false)
  gone = d:call("unregister-tenant", { tenant_id = "proof0" })
  t.eq(gone.deleted, false)
end)

t.test("every change leaves an audit row", function()
  local d <close> = scratch.daemon { files = FILES }
  register(d)
  register(d, { jail_root_path = "/etc" })
  d:call("delete-tenant", { tenant_id = "proof0" })
  local seen = {}
  for i, row in ipairs(d:call("audit")) do
    seen[i] = row.command .. " " .. row.subject .. " " .. row.result
    t.eq(row.uid, sys.uid)
  end
  t.eq(seen, { "delete-tenant proof0 deleted", "register-tenant proof0 TargetEscapesRoot",
    "register-tenant proof0 created" })
end)

t.test("an agent that cannot be started says why", function()
  local d <close> = scratch.daemon()
  local _, e = d:call("spawn-local", { model = "/nonexistent/agent" })
  t.ok(e and e.code ~= "ScriptError", e and e.code)
  t.ok(e.message:find("No such file"), e.message)
  t.err("UnknownProvider", d:call("spawn-agent", { provider = "nobody", model = "x" }))
  t.err("AgentNotFound", d:call("stop-agent", { agent_id = "nope" }))
  t.eq(#d:call("list-agents"), 0)
end)

t.test("agents survive the daemon and are found again", function()
  local d <close> = scratch.daemon()
  local agent = t.ok(d:call("spawn-local", { model = AGENT, arg = { "--step-ms", "1", "--hold-secs", "60" } }))
  local short = t.ok(d:call("spawn-local", { model = "/bin/sh", arg = { "-c", "sleep 0.3; exit 7" } }))
  d:crash()
  t.eventually(function() return fs.exists(d.dir .. "/state/agents/" .. short.agent_id .. "/exit") end)
  t.ok(d:start())
  local found = t.ok(d:call("get-agent", { agent_id = agent.agent_id }))
  t.eq({ found.status, found.adopted }, { "running", true })
  local third = t.ok(d:call("spawn-local", { model = "/bin/sh", arg = { "-c", "sleep 0.5; exit 3" } }))
  d:crash()
  t.ok(d:start())
  t.eventually(function() return d:call("get-agent", { agent_id = third.agent_id }).exit_code == 3 end)
  found = d:call("get-agent", { agent_id = short.agent_id })
  t.eq({ found.status, found.exit_code }, { "exited", 7 })
  local stopped, e = d:call("stop-agent", { agent_id = agent.agent_id, grace = 1 })
  t.ok(stopped, e and e.message)
  t.eq(stopped.status, "exited")
end)
