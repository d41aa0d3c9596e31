-- The bw vault against tests/tools/bw-standin, through the shared session of
-- vaults.lua: what a provision gets, and that every trap fails closed.

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

local SERVER, CLIENT, SECRET, PASSWORD = "https://vault.example.com:8443", "user.0", "s3cr3t-api", "m4ster pass"
local ID, OTHER = "0aa0-1", "0bb0-2"
local ID_PATTERN = "0aa0%-1"
local COLLECTIONS = ([[ [{"object":"collection","id":"%s","organizationId":"0c-0","name":"proof0"},
  {"object":"collection","id":"%s","organizationId":"0c-0","name":"proof0-staging"}] ]]):format(ID, OTHER)
local CREDENTIALS = ("BW_SERVER=%s/\nBW_CLIENTID=%s\nBW_CLIENTSECRET=%s\nBW_PASSWORD='%s'\nOTHER_API_KEY=x\n"):format(
  SERVER, CLIENT, SECRET, PASSWORD)

local ids = 0
local function item_id()
  ids = ids + 1
  return ("%04x-0"):format(ids)
end

local function login(name, password)
  return ([[{"object":"item","id":"%s","name":"%s","type":1,"collectionIds":["%s"],"notes":null,
    "login":{"username":"u","password":%s},"deletedDate":null}]]):format(item_id(), name, ID,
    password and '"' .. password .. '"' or "null")
end

local function list(...)
  return "[" .. table.concat({ ... }, ",") .. "]"
end

-- A world of its own: state directory, provider.env, stand-in and vaults.
local function world(items, conf, virtual)
  local base = t.ok(fs.scratch("vault-bw"))
  local root = t.ok(fs.open_trusted(base))
  local data = "bw/" .. bw.dir_name(SERVER, CLIENT)
  for _, name in ipairs { "bw", data, data .. "/standin" } do
    t.ok(root:mkdir(name, 0x1c0))
  end
  local w = { base = base, root = root, data = data, naps = 0 }
  function w.put(name, text)
    t.ok(root:write(data .. "/standin/" .. name, text))
  end
  function w.drop(name)
    t.ok(root:unlink(data .. "/standin/" .. name))
  end
  function w.log()
    return root:read(data .. "/standin/log") or ""
  end
  function w.count(what)
    local _, n = w.log():gsub("argv: %-%-response " .. what:gsub("%-", "%%-"), "")
    return n
  end
  function w.state(name)
    return (root:read(data .. "/data.json") or ""):match(name .. "=([^\n]*)")
  end
  t.ok(root:write("provider.env", CREDENTIALS))
  w.put("collections.json", COLLECTIONS)
  w.put("items.json", items or list(login("KEY", "value")))
  w.put("clientid", CLIENT)
  w.put("clientsecret", SECRET)
  w.put("password", PASSWORD)
  local settings = { vault = "bw", bw = sys.conf.share_dir .. "/tests/tools/bw-standin", state_dir = base,
    provider_env = base .. "/provider.env", vault_timeout = 30, vault_idle = 0 }
  for key, value in pairs(conf or {}) do
    settings[key] = value
  end
  local path = sys.conf.share_dir .. "/lua/colibri/vault/bw.lua"
  local adapter = script.call(t.ok(script.load(path, "@stock/vault/bw.lua", sandbox.env())))
  w.conf = settings
  local tasks = setmetatable({ sleep = function(seconds)
    w.naps = w.naps + 1
    task.sleep(seconds)
  end }, { __index = task })
  w.vault = vaults.new {
    gen = function() return { vault = { bw = adapter } } end,
    ctx = { conf = settings, fs = fs, proc = proc, clock = clock, task = tasks, sys = sys },
    clock = virtual,
  }
  return setmetatable(w, { __close = function()
    w.vault:close()
    root:close()
    fs.remove_tree(base)
  end })
end

local function revealed(pairs_list)
  local out = {}
  for _, pair in ipairs(pairs_list) do
    out[pair.key] = pair.value:reveal()
  end
  return out
end

-- Fails with this code; then nothing is left logged in and no secret is told.
local function fails(w, code, collection)
  local e = t.err(code, w.vault:fetch(collection or "proof0"))
  w.vault:close()
  t.ok(w.state("login") ~= "1", code .. ": a login was left behind")
  for _, secret in ipairs { SECRET, PASSWORD, "hunter2" } do
    t.ok(not tostring(e):find(secret, 1, true), code .. ": a secret stands in the message")
  end
  return e
end

--- What comes out ------------------------------------------------------------

t.test("login items and secure notes of the one collection", function()
  local other = '{"object":"item","id":"a-1","name":"a note","type":%d,"collectionIds":["' .. ID .. '"],"notes":"%s"}'
  local w <close> = world(list(
    login("KEY", 'a\\"b $c \\u00e9\\n'), login("key", "lower"), (login("TRASH", "no"):gsub("null}$", '"2026-01-01"}')),
    other:format(2, "N1=1\\nN2='x y'\\n"), other:format(3, "card"),
    (login("ELSEWHERE", "no"):gsub(ID_PATTERN, OTHER)), (login("PERSONAL", "no"):gsub('"' .. ID_PATTERN .. '"', ""))))
  local got = t.ok(w.vault:fetch("proof0"))
  t.eq(revealed(got), { KEY = 'a"b $c é\n', key = "lower", N1 = "1", N2 = "x y" })
  t.eq(tostring(got[1].value), "[secret]")
end)

t.test("a session: each step with what it needs and no more, then logged out", function()
  local w <close> = world()
  t.ok(w.vault:fetch("proof0"))
  w.vault:close()
  local base = "BITWARDENCLI_APPDATA_DIR BW_NOINTERACTION "
  local plain = base .. "HOME LANG PATH "
  local want = {
    { "status", plain }, { "config server " .. SERVER, plain }, { "status", plain },
    { "login --apikey", "BITWARDENCLI_APPDATA_DIR BW_CLIENTID BW_CLIENTSECRET BW_NOINTERACTION HOME LANG PATH " },
    { "status", plain }, { "unlock --passwordfile /dev/stdin", plain },
    { "list collections", base .. "BW_SESSION HOME LANG PATH " },
    { "list items", base .. "BW_SESSION HOME LANG PATH " },
    { "lock", plain }, { "logout", plain }, { "status", plain },
  }
  local got = {}
  for argv, env in w.log():gmatch("argv: %-%-response ([^\n]*)\nenv: ([^\n]*)\n") do
    got[#got + 1] = { argv, env }
  end
  t.eq(got, want)
  t.eq(w.state("login"), "0")
end)

t.test("the second session of a kept directory needs no configuration", function()
  local w <close> = world()
  t.ok(w.vault:fetch("proof0"))
  w.vault:close()
  t.ok(w.vault:fetch("proof0"))
  w.vault:close()
  t.eq(w.count("config"), 1)
  t.eq(w.count("login"), 2)
  -- What bw said at the end of the first was still true: 4 and 2.
  t.eq(w.count("status"), 6)
  t.ok(w.root:write(w.data .. "/data.json", "server=https://elsewhere.example.com\n"))
  t.ok(w.vault:fetch("proof0"))
  w.vault:close()
  t.eq({ w.count("config"), w.count("status") }, { 2, 10 })
end)

--- Sharing -------------------------------------------------------------------

t.test("all who ask at once share one login", function()
  local w <close> = world()
  local asked = {}
  for i = 1, 6 do
    asked[i] = task.go(function() return w.vault:fetch("proof0") end)
  end
  for _, child in ipairs(asked) do
    t.eq(revealed(t.ok(child:wait())), { KEY = "value" })
  end
  w.vault:close()
  t.eq({ w.count("login"), w.count("sync"), w.count("list collections"), w.count("logout") }, { 1, 0, 1, 1 })
end)

t.test("an idle session serves a later request, with what is in the vault by then", function()
  local w <close> = world(nil, { vault_idle = 600 })
  t.ok(w.vault:fetch("proof0"))
  t.ok(w.vault:status().open)
  w.put("items.json", list(login("KEY", "newer")))
  t.eq(revealed(t.ok(w.vault:fetch("proof0"))), { KEY = "newer" })
  w.vault:close()
  t.eq({ w.count("login"), w.count("sync -f") }, { 1, 1 })
  t.eq(w.vault:status().open, false)
  t.eq(w.state("login"), "0")
end)

t.test("a failure about one collection does not end the session of the others", function()
  local w <close> = world()
  local bad = task.go(function() return w.vault:fetch("nobody") end)
  local good = task.go(function() return w.vault:fetch("proof0") end)
  t.err("CollectionNotFound", bad:wait())
  t.ok(good:wait())
  w.vault:close()
  t.eq(w.count("login"), 1)
end)

t.test("who gives up does not disturb the others", function()
  local w <close> = world()
  local first = task.go(function() return w.vault:fetch("proof0") end)
  local second = task.go(function() return w.vault:fetch("proof0") end)
  t.eventually(function() return w.count("status") > 0 end)
  first:cancel()
  t.ok(second:wait())
  w.vault:close()
  t.eq(w.count("list items"), 1)
end)

t.test("close ends what waits", function()
  local w <close> = world(nil, { vault_timeout = 60 })
  w.put("fault.list-items", "hang\n")
  local asked = task.go(function() return w.vault:fetch("proof0") end)
  t.eventually(function() return w.count("list items") > 0 end)
  -- A host that is being stopped cannot wait any more: what the login left on
  -- disk goes at once.
  w.vault.worker:cancel()
  t.err("Cancelled", asked:wait())
  t.err("NotFound", w.root:stat(w.data .. "/data.json"))
end)

--- Failing closed ------------------------------------------------------------

-- { step, fault, code }
local FAULTS = {
  { "status", "crash TypeError: boom", "VaultProtocol" },
  { "status", "print <html>", "VaultProtocol" },
  { "status", 'print {"success":true,"data":{"object":"template"}}', "VaultProtocol" },
  { "config", "error Something went wrong", "VaultProtocol" },
  { "login", "error Rate limit exceeded. Try again later.", "VaultRateLimited" },
  { "login", "error Incorrect client_secret", "VaultAuthFailed" },
  { "login", "error FetchError: request to https://h failed, reason: connect ECONNREFUSED", "VaultUnreachable" },
  { "login", "error self-signed certificate", "VaultUnreachable" },
  { "login", "error Internal Server Error", "VaultProtocol" },
  { "login", "print", "VaultProtocol" },
  { "login", 'print {"success":true,"da', "VaultProtocol" },
  { "login", 'print {"success":true,"data":{}}', "VaultAuthFailed" }, -- it is not logged in
  { "login", "late 1", "VaultProtocol" },
  { "login", "prompt", "VaultProtocol" },
  { "unlock", "print", "VaultProtocol" },
  { "unlock", 'print {"success":true,"data":{"raw":"c2hvcnQ="}}', "VaultProtocol" },
  { "unlock", 'print {"success":true,"data":{"object":"message"}}', "VaultProtocol" },
  { "unlock", "crash KeyIdBackfillError: 404", "VaultProtocol" },
  { "list-collections", "print []", "VaultProtocol" },
  { "list-collections", 'print {"success":true,"data":{"object":"list","data":[]}}', "CollectionNotFound" },
  { "list-collections", 'print {"success":true,"data":{"object":"list","data":[{"id":"","name":"proof0"}]}}',
    "VaultProtocol" },
  { "list-items", "error Vault is locked.", "VaultProtocol" },
  { "list-items", "huge", "VaultProtocol" },
  { "list-items", "noise 2026 ERROR bitwarden_crypto: failed to decrypt", "VaultProtocol" },
  { "list-items", 'print {"success":true,"data":{"object":"list","data":[{"password":"hunter2"}]}}', "VaultProtocol" },
  { "list-items", 'print {"success":true,"data":{"object":"list","data":[{"password":"hunter2"}', "VaultProtocol" },
}

for _, case in ipairs(FAULTS) do
  t.test(("%s: %s: %s"):format(case[1], case[2]:sub(1, 50), case[3]), function()
    local w <close> = world()
    w.put("fault." .. case[1], case[2] .. "\n")
    local e = fails(w, case[3])
    t.ok(e.message:find(";", 1, true), "no advice in: " .. e.message)
    w.drop("fault." .. case[1])
    w.vault.not_before = -math.huge
    t.ok(w.root:write("provider.env", CREDENTIALS .. "# changed\n"))
    t.eq(revealed(t.ok(w.vault:fetch("proof0"))), { KEY = "value" })
  end)
end

t.test("a step that hangs", function()
  local w <close> = world(nil, { vault_timeout = 2 })
  w.put("fault.login", "hang\n")
  fails(w, "VaultTimeout")
end)

t.test("a sync that failed behind a login that says success", function()
  local w <close> = world()
  w.put("lastsync", "null")
  fails(w, "VaultStale")
  w.put("lastsync", "2020-01-01T00:00:00.000Z")
  fails(w, "VaultStale")
end)

t.test("another server than ours never gets the key", function()
  local w <close> = world()
  for _, server in ipairs { "null", "https://bitwarden.com", "https://vault.example.com" } do
    w.put("server", server)
    fails(w, "ServerMismatch")
  end
  t.eq(w.count("login"), 0)
end)

t.test("a wrong password", function()
  local w <close> = world()
  w.put("password", "another")
  fails(w, "VaultAuthFailed")
end)

t.test("refused credentials are not tried again until they change", function()
  local w <close> = world()
  w.put("clientsecret", "rotated")
  fails(w, "VaultAuthFailed")
  t.ok(fails(w, "VaultAuthFailed").message:find("until the configuration changes", 1, true))
  t.eq(w.count("login"), 1)
  w.put("clientsecret", SECRET)
  fails(w, "VaultAuthFailed")
  t.ok(w.root:write("provider.env", CREDENTIALS .. "# the key is back\n"))
  t.ok(w.vault:fetch("proof0"))
  t.eq(w.count("login"), 2)
end)

t.test("unlock is tried a second time for KeyIdBackfillError", function()
  local w <close> = world()
  w.put("fault.unlock.once", "crash KeyIdBackfillError: 404\n")
  t.ok(w.vault:fetch("proof0"))
  t.eq(w.count("unlock"), 2)
end)

t.test("after a rate limit no login for a while", function()
  local w <close> = world()
  w.put("fault.login.once", "error Rate limit exceeded. Try again later.\n")
  fails(w, "VaultRateLimited")
  fails(w, "VaultRateLimited")
  t.eq(w.count("login"), 1)
end)

t.test("a login that a crash left behind is ended first", function()
  local w <close> = world()
  t.ok(w.root:write(w.data .. "/data.json", "login=1\nlocked=0\nserver=https://elsewhere.example.com\n"))
  t.ok(w.vault:fetch("proof0"))
  t.eq({ w.count("logout"), w.count("config") }, { 1, 1 })
end)

t.test("when logout fails the login is removed by hand", function()
  local w <close> = world()
  w.put("fault.logout", "crash boom\n")
  t.ok(w.vault:fetch("proof0"))
  w.vault:close()
  t.err("NotFound", w.root:stat(w.data .. "/data.json"))
end)

t.test("one process at a time in a data directory", function()
  local w <close> = world()
  local guard <close> = t.ok(bw.lock_dir(w.base .. "/" .. w.data))
  t.err("VaultBusy", bw.lock_dir(w.base .. "/" .. w.data))
  local asked = task.go(function() return w.vault:fetch("proof0") end)
  t.eventually(function() return w.naps > 1 end)
  t.eq(w.log(), "")
  guard:release()
  t.ok(asked:wait())
end)

--- Collections and items -----------------------------------------------------

t.test("what is in the collection must be right", function()
  local note = '{"object":"item","id":"a-1","name":"note","type":2,"collectionIds":["' .. ID .. '"],"notes":"%s"}'
  local cases = {
    { "CollectionEmpty", list() },
    { "CollectionEmpty", list((login("A", "x"):gsub(ID_PATTERN, OTHER))) },
    { "InvalidKey", list(login("A-B", "x")) },
    { "InvalidKey", list(login("A B", "x")) },
    { "InvalidKey", list(login("", "x")) },
    { "InvalidKey", list(login("A\\n", "x")) },
    { "InvalidKey", list(note:format("1=x")) },
    { "InvalidValue", list(login("A", "")) },
    { "InvalidValue", list(login("A")) },
    { "InvalidNote", list(note:format("rubbish hunter2")) },
    { "InvalidNote", list(note:format("")) },
    { "InvalidNote", list(note:format("A='hunter2")) },
    { "ItemAmbiguous", list(login("A", "x"), login("A", "y")) },
    { "ItemAmbiguous", list(login("A", "x"), note:format("A=y")) },
    { "ItemAmbiguous", list(note:format("A=x\\nA=y")) },
  }
  local w <close> = world(nil, { vault_idle = 600 })
  for i, case in ipairs(cases) do
    w.put("items.json", case[2])
    local e = t.err(case[1], w.vault:fetch("proof0"))
    t.ok(not tostring(e):find("hunter2", 1, true), "case " .. i)
    t.ok(tostring(e):find(";", 1, true), "no advice in: " .. tostring(e))
  end
  t.eq(w.count("login"), 1)
end)

t.test("a damaged item fails the list but not the session", function()
  local w <close> = world(nil, { vault_idle = 600 })
  w.put("fault.list-items.once", "noise ERROR bitwarden_crypto::store\n")
  t.err("VaultProtocol", w.vault:fetch("proof0"))
  t.ok(w.vault:fetch("proof0"))
  t.eq(w.count("login"), 1)
end)

t.test("collections are found by their exact name", function()
  local w <close> = world()
  for _, name in ipairs { "proof", "Proof0", "proof0 ", "" } do
    t.err("CollectionNotFound", w.vault:fetch(name))
  end
  w.put("collections.json", COLLECTIONS:gsub("proof0%-staging", "proof0"))
  t.err("CollectionAmbiguous", w.vault:fetch("proof0"))
end)

--- Settings ------------------------------------------------------------------

t.test("provider.env must be there, private and complete", function()
  local w <close> = world()
  t.ok(w.root:write("provider.env", CREDENTIALS, { mode = 0x1a4 }))
  t.ok(fails(w, "VaultNotConfigured").message:find("0600", 1, true))
  for _, name in ipairs { "BW_SERVER", "BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD" } do
    t.ok(w.root:write("provider.env", (CREDENTIALS:gsub(name .. "=[^\n]*", name .. "="))))
    t.ok(fails(w, "VaultNotConfigured").message:find(name, 1, true))
  end
  t.ok(w.root:write("provider.env", (CREDENTIALS:gsub("https:", "http:"))))
  t.ok(fails(w, "VaultNotConfigured").message:find("https", 1, true))
  w.root:unlink("provider.env")
  t.ok(fails(w, "VaultNotConfigured").message:find("provider.env", 1, true))
  t.eq(w.log(), "")
end)

t.test("no bw, or an untrusted one", function()
  local w <close> = world()
  w.conf.bw = w.base .. "/none"
  fails(w, "VaultNotConfigured")
  w.conf.bw = "bw"
  fails(w, "VaultNotConfigured")
end)

--- Serve ---------------------------------------------------------------------

local function serving(items, conf)
  local w = world(items, conf)
  w.put("serve", "")
  return w
end

local function served(w)
  local out = {}
  for line in w.log():gmatch("serve: ([^\n]*)") do
    out[#out + 1] = line
  end
  return out
end

t.test("serve: one process answers all, and no secret is in its environment", function()
  local w <close> = serving(nil, { vault_idle = 600 })
  t.eq(revealed(t.ok(w.vault:fetch("proof0"))), { KEY = "value" })
  w.put("items.json", list(login("KEY", "newer")))
  t.eq(revealed(t.ok(w.vault:fetch("proof0"))), { KEY = "newer" })
  t.err("CollectionNotFound", w.vault:fetch("nobody"))
  w.vault:close()
  t.eq(served(w), { "GET /status", "GET /status", "POST /unlock", "GET /status", "GET /list/object/collections",
    "GET /list/object/items", "POST /sync?force=true", "GET /status", "GET /list/object/collections",
    "GET /list/object/items", "POST /sync?force=true", "GET /status", "GET /list/object/collections" })
  t.eq({ w.count("login"), w.count("unlock"), w.count("list"), w.count("logout") }, { 1, 0, 0, 1 })
  t.eq(w.state("login"), "0")
  t.ok(w.log():find("argv: serve --hostname fd+connected://3\nenv: BITWARDENCLI_APPDATA_DIR BW_NOINTERACTION HOME " ..
    "LANG PATH \n", 1, true))
end)

t.test("serve: 50 who ask at once cost one login, one sync, one listing", function()
  local w <close> = serving()
  local asked = {}
  for i = 1, 50 do
    asked[i] = task.go(function() return w.vault:fetch("proof0") end)
  end
  for _, child in ipairs(asked) do
    t.eq(revealed(t.ok(child:wait())), { KEY = "value" })
  end
  w.vault:close()
  t.eq(served(w), { "GET /status", "GET /status", "POST /unlock", "GET /status", "GET /list/object/collections",
    "GET /list/object/items" })
end)

-- { step, fault, code }
local SERVE_FAULTS = {
  { "serve", "hang", "VaultTimeout" },
  { "serve-status.once", "hang", "VaultTimeout" },
  { "serve-status", "print <html>", "VaultProtocol" },
  { "serve-status", "error You are not logged in.", "VaultAuthFailed" },
  { "serve-unlock", "error Cryptography error, The decryption operation failed", "VaultAuthFailed" },
  { "serve-unlock", "status 500 Internal Server Error", "VaultProtocol" },
  { "serve-unlock", "print", "VaultProtocol" },
  { "serve-unlock", 'print {"success":true}', "VaultProtocol" },
  { "serve-unlock", 'print {"success":true,"data":{}}', "VaultProtocol" }, -- it is still locked
  { "serve-unlock", "crash FetchError: request failed, reason: connect ECONNREFUSED", "VaultUnreachable" },
  { "serve-unlock", "hang", "VaultTimeout" },
  { "serve-list-collections", "print []", "VaultProtocol" },
  { "serve-list-collections", "http HTTP/1.1 200 OK\\r\\n\\r\\n[]", "VaultProtocol" },
  { "serve-list-collections", "http nonsense\\r\\n\\r\\n", "VaultProtocol" },
  { "serve-list-items", "cut", "VaultProtocol" },
  { "serve-list-items", "huge", "VaultProtocol" },
  { "serve-list-items", "hang", "VaultTimeout" },
  { "serve-list-items", "shout", "VaultProtocol" },
  { "serve-list-items", "status 500 Internal Server Error", "VaultProtocol" },
  { "serve-list-items", "error Vault is locked.", "VaultProtocol" },
  { "serve-list-items", "crash TypeError: boom", "VaultProtocol" },
  { "serve-list-items", 'print {"success":true,"data":{"object":"list","data":[{"password":"hunter2"}]}}', "VaultProtocol" },
  { "serve-list-items", 'print {"success":true,"data":{"object":"list"}}', "VaultProtocol" },
  { "serve-list-items", 'print {"success":false,"message":"Rate limit exceeded. Try again later."}', "VaultRateLimited" },
  { "serve-list-items", "noise ERROR bitwarden_crypto: failed", "VaultProtocol" },
}

for _, case in ipairs(SERVE_FAULTS) do
  t.test(("%s: %s: %s"):format(case[1], case[2]:sub(1, 50), case[3]), function()
    local w <close> = serving(nil, { vault_timeout = case[3] == "VaultTimeout" and 2 or 30 })
    w.put("fault." .. case[1], case[2] .. "\n")
    local e = fails(w, case[3])
    t.ok(e.message:find(";", 1, true), "no advice in: " .. e.message)
    if not case[1]:find("once", 1, true) then
      w.drop("fault." .. case[1])
    end
    w.conf.vault_timeout = 30
    w.vault.not_before = -math.huge
    t.ok(w.root:write("provider.env", CREDENTIALS .. "# changed\n"))
    t.eq(revealed(t.ok(w.vault:fetch("proof0"))), { KEY = "value" })
  end)
end

t.test("serve: a sync that fails, and one that only seems to succeed", function()
  local w <close> = serving(nil, { vault_idle = 600 })
  for _, case in ipairs {
    { "serve-sync", "error Syncing failed: Invalid claim", "VaultAuthFailed" },
    { "serve-sync", "error Rate limit exceeded. Try again later.", "VaultRateLimited" },
    { "serve-sync", "crash FetchError: connect ECONNREFUSED", "VaultUnreachable" },
    { "serve-sync", 'print {"success":true,"data":{}}', "VaultStale" }, -- the copy is old
  } do
    w.vault.not_before = -math.huge
    t.ok(w.vault:fetch("proof0"))
    w.put("fault." .. case[1], case[2] .. "\n")
    if case[3] == "VaultStale" then
      w.put("lastsync", "2020-01-01T00:00:00.000Z")
    end
    fails(w, case[3])
    w.drop("fault." .. case[1])
  end
  w.drop("lastsync")
  w.vault.not_before = -math.huge
  t.ok(w.vault:fetch("proof0"))
  -- Logged out behind our back: every sync says success, and the list is empty.
  w.put("serve-out", "")
  t.ok(w.root:write(w.data .. "/data.json", "server=" .. SERVER .. "\nlogin=0\n"))
  fails(w, "VaultAuthFailed")
end)

t.test("serve: the second try of unlock", function()
  local w <close> = serving()
  w.put("fault.serve-unlock.once", "status 500 Internal Server Error\n")
  t.ok(w.vault:fetch("proof0"))
end)

t.test("a bw without serve is run once for each call", function()
  local w <close> = world()
  t.ok(w.vault:fetch("proof0"))
  t.eq({ #served(w), w.count("list items") }, { 0, 1 })
end)

t.test("after a crash the next start ends the login", function()
  local w <close> = world()
  t.ok(w.root:write(w.data .. "/data.json", "login=1\nlocked=0\nserver=" .. SERVER .. "\n"))
  t.ok(w.root:write(w.data .. "/login", ""))
  w.vault:recover()
  t.eq({ w.state("login"), w.count("logout"), w.count("login") }, { "0", 1, 0 })
  t.err("NotFound", w.root:stat(w.data .. "/login"))
  w.vault:recover()
  t.eq(w.count("logout"), 1)
end)

t.test("rate limit: at least a minute, doubled, with jitter", function()
  local now = 0
  local w <close> = world(nil, nil, { monotonic = function() return now end, now = clock.now })
  w.put("fault.login", "error Rate limit exceeded. Try again later.\n")
  local least = 60
  for round = 1, 7 do
    fails(w, "VaultRateLimited")
    local wait = w.vault.not_before - now
    t.ok(wait >= least and wait <= least * 1.25, ("round %d: %g s"):format(round, wait))
    now = now + least - 0.1
    fails(w, "VaultRateLimited")
    t.eq(w.count("login"), round)
    now = w.vault.not_before
    least = math.min(least * 2, 960)
  end
  w.drop("fault.login")
  t.ok(w.vault:fetch("proof0"))
  t.eq(w.vault.back_off, nil)
end)

--- bw.decode -----------------------------------------------------------------

t.test("decode makes secrets of all strings but those of known keys", function()
  local v = t.ok(bw.decode([[{"success":true,"data":{"message":"export BW_SESSION","raw":"s","name":"n","new":"x",
    "collectionIds":["a"],"fields":[{"name":"f","value":"v","type":1}],"n":1.5,"z":null}}]]))
  local d = v.data
  t.eq({ d.name, d.collectionIds, d.fields[1].name, d.n, d.z }, { "n", { "a" }, "f", 1.5 })
  t.eq(math.type(d.fields[1].type), "integer")
  for _, secret in ipairs { d.message, d.raw, d.new, d.fields[1].value } do
    t.eq(tostring(secret), "[secret]")
  end
  t.eq(t.ok(bw.decode('{"success":false,"message":"no"}')).message, "no")
end)

t.test("decode refuses what is no JSON object", function()
  for _, text in ipairs { "", "null", "[]", '"x"', "{", '{"a":1}x', '{"a":"\\ud800"}', '{"a":1,"a":2}' } do
    t.err("VaultProtocol", bw.decode(text))
  end
  t.raises(function() bw.decode("{}", 0, 2, 3) end, "too many")
  t.raises(function() bw.decode("{}", 1, 3) end, "not a part")
  t.eq(t.ok(bw.decode("x{}y", 1, 3)), {})
  t.raises(function() bw.decode({}) end, "string expected")
end)
