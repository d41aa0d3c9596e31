-- Agents and daemons that come and go: adopted, lost, foreign; stopped for
-- good; directories that are put away.
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"
local t = require "colibri.test"

local function spawn(d, script, more)
  local args = { provider = "local", model = "/bin/sh", arg = { "-c", script } }
  for key, value in pairs(more or {}) do
    args[key] = value
  end
  return t.ok(d:call("spawn-agent", args))
end

local function get(d, agent_id)
  return t.ok(d:call("get-agent", { agent_id = agent_id }))
end

local function alive(pid)
  return proc.run({ "/bin/kill", "-0", tostring(pid), env = {} }).code == 0
end

local function until_file(d, name)
  t.eventually(function() return d:stat(name) end, 30)
end

local function shim_of(d, agent_id)
  return require("core.agent").find(d.dir .. "/state/agents/" .. agent_id).shim
end

t.test("an agent whose directory cannot be looked at is not taken for lost, nor started again", function()
  local d <close> = scratch.daemon()
  local a = spawn(d, "echo $$ >>" .. d.dir .. "/starts; exec sleep 1000", { restart = "always" })
  until_file(d, "starts")
  t.ok(d:crash())
  local function there(script)
    t.eq(proc.run({ "/bin/sh", "-c", "cd \"$1\" && " .. script, "sh", d.dir .. "/state/agents/" .. a.agent_id,
      env = { PATH = "/usr/bin:/bin" } }).code, 0)
  end
  there "mv lock aside && ln -s aside lock"
  t.ok(d:start())
  t.eq(get(d, a.agent_id).status, "running")
  there "rm lock && mv aside lock"
  t.eventually(function() return get(d, a.agent_id).adopted end)
  local row = get(d, a.agent_id)
  t.eq({ row.status, row.run, row.pid }, { "running", 1, a.pid })
  t.eq(select(2, d:read("starts"):gsub("\n", "")), 1)
end)

t.test("kill -9 of the daemon: found again, none started twice, each end known", function()
  local d <close> = scratch.daemon()
  local mark = "echo $$ >>" .. d.dir .. "/starts; "
  local stays = spawn(d, mark .. "trap 'exit 7' USR1; echo '{\"type\":\"turn_start\"}'; while :; do sleep 0.02; done")
  local ends = spawn(d, mark .. "until test -e " .. d.dir .. "/end; do sleep 0.02; done; exit 5")
  local killed = spawn(d, mark .. "exec sleep 1000")
  t.eventually(function() return get(d, stays.agent_id).state == "working" end)
  t.eventually(function() return select(2, d:read("starts"):gsub("\n", "")) == 3 end)
  local shim = shim_of(d, killed.agent_id)
  t.ok(d:crash())
  d:tree { ["end"] = "" }
  proc.run { "/bin/kill", "-9", tostring(shim), env = {} }
  t.eventually(function() return require("core.agent").find(d.dir .. "/state/agents/" .. ends.agent_id).found == "exited" end)
  t.ok(d:start())
  local row = get(d, stays.agent_id)
  t.eq({ row.status, row.adopted, row.pid }, { "running", true, stays.pid })
  row = get(d, ends.agent_id)
  t.eq({ row.status, row.exit_code }, { "exited", 5 })
  t.eq(get(d, killed.agent_id).status, "lost")
  t.eventually(function() return not alive(killed.pid) end)
  local status = d:call("status")
  t.eq({ status.agents, status.adopted, status.foreign, status.lost }, { 1, 1, nil, 1 })
  t.eq(select(2, d:read("starts"):gsub("\n", "")), 3)
  -- An adopted agent is a full one: events, signals, its end.
  proc.run { "/bin/kill", "-USR1", tostring(stays.pid), env = {} }
  t.eventually(function() return get(d, stays.agent_id).exit_code == 7 end)
end)

t.test("events of the time between two daemons are not lost", function()
  local d <close> = scratch.daemon()
  local a = spawn(d, "until test -e " .. d.dir .. "/go; do sleep 0.01; done; echo '{\"type\":\"turn_start\"}'; : >" ..
    d.dir .. "/said; exec sleep 1000")
  t.ok(d:crash())
  d:tree { go = "" }
  until_file(d, "said")
  t.ok(d:start())
  t.eventually(function() return get(d, a.agent_id).state == "working" end)
end)

t.test("a new binary takes over, and stops what the old one started", function()
  local d <close> = scratch.daemon()
  local a = spawn(d, "(setsid sh -c 'trap \"\" TERM; while :; do sleep 1000; done' &); trap 'exit 3' INT; : >" .. d.dir ..
    "/up; while :; do sleep 0.02; done")
  until_file(d, "up")
  t.ok(d:stop())
  local root <close> = fs.open_trusted(d.dir)
  t.ok(root:copy_in(sys.program "colibri-daemon", "new-daemon", 0x1c0)) -- 0700
  d.options.program = d.dir .. "/new-daemon"
  t.ok(d:start())
  local row = t.ok(d:call("stop-agent", { agent_id = a.agent_id, signal = "INT", grace = 0.3 }))
  t.eq({ row.status, row.exit_code }, { "exited", 3 })
  t.ok(row.signalled >= 3, row.signalled)
  t.ok(row.killed >= 1 and #row.victims == row.killed, row.killed)
end)

t.test("a database from a backup: foreign agents are found, and can be stopped", function()
  local d <close> = scratch.daemon()
  spawn(d, "exit 0")
  t.ok(d:stop())
  local root <close> = fs.open_trusted(d.dir)
  local backup = t.ok(root:read("colibri.sqlite"))
  t.ok(d:start())
  local a = spawn(d, "echo hello; exec sleep 1000")
  t.ok(d:crash())
  for _, name in ipairs { "colibri.sqlite", "colibri.sqlite-wal", "colibri.sqlite-shm" } do
    root:unlink(name)
  end
  t.ok(root:write("colibri.sqlite", backup, { mode = 0x180 }))
  t.ok(d:start())
  local row = get(d, a.agent_id)
  t.eq({ row.status, row.provider, row.foreign, row.pid }, { "running", "unknown", true, a.pid })
  t.eq(d:call("status").foreign, 1)
  row = t.ok(d:call("stop-agent", { agent_id = a.agent_id }))
  t.eq({ row.status, row.exit_signal }, { "exited", 15 })
  t.ok(not alive(a.pid))
end)

t.test("stop --all", function()
  local d <close> = scratch.daemon()
  local pids = {}
  for i = 1, 5 do
    pids[i] = spawn(d, "exec sleep 1000").pid
  end
  t.err("BadParameter", d:call("stop-agent"))
  local rows = t.ok(d:call("stop-agent", { all = true }))
  t.eq(#rows, 5)
  for i, row in ipairs(rows) do
    t.eq({ row.status, row.exit_signal }, { "exited", 15 })
    t.ok(not alive(pids[i]))
  end
  t.eq(#d:call("list-agents"), 0)
end)

t.test("shutdown: agents are left, or stopped", function()
  local d <close> = scratch.daemon { flags = { "--shutdown", "stop" } }
  local a = spawn(d, "exec sleep 1000")
  t.eq(d:stop().code, 0)
  t.ok(not alive(a.pid))
  t.ok(d:start())
  t.eq(get(d, a.agent_id).exit_signal, 15)
end)

t.test("directories of ended agents go, by number and age", function()
  local d <close> = scratch.daemon { flags = { "--agents-keep", "2" } }
  local ids = {}
  local runs = spawn(d, "exec sleep 1000")
  for i = 1, 4 do
    ids[i] = spawn(d, "exit 0").agent_id
    t.eventually(function() return get(d, ids[i]).status == "exited" end)
  end
  t.ok(d:stop())
  t.ok(d:start())
  local root <close> = fs.open_trusted(d.dir .. "/state/agents")
  t.eventually(function() return #root:list() == 3 end, 20)
  t.ok(root:stat(runs.agent_id))
  t.eq(#d:call("list-agents", { all = true }), 5)
end)

-- TERM to bwrap's own processes would take the agent along at once.
t.test("in a jail: the agent has its grace", function()
  if not proc.find("bwrap") or proc.run({ proc.find("bwrap"), "--ro-bind", "/", "/", "--unshare-pid", "/bin/true",
    env = {} }).code ~= 0 then
    return
  end
  local d <close> = scratch.daemon { backend = "bwrap" }
  local a = spawn(d, "trap 'sleep 0.2; exit 4' TERM; echo '{\"type\":\"turn_start\"}'; " ..
    "while :; do sleep 0.02; done", { jail_name = "j", jail_root = "/" })
  t.eventually(function()
    local row = get(d, a.agent_id)
    return row.state == "working" or row.status ~= "running"
  end)
  local row = t.ok(d:call("stop-agent", { agent_id = a.agent_id, grace = 20 }))
  t.eq({ row.status, row.exit_code, row.killed }, { "exited", 4, 0 })
end)


t.test("an agent that is ready only after its daemon was killed: the next one knows", function()
  for _, away in ipairs { false, true } do
    local d <close> = scratch.daemon {}
    local ids = {}
    for rule, word in pairs { fd = "echo x >&3", ["event:up"] = "echo '{\"type\":\"up\"}'" } do
      ids[#ids + 1] = t.ok(d:call("spawn-local", { model = "/bin/sh", ready = rule, arg = { "-c", "until test -e " .. d.dir ..
        "/go; do sleep 0.02; done; " .. word .. "; echo >" .. d.dir .. "/done" .. #ids .. "; exec sleep 1000" } })).agent_id
    end
    d:crash()
    if away then
      d:tree { go = "" }
      t.eventually(function() return d:read("done0") and d:read("done1") end)
    end
    t.ok(d:start())
    d:tree { go = "" }
    for _, id in ipairs(ids) do
      t.ok(t.ok(d:call("wait-agent", { agent_id = id, ["for"] = "ready", timeout = 20 })).ready_at)
    end
  end
end)
