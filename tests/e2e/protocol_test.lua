-- Framing and JSON of the socket: what goes in byte by byte, what comes back.
local t = require "colibri.test"
local client = require "core.client"
local json = require "core.json"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"

local MAX_SAFE = 9007199254740991 -- 2^53 - 1
local MAX_LINE = 1024 * 1024

local ECHO = [[
return { api = 1, summary = "give back", access = "read", params = { { "v", "any" } },
  run = function(ctx, args) return { v = args.v } end }
]]

local function daemon(flags, files)
  files = files or {}
  files["site/commands/echo.lua"] = ECHO
  return scratch.daemon { log_level = "error", flags = flags, files = files }
end

-- What the daemon says to these bytes, sent as the operations of peer.pl tell.
local function exchange(d, bytes, ...)
  local argv = { "perl", sys.conf.share_dir .. "/tests/e2e/peer.pl", d.socket, input = bytes, timeout = 90,
    max_stdout = 128 * 1024 * 1024, env = { PATH = "/usr/local/bin:/usr/bin:/bin" } }
  table.move(select("#", ...) > 0 and { ... } or { "send", "half", "read" }, 1, 9, 4, argv)
  local r = assert(proc.run(argv))
  t.eq({ r.code, r.stderr }, { 0, "" }, "peer.pl")
  return r.stdout
end

-- Complete lines of a text; what follows the last newline must be nothing.
local function lines(text)
  local list = {}
  for line in text:gmatch("([^\n]*)\n") do
    list[#list + 1] = line
  end
  t.ok(text == "" or text:sub(-1) == "\n", "the output ends in a newline")
  return list
end

local function replies(text)
  local list = lines(text)
  for i, line in ipairs(list) do
    local e
    list[i], e = json.decode(line)
    t.ok(list[i], tostring(e) .. ": " .. line)
  end
  return list
end

-- Raw text of the only reply.
local function one(d, line)
  local list = lines(exchange(d, line .. "\n"))
  t.eq(#list, 1, line:sub(1, 100))
  return list[1] or ""
end

local function requests_so_far(d)
  return d:call("status", { full = true }).server
end

local MALFORMED = {
  "", " ", "{", "}", "[]", '[{"cmd":"status"}]', "null", "true", "1", '"status"', '{"cmd":"status"', '{"cmd":"status"}}',
  '{"cmd":"status"} x', '{"cmd":"status"}{"cmd":"status"}', "{'cmd':'status'}", '{cmd:"status"}', '{"cmd":"status",}',
  '{"cmd" "status"}', '{"cmd":"sta\tus"}', '{"cmd":"status"\0}', '{"cmd":"status"}\0', '\xef\xbb\xbf{"cmd":"status"}',
  '{"cmd":"status"}//', '{"cmd":"status","id":"\\x"}', '{"cmd":"status","id":"\\u12"}', '{"cmd":"status","id":"\xff"}',
  '{"cmd":"status","id":"\xc0\xaf"}', '{"cmd":"status","id":"\xed\xa0\x80"}', '{"cmd":"status","id":01}',
  '{"cmd":"status","id":1.}', '{"cmd":"status","id":.5}', '{"cmd":"status","id":+1}', '{"cmd":"status","id":0x10}',
  '{"cmd":"status","id":NaN}', '{"cmd":"status","id":Infinity}', '{"cmd":"status","id":-}', '{"cmd":"status","id":1e999}',
  '{"cmd":"status","id":9007199254740993}', '{"cmd":"status","id":-18446744073709551616}', '{"cmd":"status","id":[1,]}',
  '{"cmd":"status","id":tru}', '{"cmd":"status","id":}', '{"cmd":"status","id"}', '{"cmd":"status",,"id":1}',
  '{"cmd":"status","id":"unfinished}', '{1:2}', "{}", '{"cmd":7}', '{"cmd":null}', '{"cmd":["status"]}', '{"CMD":"status"}',
  ("["):rep(65) .. ("]"):rep(65), ("["):rep(100000), ('{"cmd":'):rep(65) .. "1" .. ("}"):rep(65), "GET / HTTP/1.1",
}

t.test("malformed lines get BadRequest, each one reply, and the connection goes on", function()
  local d <close> = daemon()
  local list = replies(exchange(d, table.concat(MALFORMED, "\n") .. '\n{"cmd":"status","id":"after"}\n'))
  t.eq(#list, #MALFORMED + 1)
  for i, text in ipairs(MALFORMED) do
    local reply = list[i] or {}
    t.eq({ reply.ok, reply.id, reply.data, reply.error and reply.error.code }, { false, nil, nil, "BadRequest" },
      ("%q"):format(text:sub(1, 80)))
    t.ok(reply.error and #reply.error.message > 0 and #reply.error.message < 300, "a short message")
  end
  t.eq({ (list[#list] or {}).ok, (list[#list] or {}).id }, { true, "after" })
end)

t.test("unknown commands and parameters, wrong types, missing ones", function()
  local d <close> = daemon()
  for _, name in ipairs { "nope", "", "STATUS", "status ", "__index", "../status", "commands/status", "status\0" } do
    t.err("UnknownCommand", d:call(name))
  end
  t.err("UnknownCommand", d:call(("x"):rep(100000)))
  local e = t.err("BadParameter", d:call("status", { ful = true }))
  t.ok(e.message:find("'ful'", 1, true) and e.message:find("full", 1, true), e.message)
  for _, name in ipairs { "", "1", "__index", "run", "cmd2", "Full" } do
    t.err("BadParameter", d:call("status", { [name] = 1 }))
  end
  for _, value in ipairs { "true", 1, 0, json.array {}, { a = 1 } } do
    t.err("BadParameter", d:call("status", { full = value }))
  end
  for _, value in ipairs { "5", 1.5, true, 0, -1, 10001, MAX_SAFE, json.array { 5 } } do
    t.err("BadParameter", d:call("audit", { limit = value }))
  end
  t.ok(d:call("audit", { limit = 5.0 }), "1.0 is an integer")
  t.ok(d:call("audit", { limit = json.null }), "null counts as absent")
  for _, value in ipairs { 1, true, json.array {}, "", "a/b", "-x", ("x"):rep(65), "a\0" } do
    t.err("BadParameter", d:call("get-tenant", { tenant_id = value }))
  end
  e = t.err("MissingParameter", d:call("get-tenant"))
  t.ok(e.message:find("'tenant_id'", 1, true), e.message)
  t.err("MissingParameter", d:call("get-tenant", { tenant_id = json.null }))
  t.err("BadParameter", d:call("spawn-local", { model = "/bin/true", arg = "x" }))
  t.err("BadParameter", d:call("spawn-local", { model = "/bin/true", arg = json.array { 1 } }))
  t.err("BadParameter", d:call("spawn-local", { model = "/bin/true", provision = "later" }))
  t.err("BadParameter", d:call("spawn-local", { model = "/bin/true", jail_root = d.base .. "/x" }))
  t.eq(#d:call("list-agents", { all = true }), 0, "nothing was started")
end)

t.test("an id of every type comes back exactly, with success and with failure", function()
  local d <close> = daemon()
  local ids = { "0", '""', "null", "[]", "{}", "true", "false", "-1", "1.5", "0.1", "1e+300", '"x"', "9007199254740991",
    "-9007199254740991", "[[],{},[[]],null]", "[null]", "[1,null]", '{"a":[{"b":[]},{}],"c":null}', '"\\u0000"',
    '"äöü€😀"', '"\\"\\\\\\n"', '"/"', '["\\u0000colibri-empty-list"]', '[[],["\\u0000colibri-empty-list"]]', '{"":""}', '{"1":1}', '[0.5,-0.25]',
    ("["):rep(60) .. ("]"):rep(60) }
  for _, id in ipairs(ids) do
    for request, start in pairs {
      ['{"cmd":"echo","id":%s}'] = '{"ok":true,"id":%s,"data":', ['{"id":%s,"cmd":"nope"}'] = '{"ok":false,"id":%s,"error":',
      ['{"id":%s}'] = '{"ok":false,"id":%s,"error":', ['{"cmd":"get-tenant","id":%s}'] = '{"ok":false,"id":%s,"error":',
    } do
      local want = start:format((id:gsub("%%", "%%%%")))
      local reply = one(d, request:format(id))
      t.eq(reply:sub(1, #want), want)
    end
  end
  for _, line in ipairs { '{"cmd":"echo"}', '{"cmd":"nope"}', "x" } do
    t.eq(one(d, line):find('"id"', 1, true), nil, "no id, none back")
  end
  local two = replies(exchange(d, '{"cmd":"echo","id":1}\nnonsense\n{"cmd":"nope"}\n'))
  t.eq({ two[1].id, two[2].id, two[3].id }, { 1, nil, nil }, "an id belongs to one request only")
end)

t.test("an id that is small as text and large as a table is refused, and not kept", function()
  local d <close> = daemon()
  local function id(values)
    return "[" .. ("[],"):rep(values - 2) .. "0]"
  end
  t.eq(one(d, '{"cmd":"echo","id":' .. id(1000) .. "}"), '{"ok":true,"id":' .. id(1000) .. ',"data":{}}')
  for _, request in ipairs { '{"cmd":"echo","id":%s}', '{"cmd":"nope","id":%s}', '{"id":%s}' } do
    local reply = json.decode(one(d, request:format(id(1001))))
    t.eq({ reply.id, reply.error and reply.error.code }, { nil, "BadRequest" }, request)
  end
  local watchers = {}
  for i = 1, 40 do
    watchers[i] = assert(d:connect())
    watchers[i]:send_raw('{"cmd":"watch","id":' .. id(300000) .. "}\n")
  end
  t.ok(d:call("status", { full = true }).stats.lua_bytes < 200 * MAX_LINE, "what all of them cost")
end)

-- 1,000 requests, good and bad, and what must come back.
local function mixed()
  local out = {}
  for i = 1, 1000 do
    out[i] = i % 10 == 0 and '{"cmd":"nope","id":' .. i .. "}" or i % 7 == 0 and "garbage" or
      i % 3 == 0 and '{"cmd":"audit","limit":1,"id":' .. i .. "}" or '{"cmd":"echo","v":' .. i .. ',"id":' .. i .. "}"
  end
  return out
end

local function check_mixed(text)
  local list = lines(text)
  t.eq(#list, 1000)
  for i, line in ipairs(list) do
    local want = i % 10 == 0 and '{"ok":false,"id":' .. i .. ',"error":{"code":"UnknownCommand"' or
      i % 7 == 0 and '{"ok":false,"error":{"code":"BadRequest"' or
      i % 3 == 0 and '{"ok":true,"id":' .. i .. ',"data":[]}' or '{"ok":true,"id":' .. i .. ',"data":{"v":' .. i .. "}}"
    if line:sub(1, #want) ~= want then
      t.eq(line, want, "reply " .. i)
      return
    end
  end
end

t.test("1,000 pipelined requests in one write are answered in order", function()
  local d <close> = daemon()
  check_mixed(exchange(d, table.concat(mixed(), "\n") .. "\n"))
end)

t.test("the same byte by byte, and with CRLF", function()
  local d <close> = daemon()
  check_mixed(exchange(d, table.concat(mixed(), "\n") .. "\n", "bytes", "half", "read"))
  check_mixed(exchange(d, table.concat(mixed(), "\r\n") .. "\r\n"))
  check_mixed(exchange(d, table.concat(mixed(), "\r\n") .. "\r\n", "bytes", "half", "read"))
end)

t.test("only the CR before the newline is dropped", function()
  local d <close> = daemon()
  t.eq(one(d, '{"cmd":"echo",\r"v":1}\r'), '{"ok":true,"data":{"v":1}}')
  t.eq(json.decode(one(d, "\r")).error.code, "BadRequest")
  t.eq(one(d, '{"cmd":"echo","v":1}\r\r'), '{"ok":true,"data":{"v":1}}', "a further one is white space")
end)

t.test("a line at the limit is served, one byte more is too large", function()
  local d <close> = daemon()
  local start, tail = '{"cmd":"echo","id":"', '"}'
  local id = ("y"):rep(MAX_LINE - #start - #tail)
  local want = '{"ok":true,"id":"' .. id .. '","data":{}}\n'
  t.ok(exchange(d, start .. id .. tail .. "\n") == want, "exactly the limit")
  t.ok(exchange(d, start .. id .. tail .. "\r\n") == want, "the CR does not count")
  t.ok(exchange(d, start .. id .. tail .. "\n" .. start .. id .. tail .. "\n") == want .. want, "twice")
  local list = replies(exchange(d, start .. id .. "y" .. tail .. '\n{"cmd":"echo"}\n'))
  t.eq({ #list, list[1] and list[1].error.code }, { 1, "RequestTooLarge" })
end)

t.test("a 10 MB line: RequestTooLarge, closed; what came before is answered, nothing after, others live on", function()
  local d <close> = daemon()
  local big = '{"cmd":"echo","v":"' .. ("x"):rep(10 * MAX_LINE) .. '"}\n'
  for _, ops in ipairs { { "send", "read" }, { "send", "half", "read" } } do
    local other = assert(d:connect())
    local before = requests_so_far(d).requests
    local list = replies(exchange(d, '{"cmd":"echo","id":1}\n' .. big .. '{"cmd":"register-tenant"}\n', table.unpack(ops)))
    t.eq(#list, 2)
    t.eq({ list[1] and list[1].id, list[2] and list[2].error and list[2].error.code }, { 1, "RequestTooLarge" })
    t.eq(other:request({ cmd = "echo", v = 2 }, 30).data.v, 2)
    t.eq(requests_so_far(d).requests - before, 3, "the echoes and the last status are all that ran")
    other:close()
  end
  t.eventually(function() return requests_so_far(d).open == 1 end)
  t.eq(#d:call("audit"), 0)
end)

t.test("half a line and a disconnect: nothing is executed", function()
  local d <close> = daemon()
  d:tree { ["jails/proof0/root/"] = true }
  local whole = json.encode { cmd = "register-tenant", tenant_id = "proof0", collection_id = "proof0",
    jail_root_path = d.base .. "/proof0/root" }
  for _, ops in ipairs { { "send", "close" }, { "send", "half", "read" }, { "bytes", "half", "read" } } do
    for _, cut in ipairs { whole, whole:sub(1, -2), whole:sub(1, 20), "{" } do
      t.eq(exchange(d, cut, table.unpack(ops)), "")
    end
  end
  t.eventually(function() return requests_so_far(d).open == 1 end)
  t.eq(#d:call("audit"), 0)
  t.eq(#d:call("list-tenants"), 0)
  t.eq(exchange(d, '{"cmd":"echo","v":1}\n' .. whole), '{"ok":true,"data":{"v":1}}\n', "the whole line before it is served")
  t.eq(#d:call("audit"), 0)
  t.eq(json.decode(one(d, whole)).ok, true, "with its newline it would have been executed")
end)

t.test("integers stay integers, numbers come back as they were", function()
  local d <close> = daemon()
  for sent, back in pairs {
    ["1"] = "1", ["0"] = "0", ["-1"] = "-1", ["1.0"] = "1", ["1e3"] = "1000", ["9007199254740991"] = "9007199254740991",
    ["-9007199254740991"] = "-9007199254740991", ["123456789012345"] = "123456789012345", ["1.5"] = "1.5", ["0.1"] = "0.1",
    ["[1,2,[3]]"] = "[1,2,[3]]", ["[]"] = "[]", ["{}"] = "{}",
    ['{"a":[],"b":{}}'] = '{"a":[],"b":{}}', ['"1"'] = '"1"', ["2147483648"] = "2147483648",
  } do
    t.eq(one(d, '{"cmd":"echo","v":' .. sent .. "}"), '{"ok":true,"data":{"v":' .. back .. "}}")
  end
end)

t.test("key order is deterministic, an empty list is []", function()
  local d <close> = daemon()
  d:tree { ["jails/proof0/root/"] = true }
  for _, cmd in ipairs { "list-tenants", "list-agents", "audit" } do
    t.eq(one(d, '{"cmd":"' .. cmd .. '"}'), '{"ok":true,"data":[]}')
  end
  t.ok(d:call("register-tenant", { tenant_id = "proof0", collection_id = "proof0", jail_root_path = d.base .. "/proof0/root" }))
  local row = one(d, '{"cmd":"get-tenant","tenant_id":"proof0"}')
  t.eq(one(d, '{"tenant_id":"proof0","cmd":"get-tenant"}'), row)
  local at = 0
  for _, key in ipairs { "tenant_id", "jail_root_path", "collection_id", "status", "created_at", "updated_at" } do
    local pos = row:find('"' .. key .. '":', 1, true)
    t.ok(pos and pos > at, key .. " in its place: " .. row)
    at = pos or at
  end
  t.eq(one(d, '{"cmd":"nope","id":7}'),
    '{"ok":false,"id":7,"error":{"code":"UnknownCommand","message":"no command \'nope\'","where":null}}')
  local describe = one(d, '{"cmd":"describe"}')
  t.eq(one(d, '{"cmd":"describe"}'), describe)
  t.ok(d:call("reload"))
  t.eq(one(d, '{"cmd":"describe"}'), describe, "the next generation describes itself in the same order")
end)

t.test("trace asks for a traceback; without it none leaves", function()
  local d <close> = daemon(nil, { ["site/commands/boom.lua"] =
    'return { api = 1, summary = "raise", access = "read",\n  run = function() error("boom") end }\n' })
  local e = json.decode(one(d, '{"cmd":"boom"}')).error
  t.eq({ e.code, e.message, e.where, e.traceback }, { "ScriptError", "boom", "site/commands/boom.lua:2", nil })
  e = json.decode(one(d, '{"cmd":"boom","trace":true}')).error
  t.ok(type(e.traceback) == "string" and e.traceback:find("site/commands/boom.lua:2", 1, true), e.traceback)
end)

t.test("a reply that cannot be JSON is an error, and the connection goes on", function()
  local d <close> = daemon(nil, { ["site/commands/bad.lua"] = [[
return { api = 1, summary = "bad values", access = "read", params = { { "what", "string" } },
  run = function(_, args)
    local loop = {}
    loop.loop = loop
    local bad = { nan = 0 / 0, huge = 1 / 0, loop = loop, key = { [1.5] = 1 }, fun = function() end,
      co = coroutine.create(function() end) }
    return { v = bad[args.what] }
  end }
]], ["site/commands/none.lua"] = 'return { api = 1, summary = "nothing", access = "read", run = function() end }\n' })
  for _, what in ipairs { "nan", "huge", "loop", "key", "fun", "co" } do
    local _, e = d:call("bad", { what = what })
    t.eq(e and e.code, "BadValue", what)
  end
  t.err("ScriptError", d:call("none"))
  local list = replies(exchange(d, '{"cmd":"bad","what":"fun","id":1}\n{"cmd":"echo","v":2,"id":2}\n'))
  t.eq({ #list, list[1].id, list[1].ok, list[2].id, list[2].data.v }, { 2, 1, false, 2, 2 })
end)

t.test("nc -N -U, as the documentation shows it", function()
  local nc = proc.find("nc")
  local help = nc and proc.run { nc, "-h", max_stdout = 65536, max_stderr = 65536 }
  if not help or not (help.stdout .. help.stderr):find("-N", 1, true) then
    return -- not the OpenBSD one
  end
  local d <close> = daemon()
  local r = assert(proc.run { nc, "-N", "-U", d.socket, input = '{"cmd":"echo","v":1}\n{"cmd":"nope"}\n', timeout = 60 })
  t.eq(#lines(r.stdout), 2)
  t.ok(client.connect(d.socket))
end)
