-- Reload that cannot hurt: under the load of many clients it loses no request and
-- leaks nothing; what runs finishes on the scripts it began with.
--
-- COLIBRI_TEST_RELOADS says how many reloads (100), COLIBRI_TEST_CLIENTS how many
-- clients (50).
local t = require "colibri.test"
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local task = require "core.task"

local RELOADS = math.tointeger(tonumber(proc.environ "COLIBRI_TEST_RELOADS" or 100))
local CLIENTS = math.tointeger(tonumber(proc.environ "COLIBRI_TEST_CLIENTS" or 50))

-- A command whose parts must all be of one generation.
local function probe(i)
  return ([[
local mine = %d
return { api = 1, summary = "x", access = "read", run = function(ctx)
  local before = ctx.gen.number
  ctx.task.sleep(0.001)
  return { mine = mine, same = ctx.gen.number == before, number = before }
end }
]]):format(i)
end

-- One client: requests one after the other until told to stop.
local function client(d, state)
  local conn = assert(d:connect())
  local last = 0
  while not state.stop do
    state.sent = state.sent + 1
    local reply, e = conn:request({ cmd = "probe", id = state.sent }, 60)
    if not reply or not reply.ok or not reply.data.same or reply.data.number < last then
      state.bad[#state.bad + 1] = e and tostring(e) or reply.error and reply.error.code or "mixed generations"
    else
      state.answered = state.answered + 1
      last = reply.data.number
    end
    task.sleep(0.005)
  end
  conn:close()
end

local function stats(d)
  local s = d:call("status", { full = true })
  return s.stats.lua_bytes, { tasks = s.stats.tasks, ops = s.stats.ops, fds = s.stats.fds, secrets = s.stats.secrets,
    open = s.server.open }
end

local generation = 0

local function reload(d)
  generation = generation + 1
  d:tree { ["site/commands/probe.lua"] = probe(generation) }
  return d:call("reload")
end

-- The least of a few: garbage of some generations is always there.
local function settled(d)
  local least, rest = math.huge, nil
  for _ = 1, 12 do
    local bytes
    t.ok(reload(d))
    bytes, rest = stats(d)
    least = math.min(least, bytes)
  end
  return least, rest
end

-- Clients that ask and ask: what they saw, their tasks.
local function start(d)
  local state, clients = { sent = 0, answered = 0, bad = {} }, {}
  for i = 1, CLIENTS do
    clients[i] = task.go(client, d, state)
  end
  t.eventually(function() return state.answered >= CLIENTS end, 60)
  return state, clients
end

local function finish(state, clients)
  state.stop = true
  for _, one in ipairs(clients) do
    one:wait()
  end
end

t.test(("%d reloads under the load of %d clients lose no request and leak nothing"):format(RELOADS, CLIENTS), function()
  local d <close> = scratch.daemon { log_level = "error", files = { ["site/commands/probe.lua"] = probe(0),
    ["site/hooks/authorize/zz.lua"] = "return { api = 1, summary = 'x', run = function(ctx) ctx.task.sleep(0) end }\n" } }
  -- What so many clients leave in the pool of tasks is there before, too.
  finish(start(d))
  local bytes, before = settled(d)
  local state, clients = start(d)
  for i = 1, RELOADS do
    if i % 10 == 5 then
      d:tree { ["site/commands/broken.lua"] = "return {" }
      t.err("ReloadFailed", d:call("reload"))
      assert(proc.run { "/bin/rm", d.dir .. "/site/commands/broken.lua" })
    end
    if not t.ok(reload(d)) then
      break
    end
  end
  finish(state, clients)
  t.eq(state.bad, {})
  t.eq(state.answered, state.sent, "every request was answered")
  t.ok(state.sent > RELOADS / 10 + CLIENTS, state.sent)
  t.eventually(function() return select(2, stats(d)).open == 1 end)
  local after, rest = settled(d)
  t.eq(rest, before, "tasks, ops, descriptors, secrets, connections")
  t.ok(after < bytes * 1.5 + 200000, ("Lua held %d bytes, now %d"):format(bytes, after))
  t.eq(d:call("status").generation, generation + 1)
end)

-- A vault whose fetch says that it began, and goes on when told.
local function vault(value)
  return ([[
return { api = 1, summary = "slow", open = function(ctx)
  return {
    fetch = function(_, collection)
      local dir = ctx.conf.vault_dir
      local root <close> = assert(ctx.fs.open_trusted(dir))
      root:write("began-" .. collection, "")
      while not ctx.fs.exists(dir .. "/go") do ctx.task.sleep(0.005) end
      return { { key = "VALUE", value = "%s", item = "VALUE" } }
    end,
    close = function() end,
  }
end }
]]):format(value)
end

t.test("a reload while spawns and provisions run lets them finish on the old scripts", function()
  local function hook(word)
    return "return { api = 1, summary = 'x', after = { 'provision' }, run = function(ctx, ev)\n" ..
      "ev.provision.message = '" .. word .. "' end }\n"
  end
  local d <close> = scratch.daemon { log_level = "error", vault = "slow", flags = { "--vault-idle", "0" }, files = {
    ["vault/"] = true, ["jails/a/root/"] = true, ["jails/b/root/"] = true,
    ["site/vault/slow.lua"] = vault("old"), ["site/hooks/spawn_after/zz.lua"] = hook("old") } }
  for _, id in ipairs { "a", "b" } do
    t.ok(d:call("register-tenant", { tenant_id = id, jail_root_path = d.base .. "/" .. id .. "/root", collection_id = id }))
  end
  local one, two, three = d:connect(), d:connect(), d:connect()
  local function spawn(conn)
    return conn:request({ cmd = "spawn-local", model = "/bin/true", jail_name = "a", jail_root = d.base .. "/a/root",
      provision = "before" }, 60)
  end
  local spawning = task.go(spawn, one)
  t.eventually(function() return fs.exists(d.dir .. "/vault/began-a") end)
  local provisioning = task.go(function() return two:request({ cmd = "provision-tenant", tenant_id = "b" }, 60) end)
  -- It waits for its turn: the daemon has one session with the vault.
  t.eventually(function() return d:call("status", { full = true }).vault.pending > 0 end)
  d:tree { ["site/vault/slow.lua"] = vault("new"), ["site/hooks/spawn_after/zz.lua"] = hook("new") }
  t.eq(d:call("reload").generation, 2)
  t.eq(d:call("status").generation, 2)
  t.eq({ spawning:done(), provisioning:done() }, { false, false })
  d:tree { ["vault/go"] = "" }
  local reply = spawning:wait()
  t.eq(reply.ok and { reply.data.provision.result, reply.data.provision.message }, { "provisioned", "old" },
    reply.error and reply.error.message)
  reply = provisioning:wait()
  t.eq(reply.ok and reply.data.result, "provisioned", reply.error and reply.error.message)
  t.eq(d:read("jails/a/root/.env"), "VALUE=old\n")
  t.eq(d:read("jails/b/root/.env"), "VALUE=old\n", "in the same session")
  -- The next ones are new.
  t.eventually(function() return not d:call("status", { full = true }).vault.open end)
  reply = spawn(three)
  t.eq(reply.ok and { reply.data.provision.result, reply.data.provision.message }, { "provisioned", "new" },
    reply.error and reply.error.message)
  t.eq(d:read("jails/a/root/.env"), "VALUE=new\n")
  one:close()
  two:close()
  three:close()
end)
