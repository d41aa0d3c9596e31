-- The strict environment of scripts: what is absent, what cannot be changed,
-- what one script cannot do to another.
local t = require "colibri.test"
local scratch = require "colibri.scratch"

-- A daemon with commands c1, c2, ... that run these bodies (line 3 of each file).
local function daemon(bodies)
  local files = {}
  for i, body in ipairs(bodies) do
    files["site/commands/c" .. i .. ".lua"] = "local up = {}\nreturn { api = 1, summary = 'x', access = 'read', run = function(ctx)\ndo " ..
      body .. "\nend return { v = true, up = up ~= nil and ctx ~= nil } end }\n"
  end
  return scratch.daemon { log_level = "error", files = files }
end

-- Each body raises a ScriptError with its file and line and these words.
local function refused(cases)
  local bodies = {}
  for i, case in ipairs(cases) do
    bodies[i] = case[1]
  end
  local d <close> = daemon(bodies)
  for i, case in ipairs(cases) do
    local data, e = d:call("c" .. i)
    t.eq(data, nil, case[1])
    e = e or {}
    t.eq({ e.code, e.where }, { "ScriptError", "site/commands/c" .. i .. ".lua:3" }, case[1] .. ": " .. tostring(e.message))
    for k = 2, #case do
      t.ok(tostring(e.message):find(case[k], 1, true), ("%s: '%s' lacks '%s'"):format(case[1], e.message, case[k]))
    end
  end
end

t.test("undefined names are errors with file and line, with a hint where there is another way", function()
  refused {
    { "return nosuch", "undefined name 'nosuch'" }, { "return retrun.x", "undefined name 'retrun'" },
    { "print('x')", "'print'", "ctx.log" }, { "io.open('/etc/passwd')", "'io'", "ctx.fs" },
    { "os.execute('id')", "'os'", "ctx.proc" }, { "return os.time()", "'os'", "ctx.clock" },
    { "return debug.traceback()", "'debug'", "traceback" }, { "return load('return 1')", "'load'" },
    { "dofile('/etc/passwd')", "'dofile'" }, { "loadfile('/etc/passwd')", "'loadfile'" },
    { "return package.path", "'package'", "require" }, { "collectgarbage()", "'collectgarbage'" },
    { "return _G.x", "'_G'" }, { "warn('x')", "'warn'" }, { "rawset(ctx, 'x', 1)", "'rawset'" },
    { "return string.dump(ctx.x)" }, { "return arg[1]", "'arg'" },
  }
end)

t.test("assignment to an undeclared name is an error", function()
  refused {
    { "counter = 1", "undeclared name 'counter'", "local" }, { "function helper() end", "undeclared name 'helper'" },
    { "_ENV.x = 1", "undeclared name 'x'" },
    { "setmetatable(_ENV, nil)", "metatable" }, { "setmetatable(_ENV, {})", "metatable" },
  }
end)

t.test("ctx and what it holds are read-only", function()
  local cases = { { "ctx.db = 1", "read-only" }, { "ctx.x = 1", "read-only" }, { "setmetatable(ctx, {})", "metatable" } }
  for _, name in ipairs { "fs", "proc", "clock", "json", "sys", "conf", "task" } do
    cases[#cases + 1] = { "ctx." .. name .. ".x = 1", "read-only" }
    cases[#cases + 1] = { "setmetatable(ctx." .. name .. ", {})", "metatable" }
  end
  cases[#cases + 1] = { "ctx.sys.conf.vault = 'x'", "read-only" }
  cases[#cases + 1] = { "ctx.peer.uid = 0", "read-only" }
  cases[#cases + 1] = { "ctx.access = 'change'", "read-only" }
  cases[#cases + 1] = { "ctx.gen.commands.status = nil", "read-only" }
  cases[#cases + 1] = { "ctx.host.reload = nil", "read-only" }
  refused(cases)
end)

t.test("require knows the pure modules only, and they are read-only", function()
  local cases = {}
  for _, name in ipairs { "io", "os", "debug", "package", "core.fs", "core.proc", "core.task", "core.sys", "core.db", "core.server",
    "colibri.scripts", "colibri.dispatch", "colibri.context", "../x", "nosuch", "" } do
    cases[#cases + 1] = { "require('" .. name .. "')", "module '" .. name .. "'" }
  end
  cases[#cases + 1] = { "require(nil)", "module" }
  cases[#cases + 1] = { "require('colibri.err').new = nil", "read-only" }
  cases[#cases + 1] = { "require('core.json').encode = nil", "read-only" }
  refused(cases)
  local d <close> = daemon { "assert(require('colibri.err').new('X', 'y').code == 'X')\nassert(require('core.json').encode({}) == '{}')" }
  t.ok(d:call("c1"))
end)

t.test("what one script does to library tables does not reach another", function()
  local d <close> = daemon {
    "string.format, table.insert, math.floor, coroutine.wrap, utf8.char = nil, nil, nil, nil, nil\n" ..
      "string.leak, table.leak, math.leak, coroutine.leak = 1, 1, 1, 1\nassert = nil",
    "assert(string.format and table.insert and math.floor and coroutine.wrap and utf8.char and assert)\n" ..
      "assert(not (string.leak or table.leak or math.leak or coroutine.leak))\nassert(('x'):upper() == 'X' and ('x').leak == nil)",
  }
  t.ok(d:call("c1"))
  t.ok(d:call("c2"))
  t.ok(d:call("status", { full = true }))
  t.ok(d:call("reload"))
  t.ok(d:call("c2"))
end)

t.test("the metatables of strings, coroutines and secrets are out of reach", function()
  local d <close> = daemon {
    "assert(not getmetatable(''))\nassert(not pcall(setmetatable, '', {}))\nassert(not getmetatable(coroutine.create(function() end)))\n" ..
      "assert(not getmetatable(ctx) and not getmetatable(ctx.fs))",
    "local s = ctx.fs.parse_env('A=top-secret', 'x')[1].value\nassert(not getmetatable(s) and tostring(s) == '[secret]')\n" ..
      "assert(not pcall(function() return s .. '' end))\nreturn { v = s }",
    "getmetatable('').__index.upper = nil",
    "string.upper = function() return 'hijacked' end\nassert(('x'):upper() == 'X')",
    "rawget(getmetatable('') or {}, '__index').upper = nil",
  }
  local data, e = d:call("c1")
  t.ok(data, e and e.message)
  data, e = d:call("c2")
  t.eq({ data, e and e.code }, { nil, "BadValue" }, e and e.message)
  t.err("ScriptError", d:call("c3"))
  data, e = d:call("c4")
  t.ok(data, e and e.message)
  t.err("ScriptError", d:call("c5"))
  t.ok(d:call("status"))
end)

t.test("rawget and friends do not reach behind a read-only view", function()
  local d <close> = daemon {
    "for k in next, ctx.fs do error('next shows ' .. tostring(k)) end\nassert(rawget(ctx.fs, 'open') == nil and rawlen(ctx.fs) == 0)",
    "local n = 0\nfor name, value in pairs(ctx.conf) do n = n + 1 end\nassert(n > 10)",
    "table.insert(ctx.conf, 1)",
    "table.sort(ctx.gen.entries, function() return false end)\nctx.gen.entries[1] = nil",
    "local f = ctx.fs\nlocal ok = pcall(table.move, { 1 }, 1, 1, 1, f)\nassert(not ok)",
  }
  for _, name in ipairs { "c1", "c2", "c5" } do
    local data, e = d:call(name)
    t.ok(data, e and name .. ": " .. e.message)
  end
  d:call("c3")
  d:call("c4")
  t.ok(#d:call("scripts") > 20, "the list of scripts is whole")
  t.ok(d:call("describe"))
end)

t.test("a shipped script's table that stock() gives is the site's to change, not the next generation's", function()
  local d <close> = scratch.daemon { log_level = "error", files = {
    ["site/commands/status.lua"] = "local s = stock()\ns.summary = 'changed'\nreturn s\n" } }
  t.eq(d:call("status").generation, 1)
  local root = d.dir .. "/site/commands/status.lua"
  t.ok(require("core.proc").run { "rm", root })
  t.ok(d:call("reload"))
  for _, c in ipairs(d:call("describe").commands) do
    t.ok(c.name ~= "status" or c.summary ~= "changed", "the shipped summary is back")
  end
end)
