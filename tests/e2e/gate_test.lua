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

t.test("inside bwrap, too", function()
  local bwrap = proc.find "bwrap"
  local can = bwrap and proc.run { bwrap, "--unshare-pid", "--bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
    "/bin/true", env = {} }
  if not can or can.code ~= 0 then
    return stdio.out("# SKIP: bwrap cannot make namespaces here\n")
  end
  local d <close> = daemon "bwrap"
  d:furnish "jails/g/root"
  never_misses(d, math.max(STARTS // 10, 5), function(i)
    return { "/bin/sh", "-c", ("read -r line </.env && [ \"$line\" = N=%d ]"):format(i) }
  end)
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
