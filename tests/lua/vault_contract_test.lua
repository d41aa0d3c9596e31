-- What every vault adapter must do, for the shipped ones and the example: the
-- same cases through the shared session. For an adapter of your own: an entry in
-- ADAPTERS that makes a world in which put(collection, { KEY = value }) fills it.

local bw = require "core.bw"
local clock = require "core.clock"
local fs = require "core.fs"
local proc = require "core.proc"
local sandbox = require "colibri.sandbox"
local script = require "core.script"
local sys = require "core.sys"
local t = require "colibri.test"
local task = require "core.task"
local vaults = require "colibri.vaults"

local ADAPTERS = {}

-- KEY=VALUE lines, as anybody would write them.
local function env_lines(values)
  local out = {}
  for key, value in pairs(values) do
    out[#out + 1] = ("%s='%s'\n"):format(key, value:gsub("'", "'\\''"))
  end
  return table.concat(out)
end

ADAPTERS.file = function(w)
  t.ok(w.root:mkdir("vault", 0x1c0))
  w.conf.vault_dir = w.base .. "/vault"
  function w.put(collection, values)
    t.ok(w.root:write(("vault/%s.env"):format(collection), env_lines(values)))
  end
  function w.raw(collection, text)
    t.ok(w.root:write(("vault/%s.env"):format(collection), text))
  end
  function w.break_it()
    w.conf.vault_dir = w.base .. "/nowhere"
  end
  return sys.conf.share_dir .. "/lua/colibri/vault/file.lua"
end

ADAPTERS.command = function(w)
  t.ok(w.root:mkdir("data", 0x1c0))
  t.ok(w.root:write("secrets", ([[#!/bin/sh
[ -e "%s/data/$1" ] || exit 3
cat "%s/data/$1"
]]):format(w.base, w.base), { mode = 0x1c0 }))
  function w.put(collection, values)
    t.ok(w.root:write("data/" .. collection, env_lines(values)))
  end
  function w.raw(collection, text)
    t.ok(w.root:write("data/" .. collection, text))
  end
  function w.break_it()
    w.root:unlink("secrets")
  end
  local text = t.ok(fs.read_trusted(sys.conf.share_dir .. "/docs/examples/vault/command.lua", 0x12))
  text = text:gsub('"/usr/local/libexec/colibri%-secrets"', ("%q"):format(w.base .. "/secrets"), 1)
  t.ok(w.root:write("command.lua", text))
  return w.base .. "/command.lua"
end

local SERVER, CLIENT = "https://vault.example.com", "user.0"

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
end

ADAPTERS.bw = function(w)
  local data = "bw/" .. bw.dir_name(SERVER, CLIENT)
  for _, name in ipairs { "bw", data, data .. "/standin" } do
    t.ok(w.root:mkdir(name, 0x1c0))
  end
  t.ok(w.root:write("provider.env", ("BW_SERVER=%s\nBW_CLIENTID=%s\nBW_CLIENTSECRET=s\nBW_PASSWORD=p\n"):format(
    SERVER, CLIENT)))
  w.conf.bw, w.conf.state_dir = sys.conf.share_dir .. "/tests/tools/bw-standin", w.base
  w.conf.provider_env = w.base .. "/provider.env"
  t.ok(w.root:write(data .. "/standin/serve", ""))
  local names, items = {}, {}
  local function save()
    local collections, all = {}, {}
    for i, name in ipairs(names) do
      collections[i] = ('{"id":"c-%d","name":%s}'):format(i, quoted(name))
      for _, item in ipairs(items[name]) do
        all[#all + 1] = item:format(i)
      end
    end
    t.ok(w.root:write(data .. "/standin/collections.json", "[" .. table.concat(collections, ",") .. "]"))
    t.ok(w.root:write(data .. "/standin/items.json", "[" .. table.concat(all, ",") .. "]"))
  end
  local function place(collection)
    if not items[collection] then
      names[#names + 1] = collection
    end
    items[collection] = {}
    return items[collection]
  end
  function w.put(collection, values)
    local list = place(collection)
    for key, value in pairs(values) do
      list[#list + 1] = ('{"id":"a-%d","type":1,"name":%s,"collectionIds":["c-%%d"],"login":{"password":%s}}'):format(
        #list + 1, quoted(key), (quoted(value):gsub("%%", "%%%%")))
    end
    save()
  end
  function w.raw(collection, text)
    local list = place(collection)
    if text ~= "" then
      list[1] = ('{"id":"a-1","type":2,"name":"n","collectionIds":["c-%%d"],"notes":%s}'):format(quoted(text))
    end
    save()
  end
  function w.break_it()
    w.root:unlink("provider.env")
  end
  return sys.conf.share_dir .. "/lua/colibri/vault/bw.lua"
end

local function world(name, idle)
  local base = t.ok(fs.scratch("vault-contract"))
  local w = { base = base, root = t.ok(fs.open_trusted(base)), conf = { vault = name, vault_idle = idle or 0 } }
  local adapter = script.call(t.ok(script.load(ADAPTERS[name](w), "@vault.lua", sandbox.env())))
  w.vault = vaults.new {
    gen = function() return { vault = { [name] = adapter } } end,
    ctx = { conf = w.conf, fs = fs, proc = proc, clock = clock, task = task, sys = sys },
  }
  return setmetatable(w, { __close = function()
    w.vault:close()
    w.root:close()
    fs.remove_tree(base)
  end })
end

local function plain(list)
  local out = {}
  for _, pair in ipairs(list) do
    t.eq(type(pair.item), "string")
    out[pair.key] = type(pair.value) == "string" and pair.value or pair.value:reveal()
  end
  return out
end

local VALUES = { PLAIN = "simple", SPACES = "  a b  ", QUOTES = [[it's "q" `x` $HOME \ # =]], UTF8 = "åß語🐦", PERCENT = "100%d %s",
  LINES = "-----BEGIN KEY-----\nabc/+==\n-----END KEY-----\n", _under = "1", key = "small", KEY = "big" }

for name in pairs(ADAPTERS) do
  t.test(name .. ": every value byte for byte, and those of no other collection", function()
    local w <close> = world(name)
    w.put("a", VALUES)
    w.put("ab", { OTHER = "x" })
    t.eq(plain(t.ok(w.vault:fetch("a"))), VALUES)
    t.eq(plain(t.ok(w.vault:fetch("ab"))), { OTHER = "x" })
  end)

  t.test(name .. ": a change is seen by the next request of the same session", function()
    local w <close> = world(name, 600)
    w.put("a", { KEY = "before" })
    t.eq(plain(t.ok(w.vault:fetch("a"))), { KEY = "before" })
    w.put("a", { KEY = "after" })
    t.eq(plain(t.ok(w.vault:fetch("a"))), { KEY = "after" })
    w.vault:close()
    t.eq(plain(t.ok(w.vault:fetch("a"))), { KEY = "after" })
    t.eq(w.vault:status().sessions, 2)
  end)

  t.test(name .. ": what is wrong has a code, advice and no value, and the session goes on", function()
    local w <close> = world(name, 600)
    w.put("a", { KEY = "v" })
    for i, case in ipairs { { "CollectionEmpty", "" }, { "CollectionEmpty", "# nothing\n" }, { "InvalidNote", "hunter2 hunter2" },
      { "InvalidNote", "A='hunter2" }, { "InvalidKey", "1A=hunter2\n" }, { "ItemAmbiguous", "A=hunter2\nA=x\n" } } do
      w.raw("bad" .. i, case[2])
      local e = select(2, w.vault:fetch("bad" .. i))
      -- A note without lines is an empty collection to some.
      t.ok(e and (e.code == case[1] or case[1] == "CollectionEmpty" and e.code == "InvalidNote"), tostring(e))
      t.ok(e.message:find(";", 1, true), "no advice in: " .. e.message)
      t.ok(not e.message:find("hunter2", 1, true), e.message)
    end
    for _, missing in ipairs { "nobody", "A", "../a", "a/../a", "-a", "a b", "*", ("x"):rep(300) } do
      t.err("CollectionNotFound", w.vault:fetch(missing))
    end
    t.ok(w.vault:fetch("a"))
    t.eq(w.vault:status().sessions, 1)
  end)

  t.test(name .. ": twenty at once", function()
    local w <close> = world(name)
    w.put("a", { KEY = "v" })
    local asked = {}
    for i = 1, 20 do
      asked[i] = task.go(function() return w.vault:fetch("a") end)
    end
    for _, child in ipairs(asked) do
      t.eq(plain(t.ok(child:wait())), { KEY = "v" })
    end
    t.eq(w.vault:status().sessions, 1)
  end)

  t.test(name .. ": closed twice, and not configured", function()
    local w <close> = world(name)
    w.put("a", { KEY = "v" })
    t.ok(w.vault:fetch("a"))
    w.vault:close()
    w.vault:close()
    w.break_it()
    t.ok(t.err("VaultNotConfigured", w.vault:fetch("a")).message:find(";", 1, true))
  end)
end
