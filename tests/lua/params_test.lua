-- Parameters: declarations are checked at load, requests by them.
local json = require "core.json"
local params = require "colibri.params"
local t = require "colibri.test"

local SPAWN = {
  { "provider", "name", positional = true, required = true },
  { "model", "string", positional = true, required = true, min = 1, max = 4096 },
  { "jail_name", "name" },
  { "jail_root", "path", requires = "jail_name" },
  { "provision", "enum", values = { "after", "before" }, default = "after" },
  { "limit", "integer", min = 1, max = 100 },
  { "grace", "number", min = 0, max = 60 },
  { "update", "boolean" },
  { "arg", "list", max = 3 },
  { "extra", "any" },
}

local function check(extra)
  local args = { provider = "local", model = "/bin/x" }
  for key, value in pairs(extra) do
    args[key] = value
  end
  return params.validate(SPAWN, args)
end

local function refuse(extra, pattern)
  local e = t.err("BadParameter", check(extra))
  t.ok(e and e.message:find(pattern), e and e.message)
end

t.test("a good request is copied and completed", function()
  local args = { provider = "local", model = "/bin/x", arg = { "-v", "" }, limit = 3 }
  local clean = params.validate(SPAWN, args)
  t.eq(clean, { provider = "local", model = "/bin/x", arg = { "-v", "" }, limit = 3, provision = "after" })
  t.ok(clean ~= args)
end)

t.test("an absent parameter is absent, null too", function()
  local clean = check { jail_name = json.null, update = json.null, provision = json.null }
  t.eq(clean.jail_name, nil)
  t.eq(clean.update, nil)
  t.eq(clean.provision, "after")
end)

t.test("missing ones are named", function()
  local e = t.err("MissingParameter", params.validate(SPAWN, { provider = "local" }))
  t.eq(e.message, "parameter 'model' is missing")
  t.err("MissingParameter", params.validate(SPAWN, { provider = json.null, model = "x" }))
end)

t.test("unknown ones are refused, with a suggestion", function()
  refuse({ jail_rot = "/x" }, "unknown parameter 'jail_rot'; did you mean 'jail_root'%?")
  refuse({ zzzzzz = 1, yyyyyy = 1 }, "unknown parameter 'yyyyyy'$")
  refuse({ [("x"):rep(100000)] = 1 }, "^unknown parameter 'x+%.%.%.'$")
  refuse({ ["a\nb"] = 1 }, "^unknown parameter 'a; b'$")
  refuse({ [1] = 1 }, "unknown parameter '1'")
end)

t.test("names", function()
  for _, good in ipairs { "a", "A-b_9", "_x", "0", ("x"):rep(64) } do
    t.ok(check { jail_name = good }, good)
  end
  for _, bad in ipairs { "", "-a", "a b", "a/b", "../x", "a.b", "a\n", "é", ("x"):rep(65), "a\0" } do
    refuse({ jail_name = bad }, "^parameter 'jail_name' ")
  end
  refuse({ jail_name = 1 }, "must be a string")
end)

t.test("paths", function()
  t.ok(check { jail_name = "a", jail_root = "/" })
  t.ok(check { jail_name = "a", jail_root = "/" .. ("x"):rep(4095) })
  for _, bad in ipairs { "", "x", "./x", "/x\0y", "/" .. ("x"):rep(4096) } do
    refuse({ jail_name = "a", jail_root = bad }, "^parameter 'jail_root' ")
  end
end)

t.test("strings", function()
  refuse({ model = "" }, "must not be empty")
  refuse({ model = ("x"):rep(4097) }, "longer than 4096 bytes")
  refuse({ model = "a\0b" }, "NUL")
  refuse({ model = {} }, "must be a string")
  local spec = { { "text", "string" } }
  t.ok(params.validate(spec, { text = ("x"):rep(65536) }))
  t.err("BadParameter", params.validate(spec, { text = ("x"):rep(65537) }))
end)

t.test("numbers", function()
  t.eq(math.type(check({ limit = 5.0 }).limit), "integer")
  refuse({ limit = 5.5 }, "must be an integer")
  refuse({ limit = "5" }, "must be an integer")
  refuse({ limit = 0 }, "at least 1")
  refuse({ limit = 101 }, "at most 100")
  t.eq(check({ grace = 0.5 }).grace, 0.5)
  refuse({ grace = 0 / 0 }, "must be a number")
  refuse({ grace = math.huge }, "must be a number")
  refuse({ grace = -1 }, "at least 0")
end)

t.test("booleans and enums", function()
  t.eq(check({ update = false }).update, false)
  refuse({ update = 1 }, "true or false")
  refuse({ update = "true" }, "true or false")
  t.eq(check({ provision = "before" }).provision, "before")
  refuse({ provision = "never" }, "must be one of after, before; got 'never'")
  refuse({ provision = true }, "must be one of after, before")
end)

t.test("lists", function()
  t.eq(json.encode(check({ arg = {} }).arg), "[]")
  refuse({ arg = "x" }, "list of strings")
  refuse({ arg = { x = "y" } }, "list of strings")
  refuse({ arg = { "a", 2 } }, "element 2 must be a string")
  refuse({ arg = { "a", json.null } }, "element 2 must be a string")
  refuse({ arg = { "a\0" } }, "element 1 holds a NUL")
  refuse({ arg = { "a", "b", "c", "d" } }, "more than 3 elements")
end)

t.test("any takes anything", function()
  t.eq(check({ extra = { a = { 1 } } }).extra, { a = { 1 } })
  t.eq(check({ extra = false }).extra, false)
end)

t.test("requires", function()
  refuse({ jail_root = "/x" }, "parameter 'jail_root' needs 'jail_name' too")
  t.ok(check { jail_root = "/x", jail_name = "x" })
  local spec = { { "all", "boolean" }, { "purge", "boolean", requires = "all" } }
  t.ok(params.validate(spec, { purge = false }))
  t.err("BadParameter", params.validate(spec, { purge = true, all = false }))
end)

t.test("defaults are not shared between requests", function()
  local check_list = params.compile { { "arg", "list", default = { "x" } } }
  local first = check_list {}
  first.arg[1] = "changed"
  t.eq(check_list({}).arg, { "x" })
end)

t.test("a command without parameters takes none", function()
  t.eq(params.validate({}, {}), {})
  t.err("BadParameter", params.validate({}, { x = 1 }))
end)

t.test("bad declarations are refused and name the parameter", function()
  local function bad(list, pattern)
    local e = t.err("BadScript", params.check_spec(list))
    t.ok(e and e.message:find(pattern), pattern .. ": " .. tostring(e and e.message))
  end
  bad("x", "must be a list")
  bad({ x = {} }, "must be a list")
  bad({ "x" }, "parameter 1 must be a table")
  bad({ { "x", "string" }, {} }, "parameter 2: the name")
  bad({ { "Bad-Name", "string" } }, "Bad%-Name")
  bad({ { ("x"):rep(65), "string" } }, "parameter 1")
  bad({ { "cmd", "string" } }, "'cmd': the name is taken")
  bad({ { "x", "strin" } }, "'x': type 'strin'")
  bad({ { "x" } }, "'x': type 'nil'")
  bad({ { "x", "string", requird = true } }, "'x': unknown field 'requird'; did you mean 'required'%?")
  bad({ { "x", "string", "y" } }, "'x': unknown field '3'")
  bad({ { "x", "string", required = 1 } }, "'x': field 'required' must be a boolean, got number")
  bad({ { "x", "string" }, { "x", "name" } }, "'x' is declared twice")
  bad({ { "x_y", "string" }, { "z", "string", flag = "x-y" } }, "'z': flag '%-%-x%-y' is already that of 'x_y'")
  bad({ { "x", "boolean" }, { "no_x", "string" } }, "'no_x': flag '%-%-no%-x'")
  bad({ { "x", "string", flag = "--x" } }, "'x': flag")
  bad({ { "help", "boolean" } }, "'help': flag '%-%-help' is taken")
  bad({ { "x", "string", positional = true, flag = "y" } }, "'x': a positional has no 'flag'")
  bad({ { "x", "boolean", positional = true } }, "'x': a boolean is a flag")
  bad({ { "x", "string", positional = true }, { "y", "string", positional = true, required = true } },
    "'y': required after the optional 'x'")
  bad({ { "x", "list", positional = true }, { "y", "string", positional = true } }, "'y': nothing can follow")
  bad({ { "x", "string", requires = "yy" } }, "'x': requires an unknown parameter 'yy'")
  bad({ { "x", "string", requires = "x" } }, "'x': 'requires' leads back")
  bad({ { "x", "string", requires = "y" }, { "y", "string", requires = "x" } }, "leads back")
  bad({ { "x", "enum" } }, "'x': an enum needs 'values'")
  bad({ { "x", "enum", values = {} } }, "'x': an enum needs 'values'")
  bad({ { "x", "enum", values = { "a", "a" } } }, "'x': value 'a' is there twice")
  bad({ { "x", "enum", values = { "a b" } } }, "'x': 'values' must be a list of words")
  bad({ { "x", "enum", values = { "a", nil, "c" } } }, "'x': 'values' must be a list of words")
  bad({ { "x", "string", values = { "a" } } }, "'x': only an enum")
  bad({ { "x", "enum", values = { "a" }, default = "b" } }, "'x': default must be one of a")
  bad({ { "x", "integer", min = 2, default = 1 } }, "'x': default must be at least 2")
  bad({ { "x", "integer", min = 3, max = 2 } }, "'x': min 3 is more than max 2")
  bad({ { "x", "string", min = -1 } }, "'x': field 'min' is a length")
  bad({ { "x", "integer", max = 1.5 } }, "'x': field 'max' must be an integer")
  bad({ { "x", "boolean", min = 1 } }, "'x': type boolean takes no 'min'")
  bad({ { "x", "string", required = true, default = "y" } }, "'x': a required parameter has no default")
  bad({ { "x", "string", required = true, hidden = true } }, "'x': a required parameter cannot be hidden")
  bad({ { "x", "string", metavar = "A B" } }, "'x': metavar")
  bad({ { "x", "string", rest = true } }, "'x': 'rest' is for a list")
  bad({ { "x", "list", rest = true, positional = true } }, "'x': 'rest' is for a list")
  t.raises(function() params.compile { { "x", "strin" } } end, "type 'strin'")
end)

t.test("the shipped declaration forms are in order", function()
  t.eq(params.check_spec(SPAWN), true)
  t.eq(params.check_spec {}, true)
  t.eq(params.flag { "jail_root", "path" }, "jail-root")
  t.eq(params.flag { name = "jail_root" }, "jail-root")
  t.eq(params.flag { "x", "path", flag = "other" }, "other")
end)
