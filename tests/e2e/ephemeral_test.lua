-- --ephemeral: a .env that is gone when its agent has ended.
local t = require "colibri.test"
local db = require "core.db"
local fs = require "core.fs"
local scratch = require "colibri.scratch"

local ENV = "jails/t/root/.env"

local function daemon()
  local d = scratch.daemon { files = { ["jails/t/root/"] = true, ["vault/t.env"] = "A=1\n" } }
  t.ok(d:call("register-tenant", { tenant_id = "t", jail_root_path = d.base .. "/t/root", collection_id = "t" }))
  return d
end

-- An agent that runs a line of sh.
local function spawn(d, script, more)
  local args = { provider = "local", model = "/bin/sh", jail_name = "t", jail_root = d.base .. "/t/root",
    arg = { "-c", script or "sleep 60" }, ephemeral = true }
  for key, value in pairs(more or {}) do
    args[key] = value
  end
  local out, e = d:call("spawn-agent", args)
  return out, e
end

local function stop(d, agent)
  t.ok(d:call("stop-agent", { agent_id = agent.agent_id, grace = 0 }))
end

local function gone(d, name)
  t.eventually(function()
    return not d:read(ENV) and d:call("get-tenant", { tenant_id = "t" }).status == "provisioned"
  end, 20)
  t.eq(d:read(ENV), nil, name)
end

t.test("stopped, ended by itself, ended at once", function()
  local d <close> = daemon()
  local agent = t.ok(spawn(d))
  t.eq(agent.provision.result, "provisioned")
  t.eq(d:read(ENV), "A=1\n")
  stop(d, agent)
  t.eq(d:read(ENV), nil, "gone when the stop is answered")
  local row = d:call("get-tenant", { tenant_id = "t" })
  t.eq({ row.status, row.last_result }, { "provisioned", "unprovisioned" })
  local audit = d:call("audit", { subject = "t", limit = 1 })[1]
  t.eq({ audit.command, audit.result }, { "stop-agent", "unprovisioned" })
  t.eq(t.ok(d:call("check-tenant", { tenant_id = "t" })).drift, false)
  t.ok(spawn(d, ("while ! [ -e %s/end ]; do sleep 0.05; done"):format(d.dir)))
  t.eq(d:read(ENV), "A=1\n")
  d:tree { ["end"] = "" }
  gone(d, "by itself")
  t.ok(spawn(d, ":"))
  gone(d, "at once")
  t.ok(spawn(d, "exit 3", { provision = "before" }))
  gone(d, "at once, written before")
  -- Without the flag it stays.
  stop(d, t.ok(spawn(d, nil, { ephemeral = false })))
  t.eq(d:read(ENV), "A=1\n")
  t.err("BadParameter", d:call("spawn-local", { model = "/bin/true", ephemeral = true }))
end)

t.test("while another agent is in the jail it stays", function()
  local d <close> = daemon()
  local one, two = t.ok(spawn(d)), t.ok(spawn(d, nil, { ephemeral = false }))
  stop(d, one)
  t.eq(d:read(ENV), "A=1\n")
  t.eq(d:call("get-tenant", { tenant_id = "t" }).status, "active")
  stop(d, two)
  t.eq(d:read(ENV), nil)
end)

t.test("a spawn that failed, and one that was not provisioned", function()
  local d <close> = daemon()
  t.ok(d:call("set-policy", { tenant_id = "t", policy = "manual" }))
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  local agent = t.ok(spawn(d))
  t.eq(agent.provision.code, "PolicyManual")
  stop(d, agent)
  t.eq(d:read(ENV), "A=1\n", "what it has not written it does not remove")
  t.ok(d:call("set-policy", { tenant_id = "t", policy = "on-spawn" }))
  d:tree { ["vault/t.env"] = "no line\n" }
  agent = t.ok(spawn(d))
  t.eq(agent.provision.result, "failed")
  stop(d, agent)
  t.eq(d:read(ENV), "A=1\n", "the previous one stays when the new one failed")
  d:tree { ["vault/t.env"] = "A=2\n" }
  local _, e = spawn(d, nil, { provision = "before", model = "/nonexistent" })
  t.ok(e, "an agent that cannot be executed")
  gone(d, "its .env was written before the exec failed")
end)

t.test("the daemon is killed: the agent ends meanwhile, or later", function()
  local d <close> = daemon()
  local agent = t.ok(spawn(d, ("while ! [ -e %s/end ]; do sleep 0.05; done"):format(d.dir)))
  d:crash()
  d:tree { ["end"] = "" }
  t.eventually(function() return fs.exists(d.dir .. "/state/agents/" .. agent.agent_id .. "/exit") end)
  t.eq(d:read(ENV), "A=1\n", "nobody was there")
  t.ok(d:start())
  gone(d, "at the next start")
  agent = t.ok(spawn(d))
  d:crash()
  t.ok(d:start())
  t.eq(d:read(ENV), "A=1\n", "it runs")
  stop(d, agent)
  gone(d, "it was adopted, and has ended")
  -- Killed between the write and the note of it.
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  d:stop()
  local store = t.ok(db.open(d.dir .. "/colibri.sqlite"))
  t.ok(store:write(function(tx) return tx:exec("INSERT INTO ephemeral VALUES ('x', 't', 0)") end))
  store:close()
  t.ok(d:start())
  gone(d, "half-way")
  store = t.ok(db.open(d.dir .. "/colibri.sqlite"))
  t.eventually(function() return store:one("SELECT count(*) AS n FROM ephemeral").n == 0 end)
  store:close()
end)

t.test("what cannot be removed is tried again", function()
  local d <close> = daemon()
  local agent = t.ok(spawn(d))
  local root <close> = t.ok(fs.open_trusted(d.dir))
  t.ok(root:unlink(ENV))
  t.ok(root:mkdir(ENV))
  stop(d, agent)
  t.eq(d:stat(ENV).type, "dir")
  t.ok(fs.remove_tree(d.dir .. "/" .. ENV))
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  d:stop()
  t.ok(d:start())
  gone(d, "at the next start")
end)

t.test("an agent that is started again keeps it until it ends for good", function()
  local d <close> = daemon()
  local agent = t.ok(spawn(d, ("[ ! -e %s/end ] || sleep 60; : >%s/end; exit 1"):format(d.dir, d.dir),
    { restart = "on-failure", restart_delay = 0.01 }))
  t.eventually(function()
    local row = d:call("get-agent", { agent_id = agent.agent_id })
    return row.run == 2 and row.status == "running"
  end, 20)
  t.eq(d:read(ENV), "A=1\n")
  stop(d, agent)
  t.eq(d:read(ENV), nil)
end)

t.test("the tenant is moved, or deleted, while its agent runs", function()
  local d <close> = daemon()
  d:tree { ["jails/u/"] = true }
  local agent = t.ok(spawn(d))
  t.ok(d:call("register-tenant",
    { tenant_id = "t", jail_root_path = d.base .. "/u", collection_id = "t", update = true }))
  t.eq(d:read(ENV), "A=1\n")
  stop(d, agent)
  t.eq(d:read(ENV), nil, "gone where the agent was")
  t.ok(d:call("register-tenant",
    { tenant_id = "t", jail_root_path = d.base .. "/t/root", collection_id = "t", update = true }))
  agent = t.ok(spawn(d))
  t.ok(d:call("delete-tenant", { tenant_id = "t" }))
  t.eq(d:read(ENV), "A=1\n")
  stop(d, agent)
  t.eq(d:read(ENV), nil)
end)
