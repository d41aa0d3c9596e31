-- agents.lua - what agents.sh measures. AGENTS (1000) agents write ten lines a
-- second each; one agent writes FLAT_MB (256) as fast as it can.
local clock = require "core.clock"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local stdio = require "core.stdio"
local t = require "colibri.test"
local task = require "core.task"

local BUILD = proc.environ "BUILD"
local AGENTS = math.tointeger(tonumber(proc.environ "AGENTS" or "1000"))
local FLAT_MB = math.tointeger(tonumber(proc.environ "FLAT_MB" or "256"))
local REQUESTS = math.tointeger(tonumber(proc.environ "STATUS_REQUESTS" or "2000"))
local SPAWNERS = 8

local function say(fmt, ...)
  stdio.out(("# " .. fmt .. "\n"):format(...))
end

-- Private memory of processes, in KiB: the sum, and how many they are.
local function private(command)
  local out = proc.run { "/bin/sh", "-c", command .. [[ | while read -r p; do
    awk '/^Private_(Clean|Dirty):/ { s += $2 } END { print s }' "/proc/$p/smaps_rollup" 2>/dev/null; done |
    awk '{ s += $1; n++ } END { print s + 0, n + 0 }']], env = { PATH = "/usr/bin:/bin" } }
  local sum, n = out.stdout:match("(%d+) (%d+)")
  return tonumber(sum), tonumber(n)
end

-- CPU seconds of a process so far.
local function cpu(pid)
  local out = proc.run { "/bin/sh", "-c", "awk '{ print ($14 + $15) / 100 }' /proc/" .. pid .. "/stat",
    env = { PATH = "/usr/bin:/bin" } }
  return tonumber(out.stdout)
end

-- Latencies of `status`, paced: p50, p99, worst, in ms.
local function latencies(d)
  local list = {}
  for i = 1, REQUESTS do
    local before = clock.monotonic()
    assert(d:call("status"))
    list[i] = (clock.monotonic() - before) * 1000
    task.sleep(0.002)
  end
  table.sort(list)
  return list[REQUESTS // 2], list[REQUESTS * 99 // 100], list[REQUESTS]
end

t.test("many agents", function()
  local d <close> = scratch.daemon { log_level = "error", flags = { "--max-connections", "1000" } }
  local pid = d:call("status").pid
  local idle = private("echo " .. pid)
  say("status, no agent:    p50 %6.2f ms  p99 %6.2f ms  worst %6.2f ms", latencies(d))
  local began = clock.monotonic()
  local tasks = {}
  for i = 1, SPAWNERS do
    tasks[i] = task.go(function()
      local conn <close> = d:connect()
      for _ = 1, AGENTS // SPAWNERS do
        local reply = conn:request({ cmd = "spawn-local", model = BUILD .. "/bench/ticker" }, 120)
        assert(reply and reply.ok, reply and reply.error and reply.error.message)
      end
    end)
  end
  for _, one in ipairs(tasks) do
    assert(one:wait() ~= nil or true)
  end
  local n = d:call("status").agents
  say("%d agents spawned in %.1f s", n, clock.monotonic() - began)
  local used, at = cpu(pid), clock.monotonic()
  say("status, %4d agents: p50 %6.2f ms  p99 %6.2f ms  worst %6.2f ms   (aim: p99 below 20)", n, latencies(d))
  say("the daemon used %.0f%% of a core meanwhile", 100 * (cpu(pid) - used) / (clock.monotonic() - at))
  local busy = private("echo " .. pid)
  local shims, count = private("for p in /proc/[0-9]*; do case $(readlink $p/cwd) in " .. d.dir ..
    "/state/*) echo ${p#/proc/} ;; esac; done")
  say("private memory: daemon %d KiB idle, %d KiB with %d agents: %.1f KiB each; shim %.0f KiB each (%d)", idle, busy, n,
    (busy - idle) / n, shims / math.max(count, 1), count)
  local stopping = clock.monotonic()
  t.ok(d:call("stop-agent", { all = true }))
  say("all stopped in %.1f s", clock.monotonic() - stopping)
  t.eq(n, AGENTS // SPAWNERS * SPAWNERS)
end)

t.test("one agent, flat out", function()
  local d <close> = scratch.daemon { log_level = "error", flags = { "--log-size", tostring(64 * 1024 * 1024) } }
  local bytes = FLAT_MB * 1024 * 1024
  local source = "yes 0123456789012345678901234567890123456789012345678901234567890123456789012345678 | head -c " .. bytes
  local ratios = {}
  for round = 1, 5 do
    local began = clock.monotonic()
    assert(proc.run({ "/bin/sh", "-c", source .. " | cat >" .. d.dir .. "/cat.out; rm " .. d.dir .. "/cat.out",
      env = { PATH = "/usr/bin:/bin" } }).code == 0)
    local cat = clock.monotonic() - began
    began = clock.monotonic()
    local a = assert(d:call("spawn-agent", { provider = "local", model = "/bin/sh", arg = { "-c", source }, wait = "exit" }))
    local agent = clock.monotonic() - began
    t.eq(a.exit_code, 0)
    ratios[round] = cat / agent
    say("flat out: cat %5.0f MB/s  agent %5.0f MB/s  ratio %.2f", FLAT_MB / cat, FLAT_MB / agent, ratios[round])
  end
  table.sort(ratios)
  say("flat out: median ratio %.2f   (aim: 0.50)", ratios[3])
end)
