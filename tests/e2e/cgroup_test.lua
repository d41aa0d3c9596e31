-- memory.max, pids.max and cpu.max for real, in a cgroup (v2) whose controllers
-- are ours to pass on: COLIBRI_TEST_CGROUP, else below the root of the tree.
-- Where there is none the cases are skipped.
local t = require "colibri.test"
local agent = require "core.agent"
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local stdio = require "core.stdio"
local sys = require "core.sys"

local ABOVE = proc.environ "COLIBRI_TEST_CGROUP" or "/sys/fs/cgroup"
local BASE = ABOVE .. "/colibri-test-" .. sys.pid

local function sh(script, ...)
  local run = { "/bin/sh", "-c", script, "sh", ... }
  run.env = { PATH = "/usr/sbin:/usr/bin:/sbin:/bin" }
  return proc.run(run)
end

local Base = { __close = function() sh('rmdir "$1"', BASE) end }

-- A base of our own that has this controller | nil, why.
local function base(...)
  if sys.platform ~= "linux" or sh('[ -e "$1/cgroup.controllers" ] && mkdir "$1/colibri-test-$2"', ABOVE,
    tostring(sys.pid)).code ~= 0 then
    return nil, "no cgroup (v2) to write to: " .. ABOVE
  end
  local made = setmetatable({}, Base)
  local has = " " .. sh('cat "$1/cgroup.controllers"', BASE).stdout:gsub("\n", " ") .. " "
  for _, name in ipairs { ... } do
    if not has:find(" " .. name .. " ", 1, true) then
      Base.__close()
      return nil, ("%s does not pass on the controller '%s'"):format(ABOVE, name)
    end
  end
  return made
end

local function case(controllers, name, fn)
  t.test(name, function()
    local made <close>, why = base(table.unpack(controllers))
    if not made then
      return stdio.out("# SKIP " .. name .. ": " .. why .. "\n")
    end
    fn()
    t.eq(sh('ls -d "$1"/*/', BASE).stdout, "", "no cgroup is left")
  end)
end

local function daemon(options)
  options = options or {}
  options.flags, options.log_level = { "--cgroup", BASE }, "warn"
  return scratch.daemon(options)
end

local function spawn(d, script, limit, args)
  local request = { model = "/bin/sh", arg = { "-c", script }, limit = limit }
  for key, value in pairs(args or {}) do
    request[key] = value
  end
  return t.ok(d:call("spawn-local", request))
end

local function get(d, row)
  return t.ok(d:call("get-agent", { agent_id = row.agent_id }))
end

local function gone(row)
  t.eventually(function() return not fs.exists(BASE .. "/" .. row.agent_id) end)
end

-- Doubles a word for ever. Without swap the kernel kills it.
local EATER = "x=0123456789abcdef; while :; do x=$x$x; done"

case({ "memory" }, "memory.max: killed, and the row says why", function()
  local d <close> = daemon()
  local a = spawn(d, EATER, { "memory.max=32M" }, { wait = "exit", timeout = 60 })
  local row = get(d, a)
  t.eq({ row.status, row.exit_signal, row.reason }, { "exited", 9, "memory.max: 1 of its processes killed" })
  gone(a)
  t.eventually(function() return get(d, a).used end) -- its shim is on its way out
  t.eq(get(d, a).used.oom_killed, 1)
  -- Only a child of the agent is killed, and the agent goes on.
  a = spawn(d, "(" .. EATER .. "); echo $? >" .. d.dir .. "/code; exit 3", { "memory.max=32M" },
    { wait = "exit", timeout = 60 })
  t.eq(d:read("code"), "137\n")
  row = get(d, a)
  t.eq({ row.exit_code, row.reason }, { 3, "memory.max: 1 of its processes killed" })
  gone(a)
  a = spawn(d, "exit 0", { "memory.max=32M" }, { wait = "exit", timeout = 60 })
  row = get(d, a)
  t.eq({ row.exit_code, row.reason }, { 0, nil })
  gone(a)
  t.eventually(function() return get(d, a).used end)
  t.eq(get(d, a).used.oom_killed, nil)
end)

case({ "pids" }, "pids.max: no further process", function()
  local d <close> = daemon()
  local a = spawn(d, [[for i in 1 2 3 4 5 6 7 8; do sleep 1000 & echo "$i" >>]] .. d.dir .. "/n; done", { "pids.max=4" },
    { wait = "exit", timeout = 60 })
  t.ok(get(d, a).exit_code > 0)
  t.eq(d:read("n"), "1\n2\n3\n")
  gone(a)
end)

case({ "cpu" }, "cpu.max: throttled", function()
  local d <close> = daemon()
  local a = spawn(d, "while :; do :; done", { "cpu.max=10%" })
  t.eq(sh('cat "$1/cpu.max"', BASE .. "/" .. a.agent_id).stdout, "10000 100000\n")
  t.eventually(function()
    return (tonumber(sh('cat "$1/cpu.stat"', BASE .. "/" .. a.agent_id).stdout:match("nr_throttled (%d+)")) or 0) > 4
  end, 30)
  t.ok(get(d, a).used.cpu_usec > 0)
  t.ok(d:call("stop-agent", { agent_id = a.agent_id, grace = 0 }))
  gone(a)
end)

case({ "memory", "pids", "cpu" }, "all of them; get-agent tells limits and what is in use", function()
  local d <close> = daemon()
  local limit = { "memory.max=64M", "pids.max=20", "cpu.max=150%" }
  local a = spawn(d, "sleep 1000 & sleep 1000 & echo x >" .. d.dir .. "/up; wait", limit)
  t.eventually(function() return d:stat("up") end)
  local row = get(d, a)
  t.eq(row.limits, limit)
  t.eq(row.used.pids, 3)
  t.ok(row.used.memory > 0 and row.used.cpu_usec > 0 and row.used.rss > 0)
  local dir = BASE .. "/" .. a.agent_id
  t.eq(sh('cat "$1/memory.max" "$1/pids.max" "$1/cpu.max"', dir).stdout, "67108864\n20\n150000 100000\n")
  t.ok(d:call("stop-agent", { agent_id = a.agent_id }))
  gone(a)
  t.eq(t.ok(d:call("restart-agent", { agent_id = a.agent_id })).run, 2)
  t.eq(sh('cat "$1/pids.max"', dir).stdout, "20\n", "its next run has them, too")
  t.ok(d:call("stop-agent", { agent_id = a.agent_id }))
  gone(a)
end)

case({ "pids" }, "kill -9 of the daemon: the cgroup stays, is known again, and goes with the agent", function()
  local d <close> = daemon()
  local a = spawn(d, "sleep 1000 & until [ -e " .. d.dir .. "/end ]; do :; done", { "pids.max=20", "cpu=60" })
  t.ok(d:crash())
  t.ok(fs.exists(BASE .. "/" .. a.agent_id))
  t.ok(d:start())
  local row = get(d, a)
  t.eq({ row.adopted, row.limits, row.used.pids }, { true, { "pids.max=20", "cpu=60" }, 2 })
  t.ok(d:crash())
  d:tree { ["end"] = "" }
  gone(a)
  t.ok(d:start())
  t.eq(get(d, a).exit_code, 0)
end)

case({ "pids" }, "kill -9 of the shim, with and without a daemon: what is in the cgroup goes, then it", function()
  local d <close> = daemon()
  for _, crash in ipairs { false, true } do
    -- A process that no sign of ours is on: an empty environment, another session.
    local a = spawn(d, "env -i setsid sleep 1000 & echo x >" .. d.dir .. "/up; exec sleep 1000", { "pids.max=20" })
    t.eventually(function() return get(d, a).used.pids == 2 end)
    local shim = agent.find(d.dir .. "/state/agents/" .. a.agent_id).shim
    if crash then
      t.ok(d:crash())
    end
    sh("kill -9 $1", tostring(shim))
    if crash then
      t.ok(d:start())
    end
    t.eventually(function() return get(d, a).status == "lost" end)
    gone(a)
  end
end)

case({ "pids" }, "a spawn that fails leaves none; neither does an agent that makes some", function()
  local d <close> = daemon()
  d:tree { ["bad"] = "#!/none/such\n" }
  sh('chmod 755 "$1/bad"', d.dir)
  t.err("ExecFailed", d:call("spawn-local", { model = d.dir .. "/bad", limit = { "pids.max=5" } }))
  local a = spawn(d, "for g in " .. BASE .. "/*; do mkdir -p $g/a/b/c $g/d; done; exit 0", { "pids.max=5" },
    { wait = "exit", timeout = 60 })
  gone(a)
end)

case({ "pids" }, "a base with processes in it can pass nothing on", function()
  local d <close> = daemon()
  local sleeper = t.ok(proc.start { "/bin/sleep", "1000", env = {} })
  sh('echo "$2" >"$1/cgroup.procs"', BASE, tostring(sleeper:pid()))
  local e = t.err("LimitUnavailable", d:call("spawn-local", { model = "/bin/sh", limit = { "pids.max=5" } }))
  t.ok(e.message:find("itself, such as " .. sleeper:pid(), 1, true), e.message)
  sleeper:kill(9)
  sleeper:wait()
end)

-- Every launcher that runs here: all of the jail is in the cgroup.
for backend, program in pairs { bwrap = "bwrap", nspawn = "systemd-nspawn" } do
  case({ "memory", "pids" }, backend .. ": the whole jail is in it, and it goes with what the launcher made", function()
    if not proc.find(program) or sys.uid ~= 0 and backend == "nspawn" then
      return stdio.out("# SKIP no " .. program .. " here\n")
    end
    local d <close> = daemon { backend = backend, files = { ["jails/j/root/usr/"] = true } }
    for _, name in ipairs { "proc", "dev", "tmp" } do
      d:tree { ["jails/j/root/" .. name .. "/"] = true }
    end
    d:furnish "jails/j/root"
    local jail = { jail_name = "j", jail_root = d.base .. "/j/root", wait = "exit", timeout = 60 }
    local a = spawn(d, "exit 0", {}, jail)
    if get(d, a).exit_code ~= 0 then
      return stdio.out("# SKIP " .. backend .. " does not run here\n")
    end
    a = spawn(d, EATER, { "memory.max=48M" }, jail)
    local row = get(d, a)
    t.ok(row.exit_code ~= 0 and row.reason == "memory.max: 1 of its processes killed", row.reason)
    gone(a)
    jail.wait, jail.timeout, jail.input = nil, nil, true
    a = spawn(d, "(read -r y) & read -r x", { "memory.max=48M", "pids.max=30" }, jail)
    t.eventually(function() return get(d, a).used.pids >= 3 end, 30)
    t.ok(get(d, a).used.memory > 0)
    t.ok(d:call("stop-agent", { agent_id = a.agent_id, grace = 1 }))
    gone(a)
  end)
end
