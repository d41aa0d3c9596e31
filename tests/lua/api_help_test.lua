-- `colibri help api NAME`: every name has a text; near misses are answered.
local api = require "colibri.api"
local help = require "colibri.api_help"
local t = require "colibri.test"

local model = assert(api.load())

t.test("every topic has a text of its own", function()
  local n = 0
  for name, show in pairs(help.topics(model)) do
    n = n + 1
    local text = show()
    t.ok(#text > 10 and text:sub(-1) == "\n" and not text:find("`"), name .. ": " .. text)
  end
  t.ok(n > 200, "topics are missing")
end)

t.test("a function shows its signature, its errors and the fields of its options", function()
  local text = help.about(model, "Root:write")
  t.eq(text:match("^[^\n]+"), "Root:write(name: string, data: string|Secret, options?: WriteOptions): Change")
  t.ok(text:find("NoSpace", 1, true), "its errors")
  t.ok(text:find("\n  mode?: integer ", 1, true), "its options")
end)

t.test("types of parameters, codes, events and kinds of script are topics, too", function()
  for name, text in pairs { enum = "one of values; on the command line: a word.", TargetMissing = "make the jail first",
    spawn_held = "provision_mode: ", hooks = "on_error?: ", Param = "requires?: string" } do
    t.ok((help.about(model, name) or ""):find(text, 1, true), name)
  end
end)

t.test("names are found as people write them", function()
  local text = help.about(model, "Root:write")
  for _, name in ipairs { "root:write", "Root.write", "ctx.root.write" } do
    t.eq(help.about(model, name), text)
  end
  t.eq(help.about(model, "ctx.json.null"), help.about(model, "json.null"))
  local e = t.err("Usage", help.about(model, "fs.opne"))
  t.ok(e.message:find("did you mean 'fs.open'", 1, true), e.message)
end)

t.test("signatures and types are taken apart", function()
  local f = assert(api.signature 'a.b(x: "p,q"|{ y: integer, z: T }, fn?: fun(v: A, w: B): C?, ...): table<string, D>, E?')
  t.eq({ f.space, f.short, f.method, #f.params, f.rest }, { "a", "b", false, 2, true })
  t.eq(f.params[1], { name = "x", type = '"p,q"|{ y: integer, z: T }', optional = false })
  t.eq(f.params[2], { name = "fn", type = "fun(v: A, w: B): C?", optional = true })
  t.eq(f.returns, { "table<string, D>", "E?" })
  t.eq(api.type_names("fun(v: A[], w: table<string, B>): C|\"x y\""), { "A", "table", "string", "B", "C" })
  for _, bad in ipairs { "f(x: string)", "a.b(x)", "a.b(x: string", "a.b(x: string) junk" } do
    local none, why = api.signature(bad)
    t.ok(not none and why, bad)
  end
end)

t.test("a description with mistakes names each of them", function()
  local part = { file = "p.lua", about = "", names = { a = { about = "" } }, functions = {
    { "a.f(x: Nope)", "" }, { "a.f(x: string)", "" }, { "b.g()", "" }, { "a.h()", "", errors = "Nix @no" }, { "a.i(x)", "" } },
    values = { { "c.v: string", "" } } }
  local bad = api.build { level = 1, parts = { part }, errors = { file = "e.lua" }, events = { file = "v.lua" },
    scripts = { file = "s.lua", types = {}, kinds = {}, common = {} } }
  t.eq(#bad.problems, 7)
  for i, pattern in ipairs { "'a.f' is described twice", "'a.i%(x%)': 'x' is not of the form", "put 'b' into `names` first",
    "'c.v: string' is not of the form", "there is no type 'Nope'", "a.h fails with '@no'", "a.h fails with 'Nix'" } do
    t.ok(table.concat(bad.problems, "\n"):find(pattern), i .. ": " .. table.concat(bad.problems, "\n"))
  end
end)
