-- Peers that are many, slow, silent or gone: the limits of connections.
local t = require "colibri.test"
local clock = require "core.clock"
local fs = require "core.fs"
local json = require "core.json"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"
local task = require "core.task"

local PERL_ENV = { PATH = "/usr/local/bin:/usr/bin:/bin" }

-- Runs until DIR/NAME.go is there; tells by files that it began, went on to its
-- end, was closed.
local HOLD = [[
return { api = 1, summary = "wait for a file", access = "%s", params = {
    { "dir", "path", required = true }, { "name", "name", required = true } },
  run = function(ctx, args)
    local root = assert(ctx.fs.open_trusted(args.dir))
    local mark <close> = setmetatable({}, { __close = function()
      root:write(args.name .. ".closed", "")
      root:close()
    end })
    root:write(args.name .. ".started", "")
    while not root:stat(args.name .. ".go") do
      ctx.task.sleep(0.01)
    end
    root:write(args.name .. ".done", "")
    return { name = args.name }
  end }
]]

local function daemon(flags)
  return scratch.daemon { log_level = "error", flags = flags, files = {
    ["site/commands/hold-read.lua"] = HOLD:format("read"), ["site/commands/hold-change.lua"] = HOLD:format("change"),
    ["site/commands/big.lua"] =
      'return { api = 1, summary = "16 KiB", access = "read", run = function() return ("x"):rep(16384) end }\n',
  } }
end

local function hold(d, name, cmd)
  return { cmd = cmd or "hold-read", name = name, dir = d.dir, id = name }
end

local function there(d, name)
  return fs.exists(d.dir .. "/" .. name)
end

local function reached(d, name)
  t.eventually(function() return there(d, name) end)
end

-- A process that is no client of ours; see peer.pl.
local function peer(d, bytes, ...)
  return assert(proc.start { "perl", sys.conf.share_dir .. "/tests/e2e/peer.pl", d.socket, input = bytes, env = PERL_ENV,
    max_stdout = 64 * 1024 * 1024, ... })
end

-- Resident kilobytes of the daemon.
local function resident(d)
  local r = assert(proc.run { "ps", "-o", "rss=", "-p", tostring(d.process:pid()), env = PERL_ENV })
  return assert(tonumber(r.stdout), r.stderr)
end

local function server(d)
  return d:call("status", { full = true }).server
end

-- The slowest of n status requests, in seconds.
local function slowest(conn, n)
  local worst = 0
  for _ = 1, n do
    local started = clock.monotonic()
    local reply = conn:request({ cmd = "status" }, 30)
    t.ok(reply and reply.ok, "status was answered")
    worst = math.max(worst, clock.monotonic() - started)
  end
  return worst
end

t.test("300 connections at once, all served", function()
  local d <close> = daemon { "--max-connections", "400" }
  local conns = {}
  for i = 1, 300 do
    conns[i] = assert(d:connect())
  end
  for i = 1, 300 do
    local reply = conns[i]:request({ cmd = "status", id = i }, 30)
    t.eq(reply and { reply.ok, reply.id }, { true, i })
  end
  t.eq(server(d).open, 301)
  for i = 1, 300 do
    conns[i]:close()
  end
  t.eventually(function() return server(d).open == 1 end)
end)

t.test("over the limit: TooManyConnections, closed; those within it go on, and there is room again", function()
  local d <close> = daemon { "--max-connections", "20" }
  local conns = {}
  for i = 1, 19 do
    conns[i] = assert(d:connect())
    t.ok(conns[i]:request({ cmd = "status" }, 30))
  end
  for _ = 1, 300 do
    local r = peer(d, "", "read"):wait()
    local reply = json.decode(r.stdout)
    if not reply or reply.ok or reply.error.code ~= "TooManyConnections" then
      t.eq(r.stdout, "TooManyConnections")
      break
    end
  end
  for i = 1, 19 do
    local reply = conns[i]:request({ cmd = "status" }, 30)
    t.ok(reply and reply.ok)
  end
  for i = 1, 9 do
    conns[i]:close()
  end
  t.eventually(function() return server(d).open == 11 end)
  for i = 1, 9 do
    conns[i] = assert(d:connect())
    t.ok(conns[i]:request({ cmd = "status" }, 30))
  end
  for i = 1, 19 do
    conns[i]:close()
  end
end)

t.test("a client that asks at once, over the limit, is told so too: our CLI, 40 times", function()
  local d <close> = daemon { "--max-connections", "1" }
  for i = 1, 40 do
    local r = assert(proc.run { sys.program "colibri", "--socket", d.socket, "status", env = PERL_ENV })
    if r.code ~= 1 or not r.stderr:find("TooManyConnections", 1, true) then
      t.eq({ r.code, r.stderr }, { 1, "TooManyConnections" }, "try " .. i)
      break
    end
  end
end)

t.test("Busy: more requests in flight than allowed, until one ends", function()
  local d <close> = daemon { "--max-requests", "2" }
  local one, two = assert(d:connect()), assert(d:connect())
  local first = task.go(function() return one:request(hold(d, "a"), 60) end)
  reached(d, "a.started")
  t.ok(d:call("status"), "one is left")
  local second = task.go(function() return two:request(hold(d, "b", "hold-change"), 60) end)
  reached(d, "b.started")
  local reply = d.conn:request({ cmd = "status", id = 7 }, 30)
  t.eq({ reply.ok, reply.error and reply.error.code }, { false, "Busy" })
  t.eq(reply.id, 7, "the id of a refused request comes back")
  d:tree { ["a.go"] = "" }
  t.eq(first:wait().ok, true)
  t.ok(d:call("status"), "room again")
  d:tree { ["b.go"] = "" }
  t.eq(second:wait().ok, true)
  t.eq(server(d).in_flight, 1)
end)

t.test("pipelined requests of one connection are one in flight", function()
  local d <close> = daemon { "--max-requests", "1" }
  d.conn:close()
  d.conn = nil
  local r = peer(d, ('{"cmd":"status"}\n'):rep(200), "send", "half", "read"):wait()
  t.eq(select(2, r.stdout:gsub('{"ok":true', "")), 200)
end)

t.test("silence is ended after idle-timeout, a request in flight is not", function()
  local d <close> = daemon { "--idle-timeout", "1" }
  local silent = peer(d, "", "read")
  local half = peer(d, '{"cmd":"sta', "send", "read")
  local busy = assert(d:connect())
  local waiting = task.go(function() return busy:request(hold(d, "a"), 60) end)
  local r = silent:wait()
  t.eq({ r.code, r.stdout }, { 0, "" }, "the silent one is closed without a word")
  r = half:wait()
  t.eq({ r.code, r.stdout }, { 0, "" }, "half a line is silence too")
  t.ok(r.seconds >= 0.9, "not before its time")
  t.eq({ there(d, "a.started"), there(d, "a.closed") }, { true, false })
  task.sleep(1.5)
  d:tree { ["a.go"] = "" }
  local reply = waiting:wait()
  t.eq(reply and reply.ok, true, "its request outlasted two timeouts")
end)

t.test("a request may take longer than its time: DeadlineExceeded", function()
  local d <close> = daemon { "--request-timeout", "0.3" }
  t.err("DeadlineExceeded", d:call("hold-read", { name = "a", dir = d.dir }))
  t.ok(there(d, "a.closed"), "its <close> ran")
  t.err("DeadlineExceeded", d:call("hold-change", { name = "b", dir = d.dir }))
  t.eq(d:call("audit")[1].result, "DeadlineExceeded")
end)

t.test("half-close: a slow request is still answered", function()
  local d <close> = daemon()
  local p = peer(d, json.encode(hold(d, "a")) .. '\n{"cmd":"status","id":2}\n', "send", "half", "read")
  reached(d, "a.started")
  task.sleep(0.1)
  d:tree { ["a.go"] = "" }
  local r = p:wait()
  t.ok(r.stdout:find('^{"ok":true,"id":"a".-\n{"ok":true,"id":2.-\n$'), r.stdout)
end)

t.test("a peer that goes away cancels a read: <close> runs", function()
  local d <close> = daemon()
  for i, ops in ipairs { { "send", "close", "stay" }, { "send", "half", "close", "stay" }, { "send", "stay" },
    { "send", "half", "stay" } } do
    local name = "r" .. i
    local p = peer(d, json.encode(hold(d, name)) .. "\n" .. json.encode(hold(d, name .. "-next")) .. "\n",
      table.unpack(ops))
    reached(d, name .. ".started")
    p:kill(9)
    reached(d, name .. ".closed")
    t.eventually(function() return server(d).in_flight == 1 and server(d).open == 1 end)
    t.eq({ there(d, name .. ".done"), there(d, name .. "-next.started") }, { false, false }, "neither its end nor the next request ran")
    p:wait()
  end
end)

t.test("a peer that goes away lets a change run to its end", function()
  local d <close> = daemon()
  for i, ops in ipairs { { "send", "close", "stay" }, { "send", "half", "close", "stay" }, { "send", "stay" } } do
    local name = "c" .. i
    local p = peer(d, json.encode(hold(d, name, "hold-change")) .. "\n", table.unpack(ops))
    reached(d, name .. ".started")
    p:kill(9)
    p:wait()
    t.ok(d:call("status"))
    task.sleep(0.1)
    t.eq({ there(d, name .. ".closed"), there(d, name .. ".done") }, { false, false }, "it still runs")
    d:tree { [name .. ".go"] = "" }
    reached(d, name .. ".closed")
    t.ok(there(d, name .. ".done"))
    t.eventually(function() return #d:call("audit") == i end)
    t.eq({ d:call("audit")[1].command, d:call("audit")[1].result }, { "hold-change", "ok" })
    t.eventually(function() return server(d).open == 1 end)
  end
end)

t.test("a client that never reads is stopped; memory is bounded, others are fast, nothing is left", function()
  local d <close> = daemon { "--max-output", "65536" }
  local conn = assert(d:connect())
  slowest(conn, 50)
  local kb_before = resident(d)
  local requests = server(d).requests
  local idle = slowest(conn, 100)
  local peers = {}
  for i = 1, 8 do
    peers[i] = peer(d, '{"cmd":"big"}\n', "flood", "stay")
  end
  for try = 1, 3 do
    local during = slowest(conn, 200)
    if during <= idle + 0.1 then
      break
    end
    t.ok(try < 3, ("status took %.3f s beside clients that do not read, %.3f s before"):format(during, idle))
  end
  -- What a connection may hold: its socket, the output limit, a read's worth of
  -- requests. 8 connections, 16 KiB per reply.
  local last
  t.eventually(function()
    local now = server(d).requests
    local still = last and now - last < 3
    last = now
    task.sleep(0.2)
    return still
  end, 30)
  t.ok(last - requests < 250 + 8 * 80, "replies stop: " .. last - requests)
  local grown = resident(d) - kb_before
  -- AddressSanitizer keeps freed memory for a while.
  local sanitized = sys.program("colibri-daemon"):find("/asan/", 1, true)
  t.ok(grown < (sanitized and 64 or 8) * 1024, "the daemon grew by KiB: " .. grown)
  t.eq(server(d).in_flight, 1)
  for i = 1, 8 do
    peers[i]:kill(9)
    peers[i]:wait()
  end
  t.eventually(function() return server(d).open == 2 end)
  conn:close()
end)

t.test("a client that reads late gets all replies", function()
  local d <close> = daemon { "--max-output", "65536" }
  local r = peer(d, ('{"cmd":"big"}\n'):rep(500), "send", "half", "read"):wait()
  t.eq(select(2, r.stdout:gsub('{"ok":true,"data":"x+"}\n', "")), 500)
end)
