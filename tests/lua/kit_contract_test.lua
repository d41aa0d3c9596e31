-- The fakes of the test kit have the interface of what they stand for: each case
-- here runs against both, so they cannot drift.
local t = require "colibri.test"
local core_agent = require "core.agent"
local core_clock = require "core.clock"
local core_proc = require "core.proc"
local core_server = require "core.server"
local core_task = require "core.task"
local fs = require "core.fs"
local kit_agents = require "colibri.kit.agents"
local kit_clock = require "colibri.kit.clock"
local kit_proc = require "colibri.kit.proc"
local kit_server = require "colibri.kit.server"
local sys = require "core.sys"

local clock = kit_clock.new {}
local fake_task = clock:task_module { started = function() end, deadline = function() end }
local fake_clock = clock:module()

local function names(module)
  local list = {}
  for name, value in pairs(module) do
    if type(value) == "function" then
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

local function same_names(fake, real, what)
  t.eq(names(fake), names(real), what .. ": the functions of the fake (got) and of the binding (expected)")
end

-- Time of the fake passes while fn runs, where fn is told to use it.
local function with_time(fn)
  local child = core_task.go(fn)
  for _ = 1, 1000 do
    clock:settle()
    if child:done() then
      break
    end
    clock:step()
  end
  return child:wait()
end

local function real_time(fn)
  return fn()
end

t.test("core.clock", function()
  same_names(fake_clock, core_clock, "core.clock")
  for _, c in ipairs { fake_clock, core_clock } do
    t.eq({ math.type(c.now()), math.type(c.monotonic()) }, { "float", "float" })
    t.ok(c.monotonic() <= c.monotonic())
    t.eq(c.iso(0), "1970-01-01T00:00:00Z")
    t.eq(c.fields(0).year, 1970)
    t.raises(function() c.iso("x") end, "number expected")
  end
end)

t.test("core.task", function()
  same_names(fake_task, core_task, "core.task")
  for _, case in ipairs { { fake_task, fake_clock, with_time }, { core_task, core_clock, real_time } } do
    local task, c, run = case[1], case[2], case[3]
    run(function()
      local before = c.monotonic()
      t.eq(select("#", task.sleep(0.02)), 0)
      t.ok(c.monotonic() >= before + 0.019)
      t.raises(function() task.sleep(-1) end, "not a time in seconds")
      t.raises(function() task.sleep(1, 2) end, "argument")
      t.eq({ task.timeout(5, function(a, b) task.sleep(0.01) return a, b end, 1, 2) }, { 1, 2 })
      t.err("DeadlineExceeded", task.timeout(0.01, task.sleep, 600))
      local waiter = task.waiter()
      t.err("DeadlineExceeded", waiter:wait(0.01))
      t.eq(waiter:wake(), 0)
      local got
      local child = task.go(function() got = waiter:wait(60) end)
      task.sleep(0.01)
      t.eq(waiter:wake(), 1)
      child:wait()
      t.eq(got, true)
    end)
  end
end)

-- Two processes that print and fail alike.
local SCRIPT = "printf out; printf err >&2; exit 3"

t.test("core.proc", function()
  local dir <close> = setmetatable({ path = fs.scratch("kit-contract") }, { __close = function(d) fs.remove_tree(d.path) end })
  local fake = kit_proc.new(dir.path)
  fake:on("/bin/sh", { code = 3, stdout = "out", stderr = "err" })
  local fake_proc = fake:module()
  same_names(fake_proc, core_proc, "core.proc")
  for _, proc in ipairs { fake_proc, core_proc } do
    local spec = { "/bin/sh", "-c", SCRIPT, env = { PATH = "/usr/bin:/bin" }, timeout = 60 }
    local r = t.ok(proc.run(spec))
    t.eq(math.type(r.seconds), "float")
    r.seconds = nil
    t.eq(r, { code = 3, signal = 0, stdout = "out", stderr = "err", timed_out = false, overflow = false })
    spec.secret_output = true
    t.eq(proc.run(spec).stdout:reveal(), "out")
    t.raises(function() proc.run { "/bin/sh", nosuch = 1 } end, "unknown field 'nosuch'")
    t.raises(function() proc.run { env = {} } end, "no program is given")
    t.raises(function() proc.run "x" end, "table expected")
    local process <close> = t.ok(proc.start { "/bin/sh", "-c", SCRIPT, env = { PATH = "/usr/bin:/bin" } })
    t.eq(process:wait().code, 3)
    t.eq({ process:done(), process:pid(), process:kill() }, { true, nil, false })
    t.ok(proc.find("sh"):find("^/.*/sh$"))
  end
  t.err("ProgramNotFound", core_proc.find("no-such-program"))
  fake:missing("no-such-program")
  t.err("ProgramNotFound", fake_proc.find("no-such-program"))
end)

t.test("core.agent", function()
  local dir <close> = setmetatable({ path = fs.scratch("kit-contract") }, { __close = function(d) fs.remove_tree(d.path) end })
  local agents = kit_agents.new(core_task)
  local fake_agent = agents:module(core_clock.now)
  same_names(fake_agent, core_agent, "core.agent")
  for i, agent in ipairs { fake_agent, core_agent } do
    local function spec(id, gate)
      return { id = id .. i, dir = dir.path .. "/" .. id .. i, shim = sys.program "colibri-agent-shim",
        argv = { "/bin/sleep", "1000" }, env = {}, gate = gate, grace = 5 }
    end
    t.raises(function() agent.start { id = "x" } end, "field '%a+' is missing")
    local a = t.ok(agent.start(spec("a")))
    t.eq({ a:id(), math.type(a:pid()) }, { "a" .. i, "integer" })
    t.err("AgentNoInput", a:send("x"))
    local b = t.ok(agent.attach { id = "a" .. i, dir = dir.path .. "/a" .. i })
    t.eq(b:pid(), a:pid())
    local ended = t.ok(b:stop(15, 5))
    t.eq({ ended.code, ended.signal, ended.signalled, ended.killed, ended.victims }, { -1, 15, 1, 0, "" })
    t.eq(a:wait().signal, 15)
    t.err("AgentNotRunning", a:send("x"))
    local report = agent.next_event()
    t.eq({ report.id, report.type, report.code, report.signal }, { "a" .. i, "ended", -1, 15 })
    t.eq(agent.read_log(dir.path .. "/a" .. i, "out", 0, 100), nil)
    local found
    t.eventually(function()
      found = agent.find(dir.path .. "/a" .. i)
      return found.found == "exited"
    end)
    t.eq({ found.code, found.signal, math.type(found.ended_at) }, { -1, 15, "integer" })
    t.eq(agent.wait_found(dir.path .. "/a" .. i).signal, 15)
    t.eq(agent.find(dir.path .. "/none").found, "gone")
    local held = t.ok(agent.start(spec("held", "exec")))
    t.eq(held:go(), held:pid())
    held:stop(9, 0)
    repeat
      report = agent.next_event() -- both handles of the first told its end
    until report.id ~= "a" .. i
    t.eq(report.id, "held" .. i)
    local never = t.ok(agent.start(spec("never", "exec")))
    never:stop(9, 0)
    t.err("Cancelled", never:go())
    t.eq(agent.next_event().type, "ended")
  end
end)

t.test("core.server", function()
  same_names(kit_server.new({}):module(), core_server, "core.server")
end)

-- The file vault and the fake one, through the same world.
t.test("a vault adapter", function()
  for _, name in ipairs { "fake", "file" } do
    local w <close> = t.site(nil, { conf = { vault = name } })
    w:collection("full", { B = "x y", A = "1" })
    w:collection("empty", {})
    w:tree { ["vault/full.env"] = "B='x y'\nA=1\n", ["vault/empty.env"] = "" }
    local session = t.ok(w:open_vault(name))
    local list = t.ok(session:fetch("full"))
    table.sort(list, function(a, b) return a.key < b.key end)
    t.eq({ list[1].key, list[2].value:reveal(), type(list[1].item) }, { "A", "x y", "string" }, name)
    t.err("CollectionNotFound", session:fetch("none"))
    t.err("CollectionEmpty", session:fetch("empty"))
    session:close()
    session:close()
    w:tenant("full")
    t.eq(w:call("provision-tenant", { tenant_id = "full" }).keys, 2)
    t.eq(w:call("status", { full = true }).vault.sessions, 1)
  end
end)
