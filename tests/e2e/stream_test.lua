-- `watch` and `logs`: streams over the socket, across rotation, daemons and
-- readers that stall.
local clock = require "core.clock"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"
local t = require "colibri.test"
local task = require "core.task"

local LINES = tonumber(proc.environ "COLIBRI_TEST_LOG_LINES" or "") or 1000000

local function spawn(d, script, args)
  args = args or {}
  args.provider, args.model, args.arg = "local", "/bin/sh", { "-c", script }
  return t.ok(d:call("spawn-agent", args))
end

-- The lines of a stream up to its reply: events, reply.
local function stream(conn, request, each)
  t.ok(conn:stream(request))
  local list = {}
  while true do
    local line, e = conn:next(30)
    if not line then
      return list, nil, e
    elseif line.ok ~= nil then
      return list, line
    end
    list[#list + 1] = line
    if each and each(line) then
      return list
    end
  end
end

local function text_of(list)
  local out = {}
  for i, event in ipairs(list) do
    out[i] = event.text or event.base64 or ""
  end
  return table.concat(out)
end

local function ended(d, agent_id)
  t.eventually(function() return t.ok(d:call("get-agent", { agent_id = agent_id })).status == "exited" end, 30)
end

t.test("logs: all, the tail, since, stderr, and what is no text", function()
  local d <close> = scratch.daemon()
  local a = spawn(d, "seq 1 1000; echo oops >&2; printf '\\377x'")
  ended(d, a.agent_id)
  local conn <close> = d:connect()
  local list, reply = stream(conn, { cmd = "logs", agent_id = a.agent_id })
  local all = {}
  for i = 1, 1000 do
    all[i] = i .. "\n"
  end
  t.eq(text_of(list), table.concat(all) .. "/3g=")
  t.eq(list[#list].base64, "/3g=")
  t.eq(reply.data.position, #table.concat(all) + 2)
  t.eq(text_of(stream(conn, { cmd = "logs", agent_id = a.agent_id, tail = 3 })), "999\n1000\n/3g=")
  t.eq(text_of(stream(conn, { cmd = "logs", agent_id = a.agent_id, stderr = true })), "oops\n")
  t.eq(stream(conn, { cmd = "logs", agent_id = a.agent_id, since = math.floor(clock.now()) + 1000 }), {})
  t.eq(text_of(stream(conn, { cmd = "logs", agent_id = a.agent_id, position = 3884 })), "999\n1000\n/3g=")
  -- The connection is an ordinary one again.
  t.eq(conn:request({ cmd = "get-agent", agent_id = a.agent_id }, 10).ok, true)
  t.eq(conn:request({ cmd = "logs", agent_id = "nobody" }, 10).error.code, "AgentNotFound")
  t.eq(d:call("status", { full = true }).server.streams, 0)
end)

-- Twenty rotations and a daemon that is killed in the middle, read by the CLI.
t.test("logs -f: no line is lost or twice", function()
  local d <close> = scratch.daemon { flags = { "--log-size", tostring(LINES * 6 // 20), "--log-keep", "1000" } }
  local half = LINES // 2
  local a = spawn(d, ("seq 1 %d; until test -e %s/go; do sleep 0.01; done; seq %d %d"):format(half, d.dir, half + 1, LINES))
  local cli = t.ok(proc.start { sys.program "colibri", "--socket", d.socket, "logs", "-f", a.agent_id,
    max_stdout = 64 * 1024 * 1024 })
  t.eventually(function()
    local conn <close> = d:connect()
    return conn and conn:request({ cmd = "status", full = true }, 10).data.server.streams == 1
  end, 30)
  d:crash()
  t.ok(d:start())
  d:tree { go = "" }
  local result = cli:wait()
  t.eq({ result.code, result.stderr }, { 0, "" })
  local n = 0
  for line in result.stdout:gmatch("(%d+)\n") do
    n = n + 1
    if line ~= tostring(n) then
      t.eq(line, tostring(n))
      break
    end
  end
  t.eq(n, LINES)
end)

t.test("logs -f goes on over restarts, until the agent has ended for good", function()
  local d <close> = scratch.daemon()
  local a = t.ok(d:call("spawn-local", { model = "/bin/sh", arg = { "-c", "echo $$; sleep 0.1; exit 1" },
    restart = "on-failure", restart_delay = 0.3, restart_tries = 3 }))
  local r = t.ok(proc.run { sys.program "colibri", "--socket", d.socket, "logs", "-f", a.agent_id, timeout = 60 })
  t.eq({ r.code, select(2, r.stdout:gsub("%d+\n", "")) }, { 0, 3 })
end)

t.test("logs: what rotation has removed is told", function()
  local d <close> = scratch.daemon { flags = { "--log-size", "4096", "--log-keep", "2" } }
  local a = spawn(d, "seq 1 20000")
  ended(d, a.agent_id)
  local conn <close> = d:connect()
  local list, reply = stream(conn, { cmd = "logs", agent_id = a.agent_id, position = 0 })
  t.eq(list[1].event, "missed")
  t.eq(list[1].bytes + #text_of(list), 108894)
  t.eq(reply.data.position, 108894)
end)

t.test("logs: a long one costs a site's hook no budget", function()
  local d <close> = scratch.daemon { flags = { "--script-instructions", "20000" }, files = {
    ["site/hooks/authorize/all.lua"] = "return { api = 1, summary = 'x', run = function() end }" } }
  local a = spawn(d, "seq 1 3000000")
  ended(d, a.agent_id)
  local conn <close> = d:connect()
  local list, reply = stream(conn, { cmd = "logs", agent_id = a.agent_id, position = 0, follow = true })
  t.eq({ reply.ok, reply.error }, { true })
  t.eq({ #text_of(list), list[1].event }, { 22888896, "log" })
end)

t.test("watch: states, output, changes, one agent's own", function()
  local d <close> = scratch.daemon()
  local all <close> = d:connect()
  local one <close> = d:connect()
  local seen, mine = {}, {}
  local watcher = task.go(stream, all, { cmd = "watch" }, function(line) seen[#seen + 1] = line end)
  t.eventually(function() return d:call("status", { full = true }).server.streams == 1 end)
  local a = spawn(d, "read x; echo '{\"type\":\"turn_start\"}'; until test -e " .. d.dir .. "/go; do sleep 0.01; done")
  local other = task.go(stream, one, { cmd = "watch", agent = a.agent_id }, function(line) mine[#mine + 1] = line end)
  t.eventually(function() return d:call("status", { full = true }).server.streams == 2 end)
  spawn(d, "exit 0")
  d:tree { go = "" }
  t.eventually(function() return #mine > 0 and mine[#mine].status == "exited" end)
  t.eventually(function() return #seen >= 8 end)
  for _, event in ipairs(mine) do
    t.eq(event.agent_id, a.agent_id)
  end
  local kinds = {}
  for _, event in ipairs(seen) do
    local key = event.event .. ":" .. (event.status or event.data.command or event.data.type)
    kinds[key] = (kinds[key] or 0) + 1
  end
  t.eq(kinds["change:spawn-agent"], 2)
  t.eq(kinds["agent:exited"], 2)
  t.eq(kinds["output:turn_start"], 1)
  t.ok(kinds["agent:running"] >= 3)
  one:close()
  all:close()
  watcher:wait()
  other:wait()
  t.eventually(function() return d:call("status", { full = true }).server.streams == 0 end)
end)

t.test("lines that are no events: kept in the log, counted, never fatal", function()
  local d <close> = scratch.daemon { log_level = "warn" }
  local a = spawn(d, [[printf '{"type":"\377"}\n{"type":\n'; printf '{"type":"x","long":"'
    head -c 70000 /dev/zero | tr '\0' x; printf '"}\n{"type":"turn_start"}\n'; exec sleep 1000]])
  t.eventually(function() return d:call("get-agent", { agent_id = a.agent_id }).state == "working" end, 30)
  local row = d:call("get-agent", { agent_id = a.agent_id })
  t.eq({ row.status, row.events_malformed, row.events_dropped }, { "running", 2, 1 })
  local conn <close> = d:connect()
  local _, reply = stream(conn, { cmd = "logs", agent_id = a.agent_id })
  t.ok(reply.data.position > 70000)
  t.ok(d:call("stop-agent", { agent_id = a.agent_id }))
  local used = t.eventually(function() return d:call("get-agent", { agent_id = a.agent_id }).used end) -- its shim is gone
  t.ok(used.max_rss_kb > 0)
end)

t.test("a reader that stalls costs little, and is told what it missed", function()
  local d <close> = scratch.daemon { log_level = "warn" }
  local conn <close> = d:connect()
  t.ok(conn:stream { cmd = "watch" })
  t.eventually(function() return d:call("status", { full = true }).server.streams == 1 end)
  local before = d:call("status", { full = true }).stats.lua_bytes
  local n = 20000
  local a = spawn(d, ([[i=0; while test $i -lt %d; do i=$((i + 1));
    echo '{"type":"n","n":'$i',"padding":"0123456789012345678901234567890123456789012345678901234567890123456789"}'; done]])
    :format(n))
  -- Nobody reads conn: the client's own buffer is full first, then the kernel's.
  ended(d, a.agent_id)
  local after = d:call("status", { full = true }).stats.lua_bytes
  if before and after then
    t.ok(after - before < 8 * 1024 * 1024, after - before)
  end
  local output, missed, last = 0, 0, nil
  repeat
    local line = t.ok(conn:next(30))
    if line.event == "output" then
      output = output + 1
      t.ok(not last or line.data.n > last, "in order")
      last = line.data.n
    elseif line.event == "missed" then
      missed = missed + line.count
    end
  until line.event == "missed" or line.status == "exited"
  t.ok(missed > 0 and output > 0 and output < n, missed .. " " .. output)
end)
