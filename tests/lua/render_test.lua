-- Rendering: tables and lines for people, JSON lines for programs.
local json = require "core.json"
local render = require "colibri.render"
local t = require "colibri.test"
local text = require "colibri.text"

local LIST = { name = "list-tenants", columns = { "tenant_id", "status", "jail_root_path" }, params = {} }
local REGISTER = { name = "register-tenant", params = { { name = "tenant_id" }, { name = "jail_root_path" } } }

local function tty(data, command, width)
  return render.render(data, command, { tty = true, width = width or 80, iso = function(at) return "T" .. at end })
end

local function rows()
  return json.decode [[[
    {"tenant_id":"proof0","jail_root_path":"/j/proof0/root","status":"active","created_at":5},
    {"tenant_id":"p1","jail_root_path":"/j/p1/root","status":"provisioned","created_at":6}]
  ]]
end

t.test("a list as JSON: one line per element, columns first", function()
  local want = '{"tenant_id":"proof0","status":"active","jail_root_path":"/j/proof0/root","created_at":5}\n' ..
    '{"tenant_id":"p1","status":"provisioned","jail_root_path":"/j/p1/root","created_at":6}\n'
  t.eq(render.render(rows(), LIST, {}), want)
  t.eq(render.render(rows(), LIST, { tty = true, json = true, width = 20 }), want)
  t.eq(render.render(json.array {}, LIST, {}), "")
end)

t.test("one object as JSON: the parameters first", function()
  local data = json.decode '{"status":"active","jail_root_path":"/r","tenant_id":"x","n":{"b":1,"a":[]}}'
  t.eq(render.render(data, REGISTER),
    '{"tenant_id":"x","jail_root_path":"/r","n":{"a":[],"b":1},"status":"active"}\n')
  t.eq(render.render(json.decode "{}", REGISTER), "{}\n")
  t.eq(render.render(true), "true\n")
  t.eq(render.render(json.decode "[1,[],null]"), "1\n[]\nnull\n")
end)

t.test("a table", function()
  t.eq(tty(rows(), LIST), [[
TENANT_ID  STATUS       JAIL_ROOT_PATH
proof0     active       /j/proof0/root
p1         provisioned  /j/p1/root
]])
  t.eq(tty(json.array {}, LIST), "none\n")
end)

t.test("a table without declared columns shows every key", function()
  t.eq(tty(json.decode '[{"b":1,"a":null},{"c":true,"b":2.5}]', { params = { { name = "b" } } }), [[
B    C
1    -
2.5  true
]])
end)

t.test("a column without a value in any row is left out", function()
  t.eq(tty(json.decode '[{"tenant_id":"a","status":[]},{"tenant_id":"b","status":null}]', LIST), "TENANT_ID\na\nb\n")
  t.eq(tty(json.decode '[{"status":null}]', LIST), "TENANT_ID  STATUS  JAIL_ROOT_PATH\n-          -       -\n")
end)

t.test("the name of a row gives way last", function()
  local list = json.decode('[{"name":"commands/provision-tenant","b":"' .. ("b"):rep(24) .. '","c":"' .. ("c"):rep(24) .. '"}]')
  local shown = tty(list, { columns = { "name", "b", "c" } }, 60)
  t.ok(shown:find("commands/provision-tenant", 1, true), shown)
  for line in tty(list, { columns = { "name", "b", "c" } }, 30):gmatch("[^\n]+") do
    t.ok(text.width(line) <= 30, line)
  end
end)

t.test("objects in a list within an object are a table below it", function()
  local data = json.decode '{"host":"h","panes":[{"id":"a","state":"idle"},{"id":"b","state":"done"}],"tags":["x","y"]}'
  t.eq(tty(data), [[
host: h
tags: x, y

panes:
ID  STATE
a   idle
b   done
]])
end)

t.test("a table fits the terminal; paths keep their end", function()
  for width = 24, 60 do
    for line in tty(rows(), LIST, width):gmatch("[^\n]+") do
      t.ok(text.width(line) <= width, line)
    end
  end
  t.ok(tty(rows(), LIST, 36):find("…proof0/root\n", 1, true), tty(rows(), LIST, 36))
  local long = json.array { { tenant_id = ("x"):rep(100000), status = "s", jail_root_path = "/" } }
  t.ok(tty(long, LIST, 40):find("\nx+…  s       /\n"))
end)

t.test("a table that is too wide has short times", function()
  local list = json.array { { x = "a", at = 1 }, { x = ("b"):rep(20), at = 2 } }
  local function shown(width)
    return render.render(list, { columns = { "x", "at" } }, { tty = true, width = width, iso = function(at)
      return ("2026-11-26T01:02:0%dZ"):format(at)
    end })
  end
  t.ok(shown(42):find("a                     2026-11-26T01:02:01Z\n", 1, true), shown(42))
  t.ok(shown(41):find("a                     11-26 01:02\n", 1, true), shown(41))
end)

t.test("one object: aligned lines, times, objects within", function()
  local data = json.decode [[{"tenant_id":"x","created_at":7,"provision":{"result":"failed","keys":0},"note":null,
    "l":["a","b"]}]]
  t.eq(tty(data, REGISTER), [[
tenant_id:        x
created_at:       T7
l:                a, b
note:             -
provision.keys:   0
provision.result: failed
]])
  t.eq(tty(json.decode "{}", REGISTER), "done\n")
end)

t.test("times: fields at and *_at, when they are numbers of seconds", function()
  t.eq(tty(json.decode '{"at":1,"x_at":2,"flat":3,"y_at":-1,"z_at":"s"}'),
    "at:   T1\nflat: 3\nx_at: T2\ny_at: -1\nz_at: s\n")
end)

t.test("a list of plain values", function()
  t.eq(tty(json.decode '["a",1,{"b":2}]'), 'a\n1\n{"b":2}\n')
end)

t.test("a terminal gets no control characters", function()
  local data = json.array { { tenant_id = "a\27[31m\n\t\r\7", status = "\u{202e}x\u{9b}", jail_root_path = "\xff/" } }
  local shown = tty(data, LIST, 200)
  t.ok(not shown:find("[%c\127]", 1) or not shown:gsub("\n", ""):find("%c"))
  t.ok(shown:find("a\\x1b[31m\\n\\t\\r\\x07  \\u{202e}x\\u{9b}  \\xff/", 1, true), shown)
  t.ok(not tty(json.decode '{"k\\u001b":"v\\u001b"}'):find("\27"))
end)

t.test("widths", function()
  t.eq(text.width("abc"), 3)
  t.eq(text.width("é"), 1)
  t.eq(text.width("e\u{301}"), 1)
  t.eq(text.width("日本"), 4)
  t.eq(text.width("\u{1f426}"), 2)
  t.eq(text.shorten("日本語", 5), "日本…")
  t.eq(text.shorten("日本語", 4), "日…")
  t.eq(text.shorten("/日本語", 4), "…語")
  t.eq(text.shorten("abc", 3), "abc")
  t.eq(text.pad("日", 4), "日  ")
  t.eq(text.escape("a\xc3"), "a\\xc3")
  local table_text = tty(json.decode '[{"a":"日本","b":1},{"a":"x","b":2}]')
  t.eq(table_text, "A     B\n日本  1\nx     2\n")
end)
