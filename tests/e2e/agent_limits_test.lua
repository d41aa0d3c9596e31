-- What an agent may use and where it begins, seen from inside, through each
-- launcher that runs here; readiness by descriptor 3.
local t = require "colibri.test"
local agent = require "core.agent"
local fs = require "core.fs"
local limits = require "colibri.agent_limits"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local stdio = require "core.stdio"
local sys = require "core.sys"

local SCRIPT = [[echo "nofile=$(ulimit -Sn):$(ulimit -Hn) fsize=$(ulimit -f) umask=$(umask) nice=$(nice) pwd=$(pwd) ]] ..
  [[tz=$TZ_PROBE bw=$BW_PASSWORD" >]]
local WANT = "nofile=77:99 fsize=2048 umask=0027 nice=5 pwd=%s tz=there bw=\n"
local LIMITS = { "nofile=77:99", "fsize=1M", "umask=027", "nice=5" }

local function run_inside(d, out, args)
  local request = { model = "/bin/sh", arg = { "-c", SCRIPT .. out }, limit = LIMITS, env = { "TZ_PROBE" }, wait = "exit",
    timeout = 60 }
  for key, value in pairs(args) do
    request[key] = value
  end
  local row = t.ok(d:call("spawn-local", request))
  t.eq({ row.status, row.exit_code }, { "exited", 0 })
end

local function daemon(options)
  options = options or {}
  options.env = { TZ_PROBE = "there", HOME = "/home/here", BW_PASSWORD = "no" }
  return scratch.daemon(options)
end

t.test("limits are parsed strictly", function()
  local out = t.ok(limits.parse { "nofile=1:unlimited", "as=2G", "cpu=5", "nice=-3", "umask=7", "memory.max=1K",
    "pids.max=9", "cpu.max=150%" })
  t.eq(out.words, { "nofile:1:unlimited", "as:2147483648:2147483648", "cpu:5:5", "nice:-3", "umask:7" })
  t.eq(out.group, { ["memory.max"] = 1024, ["pids.max"] = 9, ["cpu.max"] = 150 })
  for _, word in ipairs { "", "nofile", "nofile=", "nofile=x", "nofile=1K", "nofile=1:2:3", "as=99999999999999999999",
    "as=9999999T", "nice=21", "nice=x", "umask=9", "umask=7777", "memory.max=0", "memory.max=unlimited", "cpu.max=50",
    "cpu.max=0%", "nope=1", "/x=1", "nofile=-1" } do
    t.err("BadParameter", limits.parse { word })
  end
  t.err("BadParameter", limits.parse { "nice=1", "nice=2" })
  t.eq(limits.rctl_rules("j1", { ["memory.max"] = 1024, ["cpu.max"] = 50 }),
    { "jail:j1:memoryuse:deny=1024", "jail:j1:pcpu:deny=50" })
end)

t.test("no jail: limits, directory, environment; what cannot be set is an error of the spawn", function()
  local d <close> = daemon()
  d:tree { ["work/"] = true }
  run_inside(d, d.dir .. "/seen", { cwd = d.dir .. "/work" })
  t.eq(d:read("seen"), WANT:format(d.dir .. "/work"))
  t.ok(d:call("spawn-local", { model = "/bin/sh", arg = { "-c", "echo $HOME >" .. d.dir .. "/home" }, env = { "HOME" },
    wait = "exit" }))
  t.eq(d:read("home"), "/home/here\n", "what was asked for goes before what the provider sets")
  t.err("BadParameter", d:call("spawn-local", { model = "/bin/sh", limit = { "nope=1" } }))
  t.err("BadParameter", d:call("spawn-local", { model = "/bin/sh", env = { "BW_PASSWORD" } }))
  t.err("BadParameter", d:call("spawn-local", { model = "/bin/sh", env = { "A=B" } }))
  local e = t.err("ExecFailed", d:call("spawn-local", { model = "/bin/sh", limit = { "nofile=9:5" } }))
  t.ok(e.message:find("set limit 'nofile:9:5'", 1, true), e.message)
  t.err("ExecFailed", d:call("spawn-local", { model = "/bin/sh", cwd = d.dir .. "/none" }))
  t.err("LimitUnavailable", d:call("spawn-local", { model = "/bin/sh", limit = { "memory.max=64M" } }))
end)

t.test("get-agent tells limits and use", function()
  local d <close> = daemon()
  local id = t.ok(d:call("spawn-local", { model = "/bin/sh", arg = { "-c", "exec sleep 1000" }, limit = LIMITS })).agent_id
  local row = t.ok(d:call("get-agent", { agent_id = id }))
  t.eq(row.limits, LIMITS)
  if sys.platform == "linux" then
    t.ok(row.used.rss > 0 and row.used.threads == 1)
  end
  t.eq(t.ok(d:call("restart-agent", { agent_id = id })).run, 2)
  t.eq(d:call("get-agent", { agent_id = id }).limits, LIMITS, "kept for the next run")
end)

t.test("a line on descriptor 3 says ready; a word without its end does not", function()
  local d <close> = daemon()
  d:tree { ["go"] = "" }
  local id = t.ok(d:call("spawn-local", { model = "/bin/sh", ready = "fd",
    arg = { "-c", "printf hal >&3; while [ -e " .. d.dir .. "/go ]; do sleep 0.02; done; echo lo >&3; exec sleep 1000" } })).agent_id
  t.eq(d:call("get-agent", { agent_id = id }).ready, false)
  t.err("DeadlineExceeded", d:call("wait-agent", { agent_id = id, ["for"] = "ready", timeout = 0.1 }))
  local root <close> = t.ok(fs.open_trusted(d.dir))
  root:unlink("go")
  t.ok(t.ok(d:call("wait-agent", { agent_id = id, ["for"] = "ready", timeout = 60 })).ready_at)
  local plain = t.ok(d:call("spawn-local", { model = "/bin/sh", arg = { "-c", "echo x >&3" }, wait = "exit" }))
  t.ok(plain.exit_code > 0, "without --ready fd there is no such descriptor")
end)

local CGROUPS = "/sys/fs/cgroup/unified/colibri-test-" .. sys.pid

t.test("a cgroup of its own: entered, removed; a controller that is not there is told", function()
  if sys.platform ~= "linux" or proc.run({ "/bin/mkdir", CGROUPS }).code ~= 0 then
    return stdio.out("# SKIP: no cgroup (v2) to write to\n")
  end
  local _ <close> = setmetatable({}, { __close = function() proc.run { "/bin/rmdir", CGROUPS } end })
  local d <close> = daemon { flags = { "--cgroup", CGROUPS } }
  local e = t.err("LimitUnavailable", d:call("spawn-local", { model = "/bin/sh", limit = { "memory.max=64M" } }))
  t.ok(e.message:find("'memory' is not delegated", 1, true), e.message)
  local n = 0
  local function start(limits_, script)
    n = n + 1 -- the shim of the one before may not be gone yet
    return agent.start { id = "cg", dir = d.dir .. "/cg" .. n, shim = sys.program "colibri-agent-shim",
      argv = { "/bin/sh", "-c", script }, env = {}, limits = limits_ }
  end
  local a = t.ok(start({ "cgroup:" .. CGROUPS .. "/cg" }, "exec cat /proc/self/cgroup >" .. d.dir .. "/seen"))
  t.eq(a:wait().code, 0)
  t.ok(d:read("seen"):find("/colibri-test-" .. sys.pid .. "/cg\n", 1, true), d:read("seen"))
  t.eventually(function() return not fs.exists(CGROUPS .. "/cg") end)
  e = t.err("ExecFailed", start({ "cgroup:" .. CGROUPS .. "/cg", "cgset:memory.max=1" }, "exit 0"))
  t.ok(e.message:find("set limit 'cgset:memory.max=1'", 1, true), e.message)
  t.eventually(function() return not fs.exists(CGROUPS .. "/cg") end)
end)
