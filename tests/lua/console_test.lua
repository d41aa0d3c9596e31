-- The console: a line of Lua inside the daemon, and the prompt for it.
local t = require "colibri.test"
local cli_console = require "colibri.cli_console"
local line_edit = require "colibri.line_edit"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"

-- A connection of a world, and how to ask it: data | nil, err.
local function console(w)
  local conn = w.server:client()
  return function(chunk, write)
    local reply = conn:request { cmd = "console-eval", chunk = chunk, write = write }
    if not reply.ok then
      return nil, reply.error
    end
    return reply.data
  end
end

t.test("expressions give their values, statements run, names stay", function()
  local w <close> = t.site()
  w:tenant("a")
  local eval = console(w)
  t.eq(eval("1 + 1, 'x\\ny', nil, { 1, a = { true } }").values, { "2", '"x\\ny"', "nil", "{ 1, a = { true } }" })
  t.eq(eval("n = 5\nlocal m = 6").values, {})
  t.err("ScriptError", eval("m"))
  t.eq(eval("n").values, { "5" })
  t.eq(eval("for i = 1, 2 do print(i, {}, 'x') end").output, "1\t{}\tx\n2\t{}\tx")
  t.eq(eval("ctx.tenants:get('a').status").values, { '"provisioned"' })
  t.eq(eval("ctx.tenants:get('b')").values, { "nil", "TenantNotFound: no tenant 'b' is registered" })
  t.eq(eval("ctx.clock.now()").values, { "1767614400.0" })
end)

t.test("a connection's names are its own", function()
  local w <close> = t.site()
  local one, other = console(w), console(w)
  one("secret_plan = 1")
  t.err("ScriptError", other("secret_plan"))
  t.eq(one("secret_plan").values, { "1" })
end)

t.test("more text is asked for, mistakes are told", function()
  local w <close> = t.site()
  local eval = console(w)
  for _, chunk in ipairs { "for i = 1, 2 do", "f(", "x = {", "if true then\nlocal y = 1", "[[abc" } do
    t.eq(t.ok(eval(chunk), chunk).incomplete, true, chunk)
  end
  t.err("ScriptSyntax", eval("x = = 2"))
  t.err("ScriptSyntax", eval("\27Lua"))
  local e = t.err("ScriptError", eval("local x = 1\nerror('no')"))
  t.eq({ e.message, e.where }, { "no", "console:2" })
  t.eq(t.err("ScriptError", eval("io.open('/etc/passwd')")).message, "undefined name 'io' (use ctx.fs)")
  t.err("MissingParameter", eval(nil))
end)

t.test("ctx only tells what would change, unless writing was asked for", function()
  local w <close> = t.site()
  w:tenant("a")
  local eval = console(w)
  local data = t.ok(eval("ctx.tenants:delete('a').deleted"))
  t.eq({ data.values[1], data.effects[1].action, data.effects[1].table }, { "true", "delete", "tenants" })
  t.eq(eval("ctx.agents:spawn { provider = 'local', model = '/bin/x' }.pid").values, { "0" })
  t.eq({ #w:call("list-tenants"), #w.agents.list }, { 1, 0 })
  for _, chunk in ipairs { "ctx.host.reload()", "ctx.vault:close()", "ctx.db = nil", "getmetatable(ctx).__index",
    "next(ctx).x", "ctx.db.db.close()", "setmetatable(ctx, {})" } do
    t.err("ScriptError", eval(chunk))
  end
  t.eq(t.ok(eval("ctx.tenants:delete('a').deleted", true)).effects, nil)
  t.eq(#w:call("list-tenants"), 0)
end)

t.test("every line is in the audit log", function()
  local w <close> = t.site()
  local eval = console(w)
  eval("1 + 1")
  eval("x = = 2")
  eval("ctx.audit:subject('hidden')", true)
  local rows = w:call("audit")
  t.eq({ rows[1].subject, rows[1].detail }, { "console", [[{"line":"ctx.audit:subject('hidden')","write":true}]] })
  t.eq({ rows[2].result, rows[2].detail }, { "ScriptSyntax", '{"line":"x = = 2"}' })
  t.eq({ rows[3].command, rows[3].result, rows[3].detail }, { "console-eval", "ok", '{"line":"1 + 1"}' })
end)

t.test("root and the daemon's user only, whatever the authorize hooks say", function()
  local w <close> = t.site { ["hooks/authorize/by_peer.lua"] = "return { api = 1, disabled = true }" }
  t.err("Forbidden", w:call("console-eval", { chunk = "1" }, { uid = sys.uid + 4321 }))
  t.ok(w:call("console-eval", { chunk = "1" }, { uid = 0 }))
  t.ok(w:call("console-eval", { chunk = "1" }, { uid = sys.uid }))
end)

t.test("limits hold, and the session goes on", function()
  local w <close> = t.site(nil, { conf = {} })
  local eval = console(w)
  eval("x = 1")
  t.err("BudgetExceeded", eval("while true do end"))
  t.err("MemoryExceeded", eval("local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end"))
  t.err("DeadlineExceeded", eval("ctx.task.sleep(301)"))
  t.eq(eval("ctx.task.sleep(299) return x").values, { "1" })
end)

t.test("values are shown within bounds", function()
  local w <close> = t.site()
  local eval = console(w)
  t.ok(#eval("local t = {} for i = 1, 10000 do t[i] = ('x'):rep(100) end return t").values[1] < 70000)
  t.eq(eval("local t = {} t.t = t return t").values, { "{ t = {...} }" })
  t.eq(eval("ctx.fs.parse_env('A=top-secret', 'x')").values, { '{ { key = "A", value = [secret] } }' })
end)

-- What an editor makes of keys: the lines, and the last drawing.
local function type_keys(keys, history)
  local editor = line_edit.new { width = 40, history = history }
  local out = { editor:start("> ") }
  local got = {}
  while true do
    local draw, what, line = editor:feed(keys)
    out[#out + 1] = draw
    if not what then
      return got, out[#out], editor
    end
    got[#got + 1] = what == "line" and line or what
    out[#out + 1] = editor:start("> ")
    keys = ""
  end
end

t.test("keys edit the line", function()
  local UP, DOWN, LEFT, RIGHT, HOME, END, DEL = "\27[A", "\27[B", "\27[D", "\27OC", "\27[H", "\27[4~", "\27[3~"
  t.eq(type_keys("abc\r"), { "abc" })
  t.eq(type_keys("ac" .. LEFT .. "b\r"), { "abc" })
  t.eq(type_keys("bc" .. HOME .. "a" .. END .. "d" .. LEFT .. RIGHT .. "e\n"), { "abcde" })
  t.eq(type_keys("abX\127c\r"), { "abc" })
  t.eq(type_keys("Xabc" .. HOME .. DEL .. "\r"), { "abc" })
  t.eq(type_keys("one two\23three\r"), { "one three" })
  t.eq(type_keys("gone\21x\r"), { "x" })
  t.eq(type_keys("äö" .. LEFT .. "\127x\r"), { "xö" })
  t.eq(type_keys("a\27[1;5Cb\27Zc\r"), { "abZc" })
  t.eq(type_keys("one\rtwo\r" .. UP .. UP .. "\r" .. UP .. DOWN .. "x\r"), { "one", "two", "one", "x" })
  t.eq(type_keys("draft" .. UP .. DOWN .. "!\r", { "old" }), { "draft!" })
  t.eq(type_keys("abc\3\4"), { "interrupt", "end" })
end)

t.test("keys that come in pieces", function()
  local editor = line_edit.new { width = 40 }
  editor:start("> ")
  for _, byte in ipairs { "a", "c", "\27", "[", "D", "\xc3", "\xa4" } do
    local _, what = editor:feed(byte)
    t.eq(what, nil)
  end
  t.eq(select(3, editor:feed("\r")), "aäc")
end)

t.test("a long line is drawn as far as it fits, and nothing else reaches the terminal", function()
  local _, draw = type_keys(("x"):rep(100))
  t.ok(#draw < 70, draw)
  _, draw = type_keys("a\7b\1")
  t.eq(draw, "\r> ab\27[K\r\27[2C")
end)

local function cli(d, input, ...)
  return assert(proc.run { sys.program "colibri", "--socket", d.socket, "console", timeout = 60, cwd = "/", input = input,
    env = { COLIBRI_SHARE_DIR = sys.conf.share_dir }, ... })
end

t.test("colibri console in a pipe", function()
  local d <close> = scratch.daemon { files = { ["jails/a/root/"] = true } }
  t.ok(d:call("register-tenant", { tenant_id = "a", jail_root_path = d.base .. "/a/root", collection_id = "a" }))
  local r = cli(d, "return 1")
  t.eq({ r.code, r.stdout, r.stderr }, { 0, "1\n", "" })
  r = cli(d, "x = 0\nfor i = 1, 3 do\n  x = x + i\nend\n\nx\nprint('a\\27b')\nctx.tenants:delete('a').deleted\n")
  t.eq({ r.code, r.stdout, r.stderr }, { 0, "6\na\\x1bb\ntrue\nwould change:\n  delete tenants a\n", "" })
  r = cli(d, "1\nerror('no')\n2\n")
  t.eq({ r.code, r.stdout, r.stderr }, { 1, "1\n", "colibri: console: ScriptError: no (console:1)\n" })
  r = cli(d, "for i = 1, 2 do\n")
  t.eq({ r.code, r.stderr }, { 1, "colibri: console: ScriptSyntax: the input ends in the middle of a statement\n" })
  r = cli(d, "ctx.tenants:delete('a').deleted", "--write")
  t.eq({ r.code, r.stdout, #d:call("list-tenants") }, { 0, "true\n", 0 })
  t.eq(cli(d, "", "--nosuch").code, 2)
  d:stop()
  t.eq(cli(d, "1").code, 3)
end)

-- A console whose connection is closed between its two reads: status, stdout, stderr.
local function interrupted(d, write)
  local out, errors, n = {}, {}, 0
  local stdio = { is_tty = false, stdin_is_tty = false, out = function(s) out[#out + 1] = s end,
    err = function(s) errors[#errors + 1] = s end }
  function stdio.read()
    n = n + 1
    if n == 2 then -- until the daemon has closed it
      t.eventually(function()
        local conn <close> = d:connect()
        return conn:request({ cmd = "status" }, 60).data.connections == 1
      end)
    end
    return ({ "x = 1\n1\n", "2\n" })[n]
  end
  local status = cli_console.run { socket = d.socket, stdio = stdio, write = write }
  return { status, table.concat(out), table.concat(errors) }
end

t.test("a connection that was given up meanwhile is made anew", function()
  local d <close> = scratch.daemon { flags = { "--idle-timeout", "0.2" } }
  local anew = "colibri: console: connected anew; what was defined is gone\n"
  t.eq(interrupted(d, false), { 0, "1\n2\n", anew })
  local writing = interrupted(d, true)
  t.eq({ writing[1], writing[2] }, { 1, "1\n" }, "a line that may have changed something is not sent twice")
  t.ok(writing[3]:find("Disconnected", 1, true), writing[3])
  d:stop()
end)

-- A terminal by script(1), where it is that of util-linux.
t.test("colibri console on a terminal", function()
  local program = proc.find("script")
  local version = program and proc.run { program, "--version" }
  if not version or not tostring(version.stdout):find("util-linux", 1, true) then
    return -- no pseudo-terminal to be had
  end
  local d <close> = scratch.daemon {}
  local command = ("%s --socket %s console"):format(sys.program "colibri", d.socket)
  local r = assert(proc.run { program, "-qec", command, "/dev/null", timeout = 60, cwd = "/",
    env = { COLIBRI_SHARE_DIR = sys.conf.share_dir, PATH = "/usr/bin:/bin", TERM = "xterm", SHELL = "/bin/sh" },
    input = "6 * 8\127" .. "7\r\27[A + 100\rfor i = 1, 2 do\rprint('n' .. i) end\r\4" })
  t.eq(r.code, 0, r.stdout)
  for _, want in ipairs { "ctx only tells", "\n42\r\n", "\n142\r\n", ">> ", "\nn1\r\nn2\r\n" } do
    t.ok(r.stdout:find(want, 1, true), want .. " in " .. r.stdout)
  end
end)
