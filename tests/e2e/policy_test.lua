-- When a tenant's .env is written by itself, and what follows a change.
local t = require "colibri.test"
local client = require "core.client"
local fs = require "core.fs"
local json = require "core.json"
local scratch = require "colibri.scratch"
local sys = require "core.sys"
local task = require "core.task"

local AGENT = sys.program "colibri-test-agent"
local ENV = "jails/t/root/.env"

-- Writes what it is told into a file beside the vault's.
local HOOK = [[
return {
  api = 1,
  summary = "remember",
  run = function(ctx, event)
    local root <close> = assert(ctx.fs.open_trusted(ctx.conf.vault_dir))
    local text = root:read("told") or ""
    assert(root:write("told", text .. ctx.json.encode(event) .. "\n"))
    if event.changed[1] == "BOOM" then
      return nil, { code = "TooLoud", message = "that was too loud" }
    end
  end,
}
]]

local function daemon(text, options)
  options = options or {}
  options.files = options.files or {}
  options.files["jails/t/root/"], options.files["vault/t.env"] = true, text
  local d = scratch.daemon(options)
  t.ok(d:call("register-tenant", { tenant_id = "t", jail_root_path = d.base .. "/t/root", collection_id = "t" }))
  return d
end

local function policy(d, more)
  local args = { tenant_id = "t" }
  for key, value in pairs(more or {}) do
    args[key] = value
  end
  return d:call("set-policy", args)
end

local function spawn(d, more)
  local args = { provider = "local", model = AGENT, jail_name = "t", jail_root = d.base .. "/t/root",
    arg = { "--step-ms", "1", "--hold-secs", "60" } }
  for key, value in pairs(more or {}) do
    args[key] = value
  end
  return d:call("spawn-agent", args)
end

t.test("set-policy: what fits, what does not, again, dry", function()
  local d <close> = daemon "A=1\n"
  local function is(row, change, name, interval)
    t.ok(row, name)
    t.eq({ row.policy, row.interval, row.change }, { name, interval, change })
  end
  local row = d:call("get-tenant", { tenant_id = "t" })
  t.eq({ row.policy, row.interval, row.on_change }, { "on-spawn", nil, "none" })
  is(policy(d, { policy = "interval", interval = 3600, dry_run = true }), "updated", "interval", 3600)
  t.eq(d:call("get-tenant", { tenant_id = "t" }).policy, "on-spawn")
  is(policy(d, { policy = "interval", interval = 3600 }), "updated", "interval", 3600)
  is(policy(d, { policy = "interval", interval = 3600 }), "unchanged", "interval", 3600)
  is(policy(d, { on_change = "hook" }), "updated", "interval", 3600)
  is(policy(d, { policy = "manual" }), "updated", "manual", nil)
  row = d:call("get-tenant", { tenant_id = "t" })
  t.eq({ row.policy, row.interval, row.on_change }, { "manual", nil, "hook" })
  t.eq(row.refresh_at, nil)
  t.err("BadParameter", policy(d))
  t.err("BadParameter", policy(d, { policy = "interval" }))
  t.err("BadParameter", policy(d, { policy = "manual", interval = 5 }))
  t.err("BadParameter", policy(d, { interval = 5 }))
  t.err("BadParameter", policy(d, { policy = "interval", interval = 0 }))
  t.err("BadParameter", policy(d, { policy = "daily" }))
  t.err("BadParameter", policy(d, { on_change = "signal" }))
  t.err("BadParameter", policy(d, { on_change = "hook", signal = "HUP" }))
  t.err("BadParameter", policy(d, { on_change = "signal", signal = "KILL" }))
  t.err("BadParameter", policy(d, { signal = "HUP" }))
  t.err("TenantNotFound", policy(d, { tenant_id = "nobody", policy = "manual" }))
  local audit = d:call("audit", { subject = "t", limit = 20 })
  t.eq({ audit[#audit - 2].command, json.decode(audit[#audit - 2].detail).interval }, { "set-policy", 3600 })
  -- The row is registered anew: the policy stays.
  t.ok(d:call("register-tenant", { tenant_id = "t", jail_root_path = d.base .. "/t", collection_id = "t", update = true }))
  t.eq(d:call("get-tenant", { tenant_id = "t" }).policy, "manual")
end)

t.test("manual: a spawn leaves .env alone and says why", function()
  local d <close> = daemon "A=1\n"
  t.ok(policy(d, { policy = "manual" }))
  local agent = t.ok(spawn(d))
  t.eq({ agent.provision.result, agent.provision.code }, { "skipped", "PolicyManual" })
  t.eq(d:read(ENV), nil)
  local row = d:call("get-tenant", { tenant_id = "t" })
  t.eq({ row.status, row.last_result }, { "provisioned", nil })
  local _, e = spawn(d, { provision = "before" })
  t.eq({ e and e.code, e and e.message:find("PolicyManual", 1, true) ~= nil }, { "ProvisionFailed", true })
  t.eq(t.ok(d:call("provision-tenant", { tenant_id = "t" })).result, "provisioned", "when asked")
  t.eq(t.ok(d:call("provision-tenant", { all = true }))[1].result, "unchanged", "when everybody is asked")
  agent = spawn(d, { jail_root = d.base .. "/t/other" })
  t.eq(agent.provision.code, "RootMismatch", "the guards come first")
end)

t.test("interval: what changes in the vault arrives by itself, and the hook is told", function()
  local d <close> = daemon("A=canary-1\n", { files = { ["site/hooks/env_changed/remember.lua"] = HOOK } })
  t.ok(policy(d, { policy = "interval", interval = 1, on_change = "hook" }))
  local agent = t.ok(spawn(d))
  t.eq({ agent.provision.result, agent.provision.action.action, agent.provision.action.agents },
    { "provisioned", "hook", 0 }, "the agent that is being spawned does not count")
  d:tree { ["vault/t.env"] = "A=canary-2\nB=canary-b\n" }
  t.eventually(function() return d:read(ENV) == "A=canary-2\nB=canary-b\n" end, 20)
  local told = t.eventually(function()
    local lines = {}
    for line in (d:read "vault/told" or ""):gmatch("[^\n]+") do
      lines[#lines + 1] = json.decode(line)
    end
    return lines[2]
  end)
  t.eq({ told.tenant_id, told.jail_root, told.added, told.removed, told.changed, told.agents },
    { "t", d.base .. "/t/root", { "B" }, {}, { "A" }, { agent.agent_id } })
  -- The daemon's own changes are in the audit; what changes nothing is not.
  local audit = t.ok(d:call("audit", { subject = "t", limit = 100 }))
  local refreshes = 0
  for _, row in ipairs(audit) do
    if row.command == "refresh" then
      refreshes = refreshes + 1
      t.eq({ row.uid, row.result, json.decode(row.detail).added }, { -1, "provisioned", { "B" } })
    end
  end
  t.eq(refreshes, 1)
  -- A failure is remembered, and the next try works.
  d:tree { ["vault/t.env"] = "1=x\n" }
  t.eventually(function() return d:call("get-tenant", { tenant_id = "t" }).last_result == "failed" end, 20)
  t.eq(d:read(ENV), "A=canary-2\nB=canary-b\n")
  t.eq(d:call("get-tenant", { tenant_id = "t" }).status, "active")
  d:tree { ["vault/t.env"] = "BOOM=canary-3\n" }
  t.eventually(function() return d:read(ENV) == "BOOM=canary-3\n" end, 20)
  -- No more once it is taken away.
  t.ok(d:call("unprovision-tenant", { tenant_id = "t" }))
  t.eq(t.ok(d:call("check-tenant", { tenant_id = "t" })).drift, false)
  t.eq(d:call("get-tenant", { tenant_id = "t" }).status, "provisioned")
  d:stop()
  t.eq(d.log:find("canary", 1, true), nil)
end)

t.test("interval goes on after a restart of the daemon", function()
  local d <close> = daemon "A=1\n"
  t.ok(policy(d, { policy = "interval", interval = 86400 }))
  t.eq(d:call("get-tenant", { tenant_id = "t" }).refresh_at, nil, "not while it is not active")
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  local row = t.eventually(function()
    local now = d:call("get-tenant", { tenant_id = "t" })
    return now.refresh_at and now
  end)
  local left = row.refresh_at - row.provisioned_at
  t.ok(left > 86400 * 0.89 and left <= 86402, left)
  t.eq(d:call("list-tenants")[1].refresh_at ~= nil, true)
  t.ok(policy(d, { policy = "interval", interval = 1 }))
  d:crash()
  d:tree { ["vault/t.env"] = "A=2\n" }
  t.ok(d:start())
  t.eventually(function() return d:read(ENV) == "A=2\n" end, 20)
end)

t.test("a hook that fails is told in the reply; file and status stand", function()
  local d <close> = daemon("BOOM=1\n", { files = { ["site/hooks/env_changed/remember.lua"] = HOOK } })
  t.ok(policy(d, { on_change = "hook" }))
  local first = t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.eq({ first.result, first.action }, { "provisioned", { action = "hook", agents = 0, failed = 0 } })
  d:tree { ["vault/t.env"] = "BOOM=2\n" }
  local second = t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.eq({ second.result, second.action.failed, second.action.code, second.action.message },
    { "provisioned", 1, "TooLoud", "that was too loud" })
  t.eq(d:read(ENV), "BOOM=2\n")
  t.eq(d:call("get-tenant", { tenant_id = "t" }).status, "active")
  t.eq(json.decode(d:call("audit", { subject = "t", limit = 1 })[1].detail).action.code, "TooLoud")
  local same = t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.eq(same.action, nil, "no change, no action")
  -- Somebody touched the file: it is repaired, but the values are not others.
  d:tree { [ENV] = "BOOM=touched\n" }
  local repaired = t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.eq({ repaired.result, repaired.action }, { "provisioned", nil })
end)

t.test("signal: to the agents that run in the jail, also those of an earlier daemon", function()
  local d <close> = daemon "A=1\n"
  -- Each writes its own file when it hears of a change.
  local function listener(name, jail)
    local script = ("trap 'echo heard >>%s/%s' USR1; echo up >%s/%s; while :; do sleep 0.05; done"):format(d.dir, name,
      d.dir, name)
    return t.ok(d:call("spawn-agent", { provider = "local", model = "/bin/sh", jail_name = jail,
      arg = { "-c", script } }))
  end
  local function heard(name)
    local _, n = (d:read(name) or ""):gsub("heard", "")
    return n
  end
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.ok(policy(d, { on_change = "signal", signal = "USR1" }))
  listener("one", "t")
  listener("two", "t")
  listener("other", "u")
  for _, name in ipairs { "one", "two", "other" } do
    t.eventually(function() return d:read(name) end)
  end
  d:tree { ["vault/t.env"] = "A=2\n" }
  local dry = t.ok(d:call("provision-tenant", { tenant_id = "t", dry_run = true }))
  t.eq(dry.changed, { "A" })
  local done = t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.eq(done.action, { action = "signal", agents = 2, failed = 0 })
  t.eventually(function() return heard "one" == 1 and heard "two" == 1 end)
  d:crash()
  t.ok(d:start())
  d:tree { ["vault/t.env"] = "A=3\n" }
  t.eq(t.ok(d:call("provision-tenant", { tenant_id = "t" })).action.failed, 0)
  t.eventually(function() return heard "one" == 2 and heard "two" == 2 end)
  t.eq(heard "other", 0, "another jail's agent")
  t.eq(#d:call("list-agents"), 3, "all go on")
end)

t.test("restart: the jail's agents run anew and read the new values", function()
  local d <close> = daemon "A=1\n"
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.ok(policy(d, { on_change = "restart" }))
  local script = ("cat %s/%s >>%s/seen; exec sleep 60"):format(d.dir, ENV, d.dir)
  local agents = {}
  for i = 1, 2 do
    agents[i] = t.ok(spawn(d, { model = "/bin/sh", arg = { "-c", script } })).agent_id
  end
  t.eventually(function() return d:read "seen" == "A=1\nA=1\n" end)
  d:tree { ["vault/t.env"] = "A=2\n" }
  local done = t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.eq(done.action, { action = "restart", agents = 2, failed = 0 })
  t.eventually(function() return d:read "seen" == "A=1\nA=1\nA=2\nA=2\n" end)
  for _, agent_id in ipairs(agents) do
    local row = d:call("get-agent", { agent_id = agent_id })
    t.eq({ row.status, row.run }, { "running", 2 })
  end
  t.eq(t.ok(d:call("provision-tenant", { tenant_id = "t" })).action, nil)
end)

t.test("values that are others at each fetch: a restart does not go on for ever", function()
  local d <close> = scratch.daemon { vault = "fresh", files = { ["jails/t/root/"] = true,
    ["site/vault/fresh.lua"] = [[
local Session = {}
Session.__index = Session
local n = 0
function Session:fetch()
  n = n + 1
  return { { key = "TOKEN", value = "token-" .. n, item = "token" } }
end
function Session:close() self.closed = true end
return { api = 1, summary = "another token each time", open = function() return setmetatable({}, Session) end }
]] } }
  t.ok(d:call("register-tenant", { tenant_id = "t", jail_root_path = d.base .. "/t/root", collection_id = "t" }))
  t.ok(policy(d, { on_change = "restart" }))
  local one = t.ok(spawn(d))
  local two = t.ok(spawn(d)) -- its own provision restarts the first
  t.eq(two.provision.action, { action = "restart", agents = 1, failed = 0 })
  local done = t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.eq(done.action, { action = "restart", agents = 2, failed = 0 })
  t.eq({ d:call("get-agent", { agent_id = one.agent_id }).run, d:call("get-agent", { agent_id = two.agent_id }).run },
    { 3, 2 })
end)

t.test("a change while an action is done is told afterwards", function()
  local d <close> = daemon("A=1\n", { files = { ["site/hooks/env_changed/slow.lua"] = [[
return {
  api = 1,
  summary = "waits for a word",
  run = function(ctx, event)
    local root <close> = assert(ctx.fs.open_trusted(ctx.conf.vault_dir))
    assert(root:write("told", (root:read("told") or "") .. table.concat(event.changed, " ") .. ";"))
    repeat ctx.task.sleep(0.01) until ctx.fs.exists(ctx.conf.vault_dir .. "/go")
  end,
}
]] } })
  d:tree { ["vault/go"] = "" }
  t.ok(policy(d, { on_change = "hook" }))
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.ok(fs.open_trusted(d.dir)):unlink("vault/go")
  d:tree { ["vault/t.env"] = "A=2\n" }
  local conn = t.ok(client.connect(d.socket))
  local first = task.go(function() return conn:request({ cmd = "provision-tenant", tenant_id = "t" }, 60) end)
  t.eventually(function() return d:read("vault/told") == ";A;" end)
  d:tree { ["vault/t.env"] = "A=2\nB=1\n" }
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  d:tree { ["vault/t.env"] = "A=3\nB=2\n" }
  local second = t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.eq({ second.result, second.action }, { "provisioned", nil })
  d:tree { ["vault/go"] = "" }
  t.eq(first:wait().data.action.failed, 0)
  conn:close()
  t.eq(d:read("vault/told"), ";A;A B;", "once for all of them")
end)

t.test("a refresh that is on its way brings nothing back", function()
  local d <close> = scratch.daemon { vault = "slow", files = { ["jails/t/root/"] = true, ["jails/u/"] = true, ["vault/go"] = "",
    ["site/vault/slow.lua"] = [[
local Session = {}
Session.__index = Session
function Session:fetch()
  local ctx = self.ctx
  if not ctx.fs.exists(ctx.conf.vault_dir .. "/go") then
    local root <close> = assert(ctx.fs.open_trusted(ctx.conf.vault_dir))
    assert(root:write("asked", ""))
    repeat ctx.task.sleep(0.01) until ctx.fs.exists(ctx.conf.vault_dir .. "/go")
  end
  return { { key = "A", value = "one", item = "a" } }
end
function Session:close() self.closed = true end
return { api = 1, summary = "waits for a word", open = function(ctx) return setmetatable({ ctx = ctx }, Session) end }
]] } }
  t.ok(d:call("register-tenant", { tenant_id = "t", jail_root_path = d.base .. "/t/root", collection_id = "t" }))
  t.ok(d:call("register-tenant", { tenant_id = "u", jail_root_path = d.base .. "/u", collection_id = "u" }))
  t.ok(policy(d, { policy = "interval", interval = 1 }))
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.ok(fs.open_trusted(d.dir)):unlink("vault/go")
  t.eventually(function() return fs.exists(d.dir .. "/vault/asked") end, 20)
  t.eq(t.ok(d:call("unprovision-tenant", { tenant_id = "t" })).env, "removed")
  d:tree { ["vault/go"] = "" }
  -- Served in turn: when this one is done, the refresh is.
  t.ok(d:call("provision-tenant", { tenant_id = "u" }))
  d:stop()
  t.ok(d.log:find("RefreshOff", 1, true), "the refresh has come to its end")
  t.eq(d:read(ENV), nil)
end)
