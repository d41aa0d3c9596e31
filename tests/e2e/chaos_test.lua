-- Agents are spawned, stopped and killed, and so are shims and the daemon, at
-- random, for COLIBRI_TEST_CHAOS_SECONDS (12), one deed every COLIBRI_TEST_CHAOS_PACE
-- seconds (0.015) and as long as the last one took. Then tables, locks and processes
-- must agree, and nothing may be left over. COLIBRI_TEST_CHAOS_SEED repeats a run's dice.
local clock = require "core.clock"
local core_agent = require "core.agent"
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local t = require "colibri.test"
local task = require "core.task"

local SECONDS = tonumber(proc.environ "COLIBRI_TEST_CHAOS_SECONDS" or "") or 12
local PACE = tonumber(proc.environ "COLIBRI_TEST_CHAOS_PACE" or "") or 0.015
local SEED = math.tointeger(tonumber(proc.environ "COLIBRI_TEST_CHAOS_SEED" or "")) or math.floor(clock.now() * 1000)

local SCRIPTS = {
  "exec sleep 1000",
  "echo '{\"type\":\"turn_start\"}'; sleep 0.3; echo '{\"type\":\"turn_end\"}'; exit 3",
  "trap '' TERM; while :; do sleep 1000; done",
  "(setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1000; done' &); exec sleep 1000",
  "(setsid sh -c 'sleep 1000' &); exit 0",
  "i=0; while test $i -lt 2000; do i=$((i + 1)); echo '{\"type\":\"n\"}'; done; exec sleep 1000",
  "seq 1 100000; exec sleep 1000",
}

local function kill(signal, pid)
  if pid and pid > 1 then
    proc.run { "/bin/kill", "-" .. signal, tostring(pid), env = {} }
  end
end

local function dir_of(d, id)
  return d.dir .. "/state/agents/" .. id
end

local function restart(d, signal)
  if signal == "KILL" then
    d:crash()
  else
    t.eq(d:stop().code, 0)
  end
  t.ok(d:start())
end

-- What may happen; `id` is one of the agents so far.
local function spawn(d, ids, random)
  local a, e = d:call("spawn-agent", { provider = "local", model = "/bin/sh", arg = { "-c", SCRIPTS[random(#SCRIPTS)] },
    restart = random(5) == 1 and "on-failure" or nil })
  t.ok(a, e)
  ids[#ids + 1] = a and a.agent_id
end

local DEEDS = {
  { 10, spawn },
  { 5, function(d, _, random, id)
    local row, e = d:call("stop-agent", { agent_id = id, grace = random(0, 2) / 10 })
    t.ok(row or e.code == "AgentNotRunning" or e.code == "AgentLost", e)
  end },
  { 3, function(d, _, _, id) kill("KILL", (core_agent.find(dir_of(d, id)) or {}).pid) end },
  { 3, function(d, _, _, id) kill("KILL", (core_agent.find(dir_of(d, id)) or {}).shim) end },
  { 1, function(d) restart(d, "KILL") end },
  { 1, function(d) restart(d, "TERM") end },
  { 2, function(d) t.ok(d:call("list-agents", { all = true })) end },
}

local function pick(random)
  local sum = 0
  for _, deed in ipairs(DEEDS) do
    sum = sum + deed[1]
  end
  local n = random(sum)
  for _, deed in ipairs(DEEDS) do
    n = n - deed[1]
    if n <= 0 then
      return deed[2]
    end
  end
end

-- Processes of these agents: by the environment they were started with, and
-- shims by their working directory.
local function left_over(d)
  local out = proc.run { "/bin/sh", "-c", [[for p in /proc/[0-9]*; do
    case $(readlink "$p/cwd" 2>/dev/null) in "$1"/state/*) echo "$p shim"; continue ;; esac
    id=$(tr '\0' '\n' 2>/dev/null <"$p/environ" | sed -n 's/^COLIBRI_AGENT_ID=//p')
    test -n "$id" && test -e "$1/state/agents/$id" && ! grep -q '^State:.Z' "$p/status" && echo "$p $id"
  done; exit 0]], "sh", d.dir, env = { PATH = "/usr/bin:/bin" } }
  return out.stdout
end

t.test("chaos, seed " .. SEED, function()
  math.randomseed(SEED)
  local d <close> = scratch.daemon { log_level = "warn", flags = { "--log-size", "65536" } }
  local ids, random, deeds = {}, math.random, 0
  ids[1] = t.ok(d:call("spawn-agent", { provider = "local", model = "/bin/sh", arg = { "-c", SCRIPTS[1] } })).agent_id
  t.ok(left_over(d) ~= "", "what runs is seen")
  local limit = clock.monotonic() + SECONDS
  while clock.monotonic() < limit do
    pick(random)(d, ids, random, ids[random(math.max(1, #ids - 20), #ids)])
    deeds = deeds + 1
    task.sleep(random() * 2 * PACE)
  end
  t.ok(d:call("stop-agent", { all = true, grace = 1 }))
  t.eventually(function() return #t.ok(d:call("list-agents")) == 0 end, 60)
  -- The table says that all have ended; so do the locks, and so does the system.
  local rows = t.ok(d:call("list-agents", { all = true }))
  t.eq(#rows, #ids)
  local known = {}
  for _, row in ipairs(rows) do
    known[row.agent_id] = true
    t.ok(row.status == "exited" or row.status == "lost" or row.status == "failed", row.status)
    -- One that waited for its restart when it was stopped has the end of its last run, which may be lost.
    t.ok(row.status ~= "exited" or row.exit_code or row.exit_signal or row.reason == "stopped", "an exit has a status")
  end
  t.eventually(function() return left_over(d) == "" end, 30)
  t.eq(left_over(d), "")
  local root <close> = fs.open_trusted(d.dir .. "/state/agents")
  for _, id in ipairs(root:list()) do
    t.ok(known[id], "a directory without a row: " .. id)
    t.ok(core_agent.find(dir_of(d, id)).found ~= "alive", id)
  end
  t.ok(deeds > SECONDS / 4, deeds)
  t.eq(t.ok(d:call("status", { full = true })).agents, 0)
end)
