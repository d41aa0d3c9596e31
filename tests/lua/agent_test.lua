-- core.agent: start, gate, stop, reports, agents of an earlier daemon.
local t = require "colibri.test"
local agent = require "core.agent"
local fs = require "core.fs"
local sys = require "core.sys"
local task = require "core.task"

local SIGTERM, SIGKILL, SIGINT = 15, 9, 2

local count = 0

-- A spec of a shell script as agent, in a scratch directory.
local function spec(dir, script, options)
  count = count + 1
  local s = { id = "a" .. count, dir = dir .. "/a" .. count, shim = sys.program "colibri-agent-shim",
    argv = { "/bin/sh", "-c", script }, env = { T = dir, PATH = "/usr/bin:/bin" }, grace = 5 }
  for k, v in pairs(options or {}) do
    s[k] = v
  end
  return s
end

local function scratch()
  local dir = fs.scratch("agent-test")
  local place = { dir = dir, root = fs.open_trusted(dir) }
  return setmetatable(place, { __close = function()
    place.root:close()
    fs.remove_tree(dir)
  end })
end

-- How an agent ended, without what it used.
local function ending(ended, e)
  return ended and { code = ended.code, signal = ended.signal } or e
end

-- The next event of one agent.
local function event(id)
  while true do
    local r = agent.next_event()
    if r.id == id and r.type == "event" then
      return r.line
    end
  end
end

-- The reports of one agent up to its end.
local function reports(id)
  local list = {}
  while true do
    local r = agent.next_event()
    if r.id == id then
      list[#list + 1] = r.type == "ended" and { id = id, type = "ended", code = r.code, signal = r.signal } or r
      if r.type ~= "event" then
        return list
      end
    end
  end
end

t.test("starts, reports, ends", function()
  local place <close> = scratch()
  local s = spec(place.dir, "echo '{\"n\":1}'; echo text; echo '{\"n\":2}'; exit 3")
  local a = t.ok(agent.start(s))
  t.ok(a:pid() > 1)
  t.eq(a:id(), s.id)
  t.eq(ending(a:wait()), { code = 3, signal = 0 })
  t.eq(reports(s.id), { { id = s.id, type = "event", line = '{"n":1}' },
    { id = s.id, type = "event", line = '{"n":2}' }, { id = s.id, type = "ended", code = 3, signal = 0 } })
  t.eq(ending(a:stop()), { code = 3, signal = 0 })
  t.eventually(function() return agent.find(s.dir).found == "exited" end)
  local found = agent.find(s.dir)
  t.eq({ found.code, found.signal }, { 3, 0 })
end)

t.test("a failed exec is an error of start", function()
  local place <close> = scratch()
  local e = t.err("ExecFailed", agent.start(spec(place.dir, "", { cwd = "/no/such/dir" })))
  t.ok(e.message:find("/no/such/dir': No such file or directory", 1, true), e.message)
  t.err("ProgramNotFound", agent.start(spec(place.dir, "", { argv = { "/no/such/program" } })))
  t.err("BadPath", agent.start(spec(place.dir, "", { id = "../x" })))
  t.eq(agent.find(place.dir .. "/none"), { found = "gone" })
end)

t.test("a held agent runs when released, not before", function()
  local place <close> = scratch()
  local a = t.ok(agent.start(spec(place.dir, "echo ran >$T/marker; exec sleep 1000", { gate = "exec" })))
  t.eq(place.root:stat("marker"), nil)
  t.eq(a:go(), a:pid())
  t.eq(a:go(), a:pid())
  t.eventually(function() return place.root:stat("marker") end)
  t.eq(ending(a:stop(SIGINT)), { code = -1, signal = SIGINT })
end)

t.test("a held agent that is stopped or forgotten never runs", function()
  local place <close> = scratch()
  local s = spec(place.dir, "echo ran >$T/marker", { gate = "exec" })
  do
    local a = t.ok(agent.start(s))
    t.eq(ending(a:stop()), { code = -1, signal = SIGKILL })
    t.err("Cancelled", a:go())
  end
  s = spec(place.dir, "echo ran >$T/marker", { gate = "exec" })
  t.ok(agent.start(s))
  t.eventually(function()
    collectgarbage()
    return agent.find(s.dir).found == "gone"
  end)
  t.eq(place.root:stat("marker"), nil)
end)

t.test("a cancelled start leaves nothing", function()
  local place <close> = scratch()
  local s = spec(place.dir, "sleep 1000", { gate = "exec" })
  do
    local child = task.go(function() return agent.start(s) end)
    task.sleep(0)
    child:cancel()
    child:wait()
  end
  -- The log is opened once the lock is held.
  t.eventually(function()
    collectgarbage() -- on a busy machine it may have started: then its handle
    return place.root:stat(s.id .. "/err.0000000000000000") and agent.find(s.dir).found == "gone"
  end)
end)

t.test("stop kills what ignores it", function()
  local place <close> = scratch()
  local a = t.ok(agent.start(spec(place.dir, "trap '' TERM; echo >$T/up; while :; do sleep 1000; done")))
  t.eventually(function() return place.root:stat("up") end)
  local other = task.go(function() return a:wait() end)
  t.eq(ending(a:stop(SIGTERM, 0.05)), { code = -1, signal = SIGKILL })
  t.eq(ending(other:wait()), { code = -1, signal = SIGKILL })
end)

t.test("the queue is bounded and says what it lost", function()
  local place <close> = scratch()
  local s = spec(place.dir, "i=0; while test $i -lt 3000; do i=$((i + 1)); echo '{\"n\":'$i'}'; done")
  local a = t.ok(agent.start(s))
  a:wait()
  local list = reports(s.id)
  t.eq(#list, 1001)
  t.ok(list[1].dropped >= 2000, list[1].dropped)
  t.eq(list[1].line, '{"n":2001}')
  t.eq(list[1000].line, '{"n":3000}')
  t.eq(list[1001].type, "ended")
end)

t.test("a report that was handed to a cancelled task is not lost", function()
  local place <close> = scratch()
  local s = spec(place.dir, "echo '{}'")
  local waiter = task.go(function() return agent.next_event() end)
  task.sleep(0)
  local a = t.ok(agent.start(s))
  a:wait()
  waiter:cancel()
  local first = waiter:wait()
  local list = reports(s.id)
  t.eq(#list + (first and 1 or 0), 2)
end)

t.test("a lost shim is told", function()
  local place <close> = scratch()
  local s = spec(place.dir, "sleep 1000")
  local a = t.ok(agent.start(s))
  local shim = agent.find(s.dir).shim
  require("core.proc").run { "/bin/kill", "-9", tostring(shim) }
  t.err("AgentLost", a:wait())
  t.eq(reports(s.id), { { id = s.id, type = "lost" } })
end)

t.test("found agents are stopped and waited for by their lock", function()
  local place <close> = scratch()
  local s = spec(place.dir, "trap '' TERM; echo >$T/up; while :; do sleep 1000; done")
  t.ok(agent.start(s))
  t.eventually(function() return place.root:stat("up") end)
  local waiter = task.go(function() return agent.wait_found(s.dir) end)
  local ended = agent.stop_found(s.dir, 0.05)
  t.eq({ ended.code, ended.signal }, { -1, SIGKILL })
  t.ok(ended.ended_at > 1000000000)
  t.eq(waiter:wait(), ended)
  t.eq(agent.stop_found(place.dir .. "/none", 1), { lost = true })
end)

t.test("a later daemon attaches", function()
  local place <close> = scratch()
  local s = spec(place.dir, "echo '{\"n\":1}'; read x; echo \"{\\\"got\\\":\\\"$x\\\"}\"; exec sleep 1000", { stdin = true })
  t.ok(agent.start(s))
  t.eq(event(s.id), '{"n":1}')
  -- The link of the newest is the only one.
  local a = t.ok(agent.attach { id = s.id, dir = s.dir })
  t.eq(a:pid(), agent.find(s.dir).pid)
  t.eq(a:send("hello\n"), 0)
  t.eq(event(s.id), '{"got":"hello"}')
  local ended = t.ok(a:stop(SIGTERM, 5))
  t.eq({ ended.code, ended.signal, ended.signalled, ended.killed }, { -1, SIGTERM, 1, 0 })
  t.ok(ended.max_rss_kb > 0 and ended.ended_at > 1000000000)
  t.eventually(function() return agent.find(s.dir).found == "exited" end)
  t.err("AgentStateFailed", agent.attach { id = s.id, dir = s.dir })
  t.err("AgentNotRunning", a:send("x"))
end)

t.test("a signal that is no stop", function()
  local place <close> = scratch()
  local s = spec(place.dir, "trap 'echo \"{}\"' USR1; echo '{\"up\":1}'; while :; do sleep 0.01; done")
  local a = t.ok(agent.start(s))
  t.eq(event(s.id), '{"up":1}')
  a:signal(10)
  t.eq(event(s.id), "{}")
  t.eq(ending(a:stop(SIGKILL, 0)), { code = -1, signal = SIGKILL })
end)

t.test("input that is not read is refused", function()
  local place <close> = scratch()
  local a = t.ok(agent.start(spec(place.dir, "exec sleep 1000", { stdin = true })))
  local waiting, e
  repeat
    waiting, e = a:send(("x"):rep(100000))
  until not waiting
  t.eq(e.code, "AgentNotReading")
  t.err("AgentNotReading", a:send(("x"):rep(300000)))
  a:stop(SIGKILL, 0)
  local b = t.ok(agent.start(spec(place.dir, "exec sleep 1000")))
  t.err("AgentNoInput", b:send("x"))
  b:stop(SIGKILL, 0)
end)

t.test("logs: lines, positions, what is no text", function()
  local place <close> = scratch()
  local s = spec(place.dir, "printf 'one\\ntwo\\n\\377\\nlast'; echo no >&2", { log_size = 8, log_keep = 2 })
  t.ok(agent.start(s)):wait()
  t.eq({ agent.log_range(s.dir, "out") }, { 0, 14, 0 })
  t.eq({ agent.read_log(s.dir, "out", 0, 100) }, { "one\ntwo\n", 8, 0 })
  t.eq({ agent.read_log(s.dir, "out", 8, 2) }, { "/wo=", 10, 0, "base64" })
  t.eq({ agent.read_log(s.dir, "out", 10, 100) }, { "last", 14, 0 })
  t.eq({ agent.read_log(s.dir, "out", 14, 100) }, {})
  t.eq(agent.log_tail(s.dir, "out", 2), 8)
  t.eq({ agent.read_log(s.dir, "err", 0, 100) }, { "no\n", 3, 0 })
  t.err("AgentStateFailed", agent.read_log(s.dir .. "x", "out", 0, 100))
end)

t.test("misuse raises", function()
  t.raises(function() agent.start {} end, "field 'id' is missing")
  t.raises(function() agent.start { id = "a", dir = "/x", shim = "/y", argv = {} } end, "names no program")
  t.raises(function() agent.start { id = "a", dir = "/x", shim = "/y", argv = { "/z" }, gaet = 1 } end, "unknown field")
  t.raises(function() agent.find("a\0b") end, "NUL")
  t.raises(function() agent.stop_found("/x", -1) end, "not a time")
end)
