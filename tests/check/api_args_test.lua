-- api_args_test.lua - misuse of each function of the script API raises, with
-- file and line, and changes nothing. The calls are made from docs/api.lua: for
-- each function a wrong type at each place, one argument too many, and an
-- unknown field where there are options.

local api = require "colibri.api"
local core_task = require "core.task"
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local store = require "colibri.store"
local sys = require "core.sys"
local t = require "colibri.test"

local model = assert(api.load())

-- Objects to call methods of: the name in front of the colon, how to make one.
-- A name that is missing here fails below.
local function scratch_file(text)
  local dir = assert(fs.scratch("colibri-test"))
  local root = assert(fs.open_trusted(dir))
  assert(root:write("a.env", text or "A=1\n"))
  return root, dir
end

local function context()
  local db = assert(store.open(":memory:"))
  local peer = { uid = 0, gid = 0, pid = 0 }
  return { db = db, fs = fs, proc = proc, sys = sys, conf = sys.conf, peer = peer, command = "test", request_id = 1,
    access = "change", json = require "core.json", clock = require "core.clock" }
end

local function facade(name)
  return function()
    local ctx = context()
    ctx.audit = require("colibri.audit").bind(ctx)
    ctx.tenants = require("colibri.tenants").bind(ctx)
    ctx.vault = { fetch = function() return nil, { code = "CollectionNotFound", message = "no vault" } end }
    return require(name).bind(ctx), ctx.db
  end
end

local make = {
  Root = function() return scratch_file() end,
  Secret = function() return assert(fs.parse_env("A=1\n", "test"))[1].value end,
  Process = function() return assert(proc.start { "/bin/sleep", "60" }) end,
  Descriptor = function() return assert(proc.fd_of("x")) end,
  Connection = function()
    local daemon = scratch.daemon()
    return daemon.conn, daemon
  end,
  Task = function() return core_task.go(function() core_task.sleep(60) end) end,
  Lock = function() return require("colibri.sync").lock() end,
  Guard = function() return require("colibri.sync").lock():acquire() end,
  Queue = function()
    local queue = require("colibri.sync").queue()
    queue:put("x")
    return queue
  end,
  log = function() return require("colibri.log").topic("test") end,
  tenants = facade "colibri.tenants",
  agents = facade "colibri.agents",
  jail = facade "colibri.jails",
  audit = facade "colibri.audit",
  vault = function() return require("colibri.vaults").new { ctx = { conf = { vault = "none" } } } end,
  db = function() return assert(store.open(":memory:")) end,
}

-- A value of a type that is harmless where it is right, and one that is not of it.
local SAMPLES = { string = "/nonexistent/sample", integer = 1, number = 0.001, boolean = true, any = "sample",
  ["function"] = function() end }
local OTHERS = { { "table", {} }, { "function", function() end }, { "string", "sample" }, { "integer", 1 }, { "boolean", true } }

-- The Lua types that a described type stands for.
local function lua_types(kind)
  local out = {}
  for _, one in ipairs(api.split(kind, "|")) do
    local record = model.types[one]
    if record and record.alias then
      for name in pairs(lua_types(record.alias)) do
        out[name] = true
      end
    elseif one:find('^"') then
      out.string = true
    elseif one == "any" then
      return { any = true }
    elseif model.classes[one] and not record then
      out.userdata = true
    elseif one:find("%[%]$") or one:find("^table") or record then
      out.table = true
    elseif one:find("^fun%(") then
      out["function"] = true
    else
      out[one] = true
    end
  end
  out.integer = out.integer or out.number
  return out
end

local function sample(kind)
  local literal = kind:match('^"([^"]+)"')
  if literal then
    return literal
  end
  local types = lua_types(kind)
  for _, name in ipairs { "any", "string", "integer", "number", "boolean", "function" } do
    if types[name] then
      return name == "integer" and kind:find("number") and SAMPLES.number or SAMPLES[name]
    end
  end
  return types.table and {} or nil
end

local function wrong(kind)
  local types = lua_types(kind)
  for _, other in ipairs(OTHERS) do
    if not types.any and not types[other[1]] and not (other[1] == "integer" and types.string) then
      return other[2], true
    end
  end
end

-- Every way to call a function wrongly: { what it is, arguments }.
local function bad_calls(f)
  local good, out = { n = #f.params }, {}
  for i, p in ipairs(f.params) do
    good[i] = sample(p.type)
  end
  local function with(what, i, value)
    local args = table.move(good, 1, good.n, 1, { n = math.max(good.n, i) })
    args[i] = value
    out[#out + 1] = { what = what, args = args }
  end
  for i, p in ipairs(f.params) do
    local value, is_wrong = wrong(p.type)
    if is_wrong then
      with(("%s given a %s"):format(p.name, type(value)), i, value)
    end
    local record = model.types[p.type]
    if record and record.options then
      with(p.name .. " with an unknown field", i, { "/bin/true", no_such_field = 1 })
    end
  end
  if not f.rest then
    with("one argument too many", #f.params + 1, "surplus")
  end
  return out
end

-- What must not change.
local function state(root, db)
  local parts = { core_task.count() }
  parts[#parts + 1] = sys.stats().fds
  if root then
    parts[#parts + 1] = table.concat(root:list("."), " ") .. root:read("a.env")
  end
  for _, name in ipairs(db and { "tenants", "agents", "audit" } or {}) do
    parts[#parts + 1] = #db:all("SELECT * FROM " .. name)
  end
  return table.concat(parts, ",")
end

-- Not a tail call: the error names the line of the caller.
local function attempt(fn, object, args)
  local ok, e = pcall(function()
    local results
    if object then
      results = table.pack(fn(object, table.unpack(args, 1, args.n)))
    else
      results = table.pack(fn(table.unpack(args, 1, args.n)))
    end
    return results
  end)
  return ok, ok and "it returned" or tostring(e)
end

local HOW = "in C by luaL_check... and lx_checknargs, in Lua by checked.methods or checked.functions of lua/colibri/checked.lua"

local function check(f, fn, object, root, db)
  for _, call in ipairs(bad_calls(f)) do
    local before = state(root, db)
    local ok, text = attempt(fn, object, call.args)
    t.ok(not ok and text:find("^%S*api_args_test%.lua:%d+: "),
      ("%s, %s: must raise with the line of its caller (%s), but: %s"):format(f.name, call.what, HOW, text))
    collectgarbage()
    collectgarbage()
    t.eq(state(root, db), before, f.name .. ", " .. call.what .. ": tasks, waits, descriptors, files, rows")
  end
end

local function in_order(record)
  local out = {}
  for _, f in ipairs(record.functions) do
    if not f.internal then
      out[#out + 1] = f
    end
  end
  return out
end

local names = {}
for name in pairs(model.names) do
  names[#names + 1] = name
end
table.sort(names)

for _, name in ipairs(names) do
  local record = model.names[name]
  if #in_order(record) > 0 and not (record.unchecked or record.part.unchecked) and name ~= "tx" then
    t.test("misuse of " .. name, function()
      local module = (record.binding or record.module) and require(record.binding or record.module)
      if not module and not t.ok(make[name], "api_args_test.lua cannot make a " .. name ..
          ": add a function to `make` there") then
        return
      end
      for _, f in ipairs(in_order(record)) do
        if module then
          check(f, module[f.short])
        else
          local object, extra = make[name]()
          check(f, object[f.short], f.method and object or nil, name == "Root" and object or nil,
            type(extra) == "userdata" and extra or name == "db" and object or nil)
          if name == "Root" then
            object:close()
            assert(fs.remove_tree(extra))
          elseif name == "Process" or name == "Descriptor" or name == "db" then
            object:close()
          elseif extra then
            extra:close()
          elseif name == "Task" then
            object:cancel()
            object:wait()
          end
        end
      end
    end)
  end
end

t.test("misuse of tx", function()
  local db <close> = assert(store.open(":memory:"))
  assert(db:write(function(tx)
    for _, f in ipairs(in_order(model.names.tx)) do
      check(f, tx[f.short], tx)
    end
    return true
  end))
end)
