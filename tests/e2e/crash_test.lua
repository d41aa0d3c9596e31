-- A daemon killed at any instant: .env is the old content or the new one, the
-- database opens clean and holds what was acknowledged, nothing is in the way
-- of the next daemon.
local t = require "colibri.test"
local core_db = require "core.db"
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"
local task = require "core.task"

local ROUNDS = 100
local REGISTRARS = 3
local KEYS = 200 -- some 12 KiB, so that a torn file would show
local MOST_TICKS = 30 -- status replies to wait for, at most

local FILES = { ["jails/proof0/root/"] = true }

-- What vault and .env hold after change number n: plain values, sorted keys.
local function content(n)
  local lines = {}
  for i = 1, KEYS do
    lines[i] = ("KEY_%03d=%d-%s\n"):format(i, n, ("v"):rep(40))
  end
  return table.concat(lines)
end

-- What is known about one run: the number of the last change of the vault, of
-- the last one whose provision was acknowledged, and all registered names.
local function new_run(d)
  return { d = d, changed = 0, acked = 0, names = {}, asked = 0, torn = 0 }
end

local function change_vault(run)
  local n = run.changed + 1
  run.d:tree { ["vault/proof0.env"] = content(n) }
  run.changed = n
end

-- Provision again and again, each time from another content, until the daemon is gone.
local function keep_provisioning(run, conn)
  repeat
    change_vault(run)
    local n = run.changed
    local reply = conn:request({ cmd = "provision-tenant", tenant_id = "proof0" }, 30)
    if reply then
      t.ok(reply.ok, reply.error and reply.error.code)
      run.acked = n
    end
  until not reply
end

local function keep_registering(run, conn, fresh)
  repeat
    run.asked = run.asked + 1
    local name = "t" .. run.asked
    local reply = conn:request({ cmd = "register-tenant", tenant_id = name, collection_id = name,
      jail_root_path = run.d.base .. "/proof0/root" }, 30)
    if reply then
      t.ok(reply.ok, reply.error and reply.error.code)
      fresh[#fresh + 1] = name
    end
  until not reply
end

-- Load from several connections, a number of replies to `status`, KILL.
-- Returns the names that were acknowledged meanwhile.
local function crash_under_load(run, ticks)
  local d, tasks, conns, fresh = run.d, {}, {}, {}
  for i = 1, REGISTRARS + 1 do
    conns[i] = t.ok(d:connect())
    tasks[i] = task.go(i == 1 and keep_provisioning or keep_registering, run, conns[i], fresh)
  end
  for _ = 1, ticks do
    d:call("status")
  end
  d:crash()
  for i, one in ipairs(tasks) do
    one:wait()
    conns[i]:close()
  end
  return fresh
end

-- The content of .env is that of a change between the last acknowledged and the last.
local function check_env(run)
  local text, found = run.d:read("jails/proof0/root/.env"), nil
  for n = run.acked, run.changed do
    found = found or text == content(n) and n
  end
  t.ok(found, ("after %d of %d changes: .env is none of them"):format(run.acked, run.changed))
  local st = run.d:stat("jails/proof0/root/.env")
  t.eq({ st.mode, st.nlink, st.type }, { 0x180, 1, "file" })
end

local function check_database(run)
  local db = t.ok(core_db.open(run.d.dir .. "/colibri.sqlite"))
  t.eq(db:one("PRAGMA integrity_check").integrity_check, "ok")
  db:close()
end

local function jail_names(run)
  local root <close> = assert(fs.open(run.d.base, run.d.base .. "/proof0/root"))
  return root:list()
end

-- After the restart: acknowledged is there, and one provision leaves .env alone.
local function check_restarted(run, fresh)
  local d = run.d
  for _, name in ipairs(fresh) do
    t.ok(d:call("get-tenant", { tenant_id = name }), name .. " was acknowledged and is lost")
    run.names[#run.names + 1] = name
  end
  run.torn = run.torn + (#jail_names(run) > 1 and 1 or 0)
  t.ok(d:call("provision-tenant", { tenant_id = "proof0" }))
  run.acked = run.changed
  t.eq(jail_names(run), { ".env" }, "a stray file is left")
  check_env(run)
end

t.test(("KILL at %d instants of provisions and registrations"):format(ROUNDS), function()
  local d <close> = scratch.daemon { files = FILES, log_level = "warn" }
  local run, interrupted = new_run(d), 0
  change_vault(run)
  t.ok(d:call("register-tenant", { tenant_id = "proof0", collection_id = "proof0",
    jail_root_path = d.base .. "/proof0/root" }))
  t.ok(d:call("provision-tenant", { tenant_id = "proof0" }))
  run.acked = 1
  for round = 1, ROUNDS do
    local fresh = crash_under_load(run, round * 37 % MOST_TICKS)
    interrupted = interrupted + (run.changed > run.acked and 1 or 0)
    check_env(run)
    if round % 10 == 0 then
      check_database(run)
    end
    t.ok(fs.exists(d.socket), "a killed daemon leaves its socket")
    local ok, e = d:start()
    if not t.ok(ok, e and e.message) then
      return
    end
    check_restarted(run, fresh)
  end
  local there = {}
  for _, row in ipairs(d:call("list-tenants")) do
    there[row.tenant_id] = true
  end
  for _, name in ipairs(run.names) do
    t.ok(there[name], name .. " was acknowledged and is lost")
  end
  t.ok(#run.names >= ROUNDS // 2, ("only %d registrations were acknowledged"):format(#run.names))
  t.ok(interrupted >= ROUNDS // 4, ("only %d provisions were interrupted"):format(interrupted))
  d:stop()
  check_database(run)
end)

-- A second daemon with the same settings, but for those named.
local function second(d, other)
  other = other or {}
  return proc.run { sys.program "colibri-daemon", "--socket", other.socket or d.socket,
    "--db", other.db or d.dir .. "/colibri.sqlite", "--state-dir", other.state or d.dir .. "/state",
    "--jail-root-base", d.base, "--site-dir", d.dir .. "/site", "--vault", "file",
    "--vault-dir", d.dir .. "/vault", "--provider-env", d.dir .. "/provider.env", "--jail-backend", "none",
    env = { COLIBRI_SHARE_DIR = sys.conf.share_dir }, timeout = 20, cwd = "/" }
end

t.test("a second daemon refuses and leaves the first, its socket and its agents alone", function()
  local d <close> = scratch.daemon { files = FILES }
  local agent = t.ok(d:call("spawn-local", { model = sys.program "colibri-test-agent",
    arg = { "--step-ms", "50", "--hold-secs", "60" } }))
  local result = t.ok(second(d))
  t.eq(result.code, 1)
  t.ok(result.stderr:find("SocketInUse", 1, true), result.stderr)
  t.ok(not result.stderr:find("adopted", 1, true), "it must not touch the agents of the first: " .. result.stderr)
  for _, other in ipairs { { socket = d.dir .. "/b" }, { socket = d.dir .. "/b", db = d.dir .. "/b.sqlite" },
    { socket = d.dir .. "/b", state = d.dir .. "/b-state" } } do
    result = t.ok(second(d, other))
    t.eq(result.code, 1)
    t.ok(result.stderr:find("is locked by process %d+ code=StateInUse"), result.stderr)
    t.ok(not result.stderr:find("agent", 1, true), result.stderr)
  end
  local conn <close> = t.ok(d:connect())
  t.ok(conn:request({ cmd = "status" }, 10).ok)
  t.eventually(function() return d:call("get-agent", { agent_id = agent.agent_id }).state == "done" end)
  local row = d:call("get-agent", { agent_id = agent.agent_id })
  t.eq({ row.status, row.adopted }, { "running", nil })
  t.eq(t.ok(d:call("stop-agent", { agent_id = agent.agent_id })).status, "exited")
end)

-- What a hook that is killed leaves: an agent that runs and can be told apart,
-- or one that was never let go and is gone.
local LOOP = [[return { api = 1, summary = "loop", run = function() while true do end end }]]

for _, case in ipairs { { "spawn_held", "failed" }, { "spawn_after", "running" } } do
  local event, want = case[1], case[2]
  t.test(("a hook killed in %s leaves the agent %s"):format(event, want), function()
    local d <close> = scratch.daemon { flags = { "--script-instructions", "3000000" },
      files = { ["jails/proof0/root/"] = true, ["site/hooks/" .. event .. "/loop.lua"] = LOOP } }
    t.err("BudgetExceeded", d:call("spawn-local", { model = sys.program "colibri-test-agent", jail_name = "proof0",
      jail_root = d.base .. "/proof0/root", provision = event == "spawn_held" and "before" or "after" }))
    t.eventually(function()
      local row = d:call("list-agents", { all = true })[1]
      return row and row.status == want and (want == "failed" or row.pid ~= nil)
    end, 3)
  end)
end

t.test("a daemon killed before it has provisioned: the next one does", function()
  local d <close> = scratch.daemon { files = { ["jails/proof0/root/"] = true, ["vault/proof0.env"] = "A=1\n",
    ["site/hooks/spawn_after/slow.lua"] =
      "return { api = 1, summary = 'x', before = { 'provision' }, run = function(ctx) ctx.task.sleep(1000) end }" } }
  t.ok(d:call("register-tenant", { tenant_id = "proof0", collection_id = "proof0", jail_root_path = d.base .. "/proof0/root" }))
  local conn <close> = d:connect()
  task.go(function()
    conn:request({ cmd = "spawn-local", model = "/bin/sleep", arg = { "1000" }, jail_name = "proof0",
      jail_root = d.base .. "/proof0/root" }, 60)
  end)
  t.eventually(function()
    local row = d:call("list-agents")[1]
    return row and d:stat("state/agents/" .. row.agent_id .. "/info")
  end)
  d:crash()
  local site <close> = assert(fs.open_trusted(d.dir .. "/site"))
  site:unlink("hooks/spawn_after/slow.lua")
  t.ok(d:start())
  t.eventually(function() return d:stat("jails/proof0/root/.env") end)
  t.eventually(function() return d:call("list-agents")[1].provision_result == "provisioned" end)
  local row = d:call("list-agents")[1]
  t.eq({ row.status, row.adopted, d:read("jails/proof0/root/.env") }, { "running", true, "A=1\n" })
end)

t.test("a plain file in the socket's place is left alone", function()
  local d <close> = scratch.daemon { files = { ["run/sock"] = "mine" }, start = false }
  local result = t.ok(second(d))
  t.eq(result.code, 1)
  t.ok(result.stderr:find("SocketInUse", 1, true), result.stderr)
  t.eq(d:read("run/sock"), "mine")
end)
