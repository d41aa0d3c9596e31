-- api_test.lua - docs/api.lua says what is there, all of it, and nothing else;
-- what `make docs` makes of it is what is committed. A failure says what to
-- write where.

local api = require "colibri.api"
local docs = require "colibri.api_docs"
local fs = require "core.fs"
local param_types = require "colibri.param_types"
local sys = require "core.sys"
local t = require "colibri.test"

local tree = assert(fs.open_trusted(sys.conf.share_dir))

local function read(name)
  return assert(tree:read(name))
end

local model = assert(api.load())

-- One failure per text.
local function none(texts)
  for _, text in ipairs(texts) do
    t.ok(false, text)
  end
end

local function files_in(dir, pattern)
  local out = {}
  for _, name in ipairs(assert(tree:list(dir))) do
    if name:find(pattern) then
      out[#out + 1] = dir .. "/" .. name
    end
  end
  return out
end

t.test("the description is in order", function()
  none(model.problems)
end)

-- The first line in which two texts differ.
local function difference(old, new)
  local a, b, n = old:gmatch("([^\n]*)\n?"), new:gmatch("([^\n]*)\n?"), 0
  while true do
    local x, y = a(), b()
    n = n + 1
    if x ~= y or x == nil then
      return ("line %d is\n  %s\nnot\n  %s"):format(n, tostring(x), tostring(y))
    end
  end
end

t.test("`make docs` would change nothing", function()
  local files, lost = docs.files(function(name) return tree:read(name) end)
  t.ok(files, lost)
  none(lost)
  for name, text in pairs(files) do
    local old = tree:read(name) or ""
    t.ok(not name:find("%.lua$") or load(text, "=" .. name), name .. " does not parse")
    t.ok(old == text, name .. " is not what docs/api.lua and docs/api/ say: run `make docs` and commit the result; " ..
      (old ~= text and difference(old, text) or ""))
  end
  for _, dir in ipairs { "lua/meta/colibri", "lua/meta/core", "lua/meta/types" } do
    for _, name in ipairs(files_in(dir, "%.lua$")) do
      t.ok(files[name], name .. " is made by nothing any more: git rm it")
    end
  end
end)

local function keys(list)
  local out = {}
  for key in pairs(list) do
    out[#out + 1] = key
  end
  table.sort(out, function(a, b) return tostring(a) < tostring(b) end)
  return out
end

-- Compare what a namespace or class really has with what is said about it.
-- there: { name = true or a value }; where: what the reader knows it by.
local function compare(record, there, where, separator)
  local said = {}
  for _, f in ipairs(record.functions) do
    said[f.short] = true
    t.ok(there[f.short] ~= nil, ("%s describes %s, which %s has not: remove the line, or correct its name; then `make docs`")
      :format(f.file, f.name, where))
  end
  for _, v in ipairs(record.values) do
    said[v.short] = true
    t.ok(there[v.short] ~= nil or separator == ":", ("%s describes %s, which %s has not: remove the line; then `make docs`")
      :format(record.part.file, v.name, where))
  end
  for _, name in ipairs(keys(there)) do
    t.ok(said[name], ([[%s has %s%s%s, which is not described: add the line
    { "%s%s%s(...)", "what it gives" },
to `functions` (or `values`) of %s, in the notation that docs/api.lua explains, and run `make docs`]]):format(where,
      record.name, separator, name, record.name, separator, name, record.part.file))
  end
end

t.test("functions of the bindings in C", function()
  local described = {}
  for _, record in pairs(model.names) do
    if record.binding then
      described[record.binding] = true
      compare(record, require(record.binding), "the binding " .. record.binding, ".")
    end
  end
  for _, file in ipairs(files_in("core", "%.c$")) do
    for name in read(file):gmatch('vm_preload%(L, "(core%.[%w_]+)"') do
      t.ok(described[name], ("%s registers %s, which is not described: add it to `names` of docs/api/host.lua, { binding = \"%s\" }")
        :format(file, name, name))
    end
  end
end)

-- { class name = { method = true } } of one C file.
local function classes_of(text)
  local defines, lists, out = {}, {}, {}
  for name, value in text:gmatch('#define%s+([%w_]+)%s+"([^"]+)"') do
    defines[name] = value
  end
  for name, body in text:gmatch("luaL_Reg ([%w_]+)%[%] = (%b{})") do
    lists[name] = {}
    for method in body:gmatch('{%s*"([%w_]+)"') do
      lists[name][method] = true
    end
  end
  for class, methods in text:gmatch("lx_newclass%(L, ([%w_]+), ([%w_]+),") do
    if methods ~= "NULL" then
      out[assert(defines[class], class)] = assert(lists[methods], methods)
    end
  end
  return out
end

t.test("methods of the classes in C", function()
  local by_class = {}
  for _, record in pairs(model.names) do
    if record.class and record.class:find(".", 1, true) then
      by_class[record.class] = record
    end
  end
  local found = {}
  for _, file in ipairs(files_in("core", "%.c$")) do
    for class, methods in pairs(classes_of(read(file))) do
      found[class] = true
      local record = by_class[class]
      if t.ok(record, ("%s has the class %s, which is not described: add it to `names` of the part it belongs to, { class = \"%s\" }")
          :format(file, class, class)) then
        compare(record, methods, file, ":")
      end
    end
  end
  for class, record in pairs(by_class) do
    t.ok(found[class], ("%s: there is no class %s"):format(record.part.file, class))
  end
end)

t.test("functions of the modules in Lua", function()
  for _, record in pairs(model.names) do
    if record.module then
      compare(record, require(record.module), record.module, ".")
    end
  end
end)

-- Methods of a class in Lua: `function Name:method(` in any file of the library.
local function lua_methods(class, source)
  local out = {}
  for _, file in ipairs(source and { source } or files_in("lua/colibri", "%.lua$")) do
    for name in read(file):gmatch("\nfunction " .. class .. "[:.]([%w_]+)%(") do
      out[name] = true
    end
  end
  return out
end

t.test("methods of the classes in Lua", function()
  for _, record in pairs(model.names) do
    if record.facade then
      local module = require(record.facade)
      local object = module.bind and module.bind {} or module.new { ctx = { conf = {} } }
      local there = {}
      for name, value in pairs(getmetatable(object).__index) do
        there[name] = type(value) == "function" and name:sub(1, 2) ~= "__" or nil
      end
      compare(record, there, record.facade, ":")
    elseif record.source or not (record.binding or record.module or record.class or record.ctx) then
      if record.name ~= "Guard" then -- an anonymous table of sync.lua
        compare(record, lua_methods(record.class or record.name, record.source), record.source or "lua/colibri/", ":")
      end
    end
  end
end)

t.test("what a script may require", function()
  local there = {}
  for name in read("lua/colibri/sandbox.lua"):match("\nlocal MODULES = (%b{})"):gmatch('%["([%w_.]+)"%] = true') do
    there[name] = true
  end
  for _, record in pairs(model.names) do
    local name = record.module or record.binding
    local may = name and there[name]
    t.ok(not may or record.require or name == "colibri.sync",
      ("sandbox.lua lets scripts require %s: set require = true in %s"):format(tostring(name), record.part.file))
    t.ok(may or not record.require, ("%s says that scripts may require %s, sandbox.lua says no"):format(
      record.part.file, tostring(name)))
  end
end)

t.test("what is in ctx", function()
  local said = {}
  for _, kind in ipairs { "Ctx", "ProofCtx" } do
    for _, f in ipairs(model.types[kind].fields) do
      said[f.name] = true
    end
  end
  local there = {}
  local context = read("lua/colibri/context.lua")
  for _, block in ipairs { context:match("\nlocal shared = (%b{})"), context:match("\nlocal bound = (%b{})") } do
    for name in block:gmatch("\n  ([%w_]+) = ") do
      there[name] = "lua/colibri/context.lua"
    end
  end
  for name in context:match("\nlocal PLACE = (%b{})"):gmatch("([%w_]+) = ") do
    there[name] = "lua/colibri/context.lua"
  end
  for name in read("lua/colibri/daemon.lua"):match("context%.setup (%b{})"):gsub("%(.*", ""):gmatch("([%w_]+) = ") do
    there[name] = "lua/colibri/daemon.lua"
  end
  for name in read("lua/colibri/run.lua"):match("local ctx = (%b{})"):gmatch("([%w_]+) = ") do
    there[name] = "lua/colibri/run.lua"
  end
  there.uid, there.gid, there.pid = nil, nil, nil -- of an internal peer
  for _, name in ipairs(keys(there)) do
    t.ok(said[name], ("%s puts '%s' into ctx: add it to the fields of `Ctx` or `ProofCtx` in docs/api/ctx.lua, run `make docs`")
      :format(there[name], tostring(name)))
  end
  there.bw, there.dry_run = "vaults.lua", "effects_dry.lua"
  for _, name in ipairs(keys(said)) do
    t.ok(there[name], ("docs/api/ctx.lua: nothing puts '%s' into ctx"):format(name))
  end
end)

t.test("kinds of script and their fields", function()
  local text = read("lua/colibri/script_kinds.lua")
  local kinds = text:match("\nlocal KINDS = (%b{})")
  local said = {}
  for _, kind in ipairs(model.scripts.kinds) do
    said[kind[1]] = {}
    for _, item in ipairs(kind.fields) do
      said[kind[1]][api.field(item[1]).name] = true
    end
  end
  for kind, body in kinds:sub(2):gmatch("([%w_]+) = (%b{})") do
    local names = said[kind]
    if t.ok(names, ("script_kinds.lua knows the kind '%s': describe it in docs/api/scripts.lua, run `make docs`"):format(kind)) then
      for field in body:sub(2):gmatch("([%w_]+) = ") do
        t.ok(names[field], ("script_kinds.lua lets %s have '%s': add the field to that kind in docs/api/scripts.lua, run `make docs`")
          :format(kind, field))
        names[field] = nil
      end
      none(keys(names))
      said[kind] = nil
    end
  end
  none(keys(said))
end)

t.test("parameters of commands: types and fields", function()
  local types, fields = {}, {}
  for _, row in ipairs(model.scripts.param_types) do
    types[row[1]] = true
  end
  for _, f in ipairs(model.types.Param.fields) do
    fields[f.name] = true
  end
  for _, name in ipairs(param_types.names()) do
    t.ok(types[name], "describe the parameter type '" .. name .. "' in `param_types` of docs/api/scripts.lua")
    types[name] = nil
  end
  none(keys(types))
  for name in read("lua/colibri/params_spec.lua"):match("\nlocal FIELDS = (%b{})"):sub(2):gmatch("([%w_]+) = ") do
    t.ok(fields[name], "describe the parameter's field '" .. name .. "' in the type Param of docs/api/scripts.lua")
    fields[name] = nil
  end
  none(keys(fields))
end)

t.test("events", function()
  local there = {}
  for _, file in ipairs(files_in("lua/colibri", "%.lua$")) do
    for name in read(file):gmatch('hooks%.run%([%w_.]+, "([%w_]+)"') do
      there[name] = true
      t.ok(model.events[name], ("%s runs the hooks of '%s': describe the event in docs/api/events.lua, run `make docs`")
        :format(file, name))
    end
  end
  for name in pairs(model.events) do
    t.ok(there[name], "docs/api/events.lua: nothing runs the hooks of " .. name)
  end
end)

t.test("error codes that nothing makes", function()
  local text = {}
  for _, dir in ipairs { "core", "lua/colibri", "lua/colibri/vault", "lua/colibri/jail", "lua/providers", "lua/commands", "scripts",
    "scripts/steps", "hooks/authorize" } do
    for _, file in ipairs(files_in(dir, "%.[ch]?l?u?a?$")) do
      text[#text + 1] = read(file)
    end
  end
  local all = table.concat(text)
  for code in pairs(model.codes) do
    t.ok(all:find("%f[%w]" .. code .. "%f[%W]"), "docs/api/errors.lua: nothing makes " .. code)
  end
end)
