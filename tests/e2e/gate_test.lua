-- `--provision before`: an agent whose first act is to read .env never misses
-- it, and never runs when it could not be written. COLIBRI_TEST_STARTS=10000 for
-- as many starts.
local t = require "colibri.test"
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local stdio = require "core.stdio"
local task = require "core.task"

local STARTS = math.tointeger(tonumber(proc.environ "COLIBRI_TEST_STARTS" or "")) or 200

-- A daemon with one registered tenant.
local function daemon(backend)
  local d = scratch.daemon { backend = backend, log_level = "warn", files = { ["jails/g/root/work/"] = true,
    ["jails/g/root/proc/"] = true, ["jails/g/root/dev/"] = true, ["jails/g/root/tmp/"] = true, ["vault/g.env"] = "N=0\n" } }
  t.ok(d:call("register-tenant", { tenant_id = "g", collection_id = "g", jail_root_path = d.base .. "/g/root" }))
  return d
end

local function start(d, argv, more)
  local request = { model = argv[1], arg = { table.unpack(argv, 2) }, jail_name = "g", jail_root = d.base .. "/g/root",
    provision = "before", wait = "exit", timeout = 60 }
  for key, value in pairs(more or {}) do
    request[key] = value
  end
  return d:call("spawn-local", request)
end

-- N starts, each with a value that was never there before; the agent ends with 0
-- only when its first read finds it.
local function never_misses(d, n, argv_of)
  local root <close> = assert(fs.open_trusted(d.base .. "/g/root"))
  local missed = 0
  for i = 1, n do
    root:unlink(".env")
    d:tree { ["vault/g.env"] = "N=" .. i .. "\n" }
    local row, e = start(d, argv_of(i))
    missed = missed + ((row and row.exit_code == 0) and 0 or 1)
    if e then
      return t.ok(false, e)
    end
  end
  t.eq(missed, 0, n .. " starts")
end

t.test(("%d starts: the agent always finds what was just written"):format(STARTS), function()
  local d <close> = daemon "none"
  local env = d.base .. "/g/root/.env"
  never_misses(d, STARTS, function(i)
    return { "/bin/sh", "-c", ("read -r line <%s && [ \"$line\" = N=%d ]"):format(env, i) }
  end)
end)

-- A case inside bwrap; its jail has a shell.
local function jailed(name, fn)
  t.test(name, function()
    local bwrap = proc.find "bwrap"
    local can = bwrap and proc.run { bwrap, "--unshare-pid", "--bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
      "/bin/true", env = {} }
    if not can or can.code ~= 0 then
      return stdio.out("# SKIP " .. name .. ": bwrap cannot make namespaces here\n")
    end
    local d <close> = daemon "bwrap"
    d:furnish "jails/g/root"
    fn(d)
  end)
end

jailed("inside bwrap, too", function(d)
  never_misses(d, math.max(STARTS // 10, 5), function(i)
    return { "/bin/sh", "-c", ("read -r line </.env && [ \"$line\" = N=%d ]"):format(i) }
  end)
end)

-- A hook that keeps agents held until the file `open` is there, and provisions then.
local SLOW = [[
return { api = 1, summary = "x", before = { "provision" }, run = function(ctx)
  local dir <close> = assert(ctx.fs.open_trusted(ctx.conf.jail_root_base))
  while not dir:stat("g/open") do
    ctx.task.sleep(0.01)
  end
end }]]

-- The last of the agent's descendants, and which of its namespaces are ours.
local WHERE = [[
p=$1; while c=$(cat /proc/$p/task/$p/children) && [ -n "$c" ]; do p=${c%% *}; done
echo "$p"
for n in pid ipc uts mnt; do a=$(readlink /proc/$p/ns/$n); b=$(readlink /proc/self/ns/$n); [ "$a" = "$b" ] && echo same-$n; done
tr '\0' ' ' </proc/$p/cmdline]]

local function where(pid)
  local r = t.ok(proc.run { "/bin/sh", "-c", WHERE, "sh", tostring(pid), env = { PATH = "/usr/bin:/bin" } })
  return tonumber(r.stdout:match("^%d+")), r.stdout:match("\n(.*)$")
end

jailed("the agent is held inside its jail, and the same process becomes the agent", function(d)
  d:tree { ["site/hooks/spawn_held/slow.lua"] = SLOW }
  t.ok(d:call("reload"))
  local conn <close> = d:connect()
  task.go(function()
    conn:request({ cmd = "spawn-local", model = "/bin/sh", arg = { "-c", "while :; do :; done", "the agent" },
      jail_name = "g", jail_root = d.base .. "/g/root", provision = "before", limit = { "cpu=20" } }, 60)
  end)
  local function agent() return d:call("list-agents")[1] end
  t.eventually(agent)
  local dir = "state/agents/" .. agent().agent_id .. "/info"
  local pid
  t.eventually(function()
    pid = (d:read(dir) or ""):match("\npid=(%d+)")
    local _, words = where(pid or "0")
    return words and words:find("colibri: inside", 1, true)
  end)
  local held, words = where(pid)
  t.eq(words:find("same-", 1, true), nil, words)
  t.ok(words:find("^/bin/sh %-c "), words)
  t.eq(agent().status, "starting")
  t.eq(d:stat("jails/g/root/.env"), nil)
  d:tree { ["jails/g/open"] = "" }
  t.eventually(function() return agent().status == "running" end)
  t.ok(d:stat("jails/g/root/.env"))
  local now, it = where(pid)
  t.eq(now, held)
  t.ok(it:find("the agent", 1, true), it)
  t.eq(agent().provision_result, "provisioned")
end)

jailed("what is sent to it comes behind the gate; without input its stdin is empty", function(d)
  local row = t.ok(start(d, { "/bin/sh", "-c", "read -r a; [ \"$a\" = hello ]" }, { prompt = "hello" }))
  t.eq(row.exit_code, 0)
  row = t.ok(start(d, { "/bin/sh", "-c", "read -r a; exit $((${#a} + 10 * $?))" }))
  t.eq(row.exit_code, 10)
end)

jailed("a jail that cannot be entered: the launcher's reason, and no secret written", function(d)
  local root <close> = assert(fs.open_trusted(d.base .. "/g/root"))
  local e = t.err("JailNotEntered", start(d, { "/bin/agent" }, { cwd = "/nowhere" }))
  t.ok(e.message:find("the launcher ended with status 1 outside the jail: bwrap: Can't chdir to /nowhere", 1, true),
    e.message)
  t.eq(root:stat(".env"), nil)
  t.ok(d:call("list-agents", { all = true })[1].reason:find("^JailNotEntered"))
end)

jailed("without a sh in the jail, or if a site wants it so, it is held in front of the launcher", function(d)
  local root <close> = assert(fs.open_trusted(d.base .. "/g/root"))
  t.eq(start(d, { "/bin/sh", "-c", "read -r line </.env" }).exit_code, 0)
  d:tree { ["site/jail/bwrap.lua"] = [[
local shipped = stock()
return { api = 1, summary = shipped.summary, hold = "exec", launch = shipped.launch }]] }
  t.ok(d:call("reload"))
  root:unlink(".env")
  t.eq(start(d, { "/bin/sh", "-c", "read -r line </.env" }).exit_code, 0)
  local site <close> = assert(fs.open_trusted(d.dir .. "/site"))
  site:unlink("jail/bwrap.lua")
  t.ok(d:call("reload"))
  root:unlink("bin/sh")
  root:unlink(".env")
  t.eq(start(d, { "/bin/sh" }).exit_code, 1) -- the agent's own
  t.ok(root:stat(".env"))
end)

t.test("a launcher that never gets there can be stopped", function()
  local d <close> = daemon "none"
  d:tree { ["site/jail/none.lua"] = [[
return { api = 1, summary = "x", launch = function() return { "/bin/sleep", "1000" } end }]],
    ["jails/g/root/bin/sh"] = "" }
  t.ok(d:call("reload"))
  local conn <close> = d:connect()
  local spawn = task.go(function() return conn:request({ cmd = "spawn-local", model = "/bin/agent", jail_name = "g",
    jail_root = d.base .. "/g/root", provision = "before" }, 60) end)
  t.eventually(function() return #d:call("list-agents") == 1 end)
  t.ok(d:call("stop-agent", { agent_id = d:call("list-agents")[1].agent_id }))
  local reply = t.ok(spawn:wait())
  t.eq({ reply.ok, reply.error.code }, { false, "Cancelled" })
  t.eq(d:stat("jails/g/root/.env"), nil)
end)

t.test("it never runs when provisioning failed, in any way", function()
  local d <close> = daemon "none"
  local ran = d.base .. "/g/root/ran"
  local argv = { "/bin/sh", "-c", "echo x >>" .. ran }
  local root <close> = assert(fs.open_trusted(d.base .. "/g/root"))
  local vault <close> = assert(fs.open_trusted(d.dir .. "/vault"))
  vault:unlink("g.env") -- no collection
  for _ = 1, 20 do
    t.err("ProvisionFailed", start(d, argv))
  end
  d:tree { ["vault/g.env"] = "not a line\n" }
  t.err("ProvisionFailed", start(d, argv))
  d:tree { ["vault/g.env"] = "N=1\n" }
  root:mkdir(".env", 0x1c0)
  t.err("ProvisionFailed", start(d, argv))
  t.err("ProvisionFailed", start(d, argv, { jail_root = d.base .. "/other/root" }))
  t.err("ProvisionFailed", start(d, argv, { jail_name = "nobody" }))
  t.eq(root:stat("ran"), nil)
  -- The daemon dies while the agent is held.
  d:tree { ["site/hooks/spawn_held/slow.lua"] = "return { api = 1, summary = 'x', run = function(ctx) ctx.task.sleep(1000) end }" }
  t.ok(d:call("reload"))
  local conn <close> = d:connect()
  task.go(function()
    conn:request({ cmd = "spawn-local", model = "/bin/sh", arg = { "-c", "echo x >>" .. ran }, jail_name = "g",
      jail_root = d.base .. "/g/root", provision = "before" }, 30)
  end)
  t.eventually(function() return #d:call("list-agents") == 1 end)
  local id = d:call("list-agents")[1].agent_id
  t.eventually(function() return d:stat("state/agents/" .. id .. "/lock") end)
  d:crash()
  local site <close> = assert(fs.open_trusted(d.dir .. "/site"))
  site:unlink("hooks/spawn_held/slow.lua")
  t.ok(d:start())
  t.eventually(function() return d:call("get-agent", { agent_id = id }).status == "lost" end)
  t.eq(root:stat("ran"), nil)
  t.eq(#d:call("list-agents"), 0)
end)
