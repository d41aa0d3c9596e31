-- Provisioning changes everything or nothing, and tells by name what changed.
local t = require "colibri.test"
local client = require "core.client"
local db = require "core.db"
local fs = require "core.fs"
local json = require "core.json"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"
local task = require "core.task"

local ENV = "jails/t/root/.env"
local STAT = sys.platform == "freebsd" and { "-f", "%i %Fm %Fc" } or { "-c", "%i %y %z" }

-- A vault adapter of the site; `fetch` is the body of Session:fetch(name).
local function adapter(fetch)
  return ([[
local Session = {}
Session.__index = Session
function Session:fetch(name)
  local ctx = self.ctx
  %s
end
function Session:close() self.closed = true end
return { api = 1, summary = "a vault of the test", open = function(ctx)
  return setmetatable({ ctx = ctx }, Session)
end }
]]):format(fetch)
end

-- A daemon with the tenant "t", whose collection is `text`.
local function daemon(text, options)
  options = options or {}
  options.files = options.files or {}
  options.files["jails/t/root/"], options.files["vault/t.env"] = true, text
  local d = scratch.daemon(options)
  local row, e = d:call("register-tenant",
    { tenant_id = "t", jail_root_path = d.base .. "/t/root", collection_id = "t" })
  t.ok(row, e)
  return d
end

local function provision(d, more)
  local args = { tenant_id = "t" }
  for key, value in pairs(more or {}) do
    args[key] = value
  end
  return d:call("provision-tenant", args)
end

-- Inode and times to the nanosecond, or why there are none.
local function inode(d)
  local r = t.ok(proc.run { "/usr/bin/stat", STAT[1], STAT[2], d.dir .. "/" .. ENV })
  return r.code == 0 and r.stdout or "none"
end

-- What must not change when a provision fails.
local function state(d)
  local names = t.ok(proc.run { "/bin/ls", "-a", d.dir .. "/jails/t/root" }).stdout
  local row = t.ok(d:call("get-tenant", { tenant_id = "t" }))
  return { names = names, text = d:read(ENV), inode = inode(d), status = row.status,
    provisioned_at = row.provisioned_at }
end

-- A failing provision: its code, and what remembers it.
local function fails(d, code, name)
  local before = state(d)
  local data, e = provision(d)
  t.eq({ data, e and e.code }, { nil, code }, name)
  t.eq(state(d), before, name .. ": file and status")
  local row = t.ok(d:call("get-tenant", { tenant_id = "t" }))
  t.ok(row.last_result == "failed" or row.last_result == "refused", name)
  t.eq(row.last_error:sub(1, #code + 2), code .. ": ", name)
  local audit = t.ok(d:call("audit", { subject = "t", limit = 1 }))[1]
  t.eq({ audit.command, audit.result }, { "provision-tenant", code }, name)
  t.eq(json.decode(audit.detail).code, code, name)
end

local function works(d, name)
  local data, e = provision(d)
  t.eq(data and data.result or e.code, "provisioned", name .. ": the next one works")
  local row = d:call("get-tenant", { tenant_id = "t" })
  t.eq({ row.status, row.last_result, row.last_error }, { "active", "provisioned", nil }, name)
end

t.test("a vault with bad content: nothing changes, the reason is remembered", function()
  local d <close> = daemon "1BAD=x\n"
  fails(d, "InvalidKey", "before the first")
  t.eq(d:read(ENV), nil)
  d:tree { ["vault/t.env"] = "A=one\n" }
  works(d, "first")
  for text, code in pairs {
    ["A=new\n1BAD=x\n"] = "InvalidKey", ["A=new\nA=2\n"] = "ItemAmbiguous", ["A=new\nno line\n"] = "InvalidNote",
    [""] = "CollectionEmpty",
  } do
    d:tree { ["vault/t.env"] = text }
    fails(d, code, code)
  end
  d:tree { ["vault/t.env"] = "A=two\n" }
  works(d, "mended")
end)

t.test("a vault that fails half way, raises, or gives rubbish", function()
  local d <close> = daemon("HOW=well\n", { vault = "flaky", files = { ["site/vault/flaky.lua"] = adapter [[
    local list = assert(ctx.fs.read_env(ctx.conf.vault_dir .. "/t.env"))
    local how = list[1].value:reveal()
    if how == "half" then
      return nil, { code = "VaultUnreachable", message = "the server went away after half of it" }
    elseif how == "raise" then
      error("boom")
    elseif how == "rubbish" then
      return { { key = "A", value = "x", item = "1" }, { key = "B", value = 5, item = "2" } }
    elseif how == "nul" then
      return { { key = "A", value = "x\0y", item = "1" } }
    elseif how == "double" then
      return { { key = "A", value = "x", item = "1" }, { key = "A", value = "x", item = "2" } }
    end
    return list
  ]] } })
  works(d, "first")
  for how, code in pairs { half = "VaultUnreachable", raise = "ScriptError", rubbish = "InvalidValue",
    nul = "InvalidValue", double = "ItemAmbiguous" } do
    d:tree { ["vault/t.env"] = "HOW=" .. how .. "\n" }
    fails(d, code, how)
  end
  d:tree { ["vault/t.env"] = "HOW=again\n" }
  works(d, "mended")
end)

t.test("a file that cannot be written: no space, a directory, a symlink, no such owner", function()
  -- A limit on the size of files is as good as a full disk, and needs no root.
  local d <close> = scratch.daemon { start = false, files = { ["jails/t/root/"] = true, ["vault/t.env"] = "A=one\n" } }
  d:tree { ["limited"] = "" }
  local root <close> = t.ok(fs.open_trusted(d.dir))
  t.ok(root:write("limited", ("#!/bin/sh\ntrap '' XFSZ\nulimit -f 1000\nexec '%s' \"$@\"\n"):format(
    sys.program "colibri-daemon"), { mode = 0x1c0 }))
  d.options.program = d.dir .. "/limited"
  t.ok(d:start())
  local args = { tenant_id = "t", jail_root_path = d.base .. "/t/root", collection_id = "t" }
  t.ok(d:call("register-tenant", args))
  works(d, "first")
  d:tree { ["vault/t.env"] = "A=" .. ("x"):rep(1048000) .. "\n" }
  fails(d, "NoSpace", "no space")
  d:tree { ["vault/t.env"] = "A=two\n" }
  works(d, "there is space again")
  args.update, args.env_owner = true, "nobody-of-this-name"
  t.ok(d:call("register-tenant", args))
  d:tree { ["jails/t/root/etc/passwd"] = "root:x:0:0::/:/bin/sh\n", ["vault/t.env"] = "A=three\n" }
  fails(d, "OwnerNotFound", "owner")
  args.env_owner = tostring(sys.uid) .. ":" .. tostring(sys.gid)
  t.ok(d:call("register-tenant", args))
  works(d, "owner mended")
  t.ok(root:unlink(ENV))
  t.ok(root:mkdir(ENV))
  fails(d, "NotRegular", "a directory in its place")
  t.ok(fs.remove_tree(d.dir .. "/" .. ENV))
  t.eq(t.ok(proc.run { "/bin/ln", "-s", d.dir .. "/vault/t.env", d.dir .. "/" .. ENV }).code, 0)
  fails(d, "TargetEscapesRoot", "a symlink in its place")
  t.eq(d:read("vault/t.env"), "A=three\n")
  t.ok(root:unlink(ENV))
  works(d, "nothing in its place")
end)

t.test("added, removed, changed: by name, never by value", function()
  local d <close> = daemon "KEEP=same\nGONE=canary-old\nTURN=canary-one\n"
  local function names(r)
    return { r.result, r.change, r.keys, r.added, r.removed, r.changed }
  end
  local first = { "dry-run", "changed", 3, { "GONE", "KEEP", "TURN" }, {}, {} }
  t.eq(names(t.ok(provision(d, { dry_run = true }))), first)
  t.eq(names(t.ok(provision(d, { dry_run = true }))), first, "a dry run leaves nothing behind")
  t.eq(d:read(ENV), nil)
  t.eq(d:call("get-tenant", { tenant_id = "t" }).last_result, nil)
  first[1] = "provisioned"
  t.eq(names(t.ok(provision(d))), first)
  local before = state(d)
  d:tree { ["vault/t.env"] = "KEEP=same\nTURN=canary-two\nNEW=canary-new\n" }
  local second = { "dry-run", "changed", 3, { "NEW" }, { "GONE" }, { "TURN" } }
  t.eq(names(t.ok(provision(d, { dry_run = true }))), second)
  t.eq(state(d), before)
  second[1] = "provisioned"
  t.eq(names(t.ok(provision(d))), second)
  local detail = json.decode(d:call("audit", { subject = "t", limit = 1 })[1].detail)
  t.eq({ detail.added, detail.removed, detail.changed }, { { "NEW" }, { "GONE" }, { "TURN" } })
  before = state(d)
  local same = { "unchanged", "unchanged", 3, {}, {}, {} }
  t.eq(names(t.ok(provision(d))), same)
  before.provisioned_at = nil
  local after = state(d)
  after.provisioned_at = nil
  t.eq(after, before, "unchanged content leaves inode and times alone")
  -- What stands there may have been changed by others: the dry run sees that.
  d:tree { [ENV] = "KEEP=other\n" }
  t.eq(names(t.ok(provision(d, { dry_run = true }))), { "dry-run", "changed", 3, {}, {}, {} })
  t.eq(t.ok(provision(d)).result, "provisioned")
  d:stop()
  t.eq(d.log:find("canary", 1, true), nil, "no value in the log")
  for _, name in ipairs { "colibri.sqlite", "colibri.sqlite-wal" } do
    local text = d:read(name)
    t.eq(text and text:find("canary", 1, true), nil, "no value in the store")
  end
  t.eq(d:stat("state/fingerprint.key").mode, 0x180)
  t.eq(d:stat("state/fingerprint.key").size, 16)
end)

t.test("the fingerprints outlive the daemon; without a record the file is compared", function()
  local d <close> = daemon "A=one\nB=two\n"
  t.eq(t.ok(provision(d)).result, "provisioned")
  d:stop()
  local store = t.ok(db.open(d.dir .. "/colibri.sqlite"))
  local rows = t.ok(store:all("SELECT key, print FROM env_keys ORDER BY key"))
  t.eq({ #rows, rows[1].key, #rows[1].print }, { 2, "A", 32 })
  t.ok(rows[1].print ~= rows[2].print)
  store:close()
  d:tree { ["vault/t.env"] = "A=one\nB=new\n" }
  t.ok(d:start())
  t.eq(t.ok(provision(d, { dry_run = true })).changed, { "B" })
  d:stop()
  store = t.ok(db.open(d.dir .. "/colibri.sqlite")) -- as after an upgrade
  t.ok(store:write(function(tx) return tx:exec("DELETE FROM env_keys") end))
  store:close()
  t.ok(d:start())
  local dry = t.ok(provision(d, { dry_run = true }))
  t.eq({ dry.added, dry.removed, dry.changed }, { {}, {}, { "B" } })
  d:tree { [ENV] = "A='half\n" }
  t.eq(t.ok(provision(d, { dry_run = true })).added, { "A", "B" }, "a file that does not parse")
  -- A damaged key is said, not used.
  d:stop()
  d:tree { ["state/fingerprint.key"] = "short" }
  t.ok(d:start())
  fails(d, "KeyDamaged", "damaged key")
  t.ok((t.ok(fs.open_trusted(d.dir))):unlink("state/fingerprint.key"))
  works(d, "new key")
end)

t.test("a tenant that is deleted or moved while its vault is asked", function()
  local d <close> = daemon("A=one\n", { vault = "slow", files = { ["jails/u/"] = true, ["site/vault/slow.lua"] = adapter [[
    repeat ctx.task.sleep(0.01) until ctx.fs.exists(ctx.conf.vault_dir .. "/go")
    return ctx.fs.read_env(ctx.conf.vault_dir .. "/t.env")
  ]] } })
  local function meanwhile(cmd, args)
    local conn = t.ok(client.connect(d.socket))
    local asked = task.go(function() return conn:request({ cmd = "provision-tenant", tenant_id = "t" }, 60) end)
    t.eventually(function() return d:call("status", { full = true }).vault.open end)
    local data, e = d:call(cmd, args)
    t.ok(data, e)
    d:tree { ["vault/go"] = "" }
    local reply = asked:wait()
    conn:close()
    t.ok(fs.open_trusted(d.dir)):unlink("vault/go")
    return reply
  end
  local reply = meanwhile("register-tenant",
    { tenant_id = "t", jail_root_path = d.base .. "/u", collection_id = "t", update = true })
  t.eq(reply.data and reply.data.result, "provisioned")
  t.eq(d:read(ENV), nil, "not where it was")
  t.eq(d:read("jails/u/.env"), "A=one\n")
  reply = meanwhile("delete-tenant", { tenant_id = "t", purge_env = true })
  t.eq(reply.error and reply.error.code, "TenantNotFound")
  t.eq(d:read("jails/u/.env"), nil, "not written again")
  t.eq(#d:call("list-tenants"), 0)
end)

t.test("many at once for one tenant: one file, nobody fails", function()
  local d <close> = daemon "A=one\n"
  local tasks = {}
  for i = 1, 8 do
    tasks[i] = task.go(function()
      local conn = t.ok(client.connect(d.socket))
      local reply = conn:request({ cmd = "provision-tenant", tenant_id = "t" }, 60)
      conn:close()
      return reply.ok and reply.data.result or reply.error.code
    end)
  end
  local seen = {}
  for _, one in ipairs(tasks) do
    local result = one:wait()
    seen[result] = (seen[result] or 0) + 1
  end
  t.eq(seen, { provisioned = 1, unchanged = 7 })
end)

t.test("killed at any moment: the old file or the new one, and the next provision mends the rest", function()
  local d <close> = daemon "A=0\n"
  t.eq(t.ok(provision(d)).result, "provisioned")
  for round = 1, 6 do
    d:tree { ["vault/t.env"] = "A=" .. round .. "\n" }
    local conn = t.ok(client.connect(d.socket))
    local asked = task.go(function() return conn:request({ cmd = "provision-tenant", tenant_id = "t" }, 60) end)
    task.sleep((round - 1) * 0.0015)
    d:crash()
    asked:wait()
    conn:close()
    local text = d:read(ENV)
    t.ok(text == "A=" .. round .. "\n" or text == "A=" .. (round - 1) .. "\n", text)
    t.ok(d:start())
    t.eq(d:call("get-tenant", { tenant_id = "t" }).status, "active")
    local after = t.ok(provision(d))
    t.ok(after.result == "provisioned" or after.result == "unchanged", after.result)
    t.eq(d:read(ENV), "A=" .. round .. "\n")
    t.eq(t.ok(d:call("check-tenant", { tenant_id = "t" })).findings, {})
    t.eq(t.ok(proc.run { "/bin/ls", "-A", d.dir .. "/jails/t/root" }).stdout, ".env\n", "no temp file is left")
  end
end)
