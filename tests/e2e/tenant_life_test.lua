-- A tenant's .env after its first write: drift, all at once, and its end.
local t = require "colibri.test"
local db = require "core.db"
local fs = require "core.fs"
local json = require "core.json"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"

-- A daemon with these tenants ({ name = text of its collection }).
local function daemon(tenants, options)
  options = options or {}
  options.files = options.files or {}
  local names = {}
  for name, text in pairs(tenants) do
    names[#names + 1] = name
    options.files["jails/" .. name .. "/root/"] = true
    options.files["vault/" .. name .. ".env"] = text
  end
  local d = scratch.daemon(options)
  for _, name in ipairs(names) do
    local row, e = d:call("register-tenant",
      { tenant_id = name, jail_root_path = d.base .. "/" .. name .. "/root", collection_id = name })
    t.ok(row, e)
  end
  return d
end

local function sh(d, command)
  local r = t.ok(proc.run { "/bin/sh", "-c", command, cwd = d.base .. "/t/root" })
  t.eq(r.code, 0, command .. ": " .. r.stderr)
end

local function check(d, more)
  local args = { tenant_id = "t" }
  for key, value in pairs(more or {}) do
    args[key] = value
  end
  return d:call("check-tenant", args)
end

t.test("check-tenant: each kind of drift, and what repairs it", function()
  local d <close> = daemon { t = "A=one\nB='two words'\n" }
  t.eq(t.ok(check(d)).drift, false, "not provisioned, nothing there")
  sh(d, "umask 077; echo X=1 >.env")
  t.eq(t.ok(check(d)).findings, { "unexpected" })
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  local row = t.ok(check(d))
  t.eq({ row.drift, row.findings, row.detail, row.status }, { false, {}, nil, "active" })
  for _, case in ipairs {
    { "chmod 644 .env", "mode" }, { "chmod 4600 .env", "mode" }, { "ln .env other", "links" },
    { "rm .env", "missing" }, { "mv .env was; ln -s was .env", "symlink" }, { "rm .env; mkfifo .env", "type" },
    { "rm .env; mkdir .env", "type" }, { "echo C=3 >>.env", "content" }, { "echo '# more' >>.env", "content" },
    { "echo \"A='\" >.env", "content" }, { ": >.env", "content" },
    { "printf '%s\\n' A=one 'B=\"two words\"' >.env", "content" },
    { "chmod 640 .env; ln .env x; echo A=2 >.env", "mode links content" },
  } do
    sh(d, case[1])
    row = t.ok(check(d))
    t.eq({ row.drift, table.concat(row.findings, " ") }, { true, case[2] }, case[1])
    t.ok(row.detail, case[1])
    t.err("Drifted", check(d, { strict = true }))
    t.eq(d:call("get-tenant", { tenant_id = "t" }).status, "active", "looking changes nothing")
    sh(d, "[ ! -d .env ] || rmdir .env; [ ! -h .env ] || rm .env; [ ! -p .env ] || rm .env")
    t.eq(t.ok(d:call("provision-tenant", { tenant_id = "t" })).result, "provisioned", case[1])
    sh(d, "rm -f other was x")
    t.eq(t.ok(check(d)).findings, {}, case[1])
    t.ok(check(d, { strict = true }))
  end
  if sys.uid == 0 then
    sh(d, "chown 12345:54321 .env")
    t.eq(t.ok(check(d)).findings, { "owner" })
  end
  sh(d, "printf '%s\\n' A=canary 'C=x' >.env")
  row = t.ok(check(d))
  t.eq({ row.added, row.removed, row.changed }, { { "C" }, { "B" }, { "A" } })
  t.eq(json.encode(row):find("canary", 1, true), nil)
  t.ok(fs.remove_tree(d.base .. "/t/root"))
  t.eq(t.ok(check(d)).findings, { "root" })
  t.err("TenantNotFound", check(d, { tenant_id = "nobody" }))
  t.err("BadParameter", check(d, { all = true }))
  t.err("BadParameter", d:call("check-tenant"))
end)

t.test("check-tenant --all, and what an earlier colibri has written", function()
  local d <close> = daemon { t = "A=1\n", u = "B=2\n", v = "C=3\n" }
  t.ok(d:call("provision-tenant", { all = true }))
  sh(d, "rm .env")
  local list = t.ok(d:call("check-tenant", { all = true }))
  local seen = {}
  for i, row in ipairs(list) do
    seen[i] = { row.tenant_id, row.drift, table.concat(row.findings, " ") }
  end
  t.eq(seen, { { "t", true, "missing" }, { "u", false, "" }, { "v", false, "" } })
  local e = t.err("Drifted", d:call("check-tenant", { all = true, strict = true }))
  t.eq(e.message, "not as written: t (missing)")
  d:stop()
  local store = t.ok(db.open(d.dir .. "/colibri.sqlite"))
  t.ok(store:write(function(tx) return tx:exec("DELETE FROM env_keys WHERE tenant_id = 'u'") end))
  store:close()
  t.ok(d:start())
  t.eq(t.ok(check(d, { tenant_id = "u" })).findings, { "unrecorded" })
  t.eq(t.ok(d:call("provision-tenant", { tenant_id = "u" })).result, "unchanged")
  t.eq(t.ok(check(d, { tenant_id = "u" })).drift, false)
end)

t.test("provision-tenant --all: one session, a row each, failures stop nobody", function()
  -- A fetch takes no time, so that the writes lag behind and nobody asks meanwhile.
  local tenants, opened = {}, [[
local Session = {}
Session.__index = Session
function Session:fetch(name)
  if name == "bad" then
    return nil, { code = "CollectionEmpty", message = "nothing in bad" }
  end
  return { { key = "A", value = name, item = "x" } }
end
function Session:close() self.closed = true end
return { api = 1, summary = "counts", open = function(ctx) return setmetatable({ ctx = ctx }, Session) end }
]]
  for i = 1, 40 do
    tenants[("t%02d"):format(i)] = ""
  end
  tenants.bad, tenants.t = "", ""
  local d <close> = daemon(tenants, { vault = "count", flags = { "--vault-idle", "0" },
    files = { ["site/vault/count.lua"] = opened } })
  t.ok(fs.remove_tree(d.base .. "/t05/root"))
  local dry = t.ok(d:call("provision-tenant", { all = true, dry_run = true }))
  t.eq({ #dry, dry[1].code, dry[2].result, dry[2].change }, { 42, "CollectionEmpty", "dry-run", "changed" })
  t.eq(d:read("jails/t/root/.env"), nil)
  local before = d:call("status", { full = true }).vault.sessions
  local list = t.ok(d:call("provision-tenant", { all = true }))
  local counts, names = {}, {}
  for i, row in ipairs(list) do
    counts[row.result] = (counts[row.result] or 0) + 1
    names[i] = row.tenant_id
  end
  t.eq(counts, { provisioned = 40, failed = 1, refused = 1 })
  local sorted = table.move(names, 1, #names, 1, {})
  table.sort(sorted)
  t.eq(names, sorted)
  t.eq({ list[1].tenant_id, list[1].result, list[1].code, list[1].message },
    { "bad", "failed", "CollectionEmpty", "nothing in bad" })
  t.eq(d:call("status", { full = true }).vault.sessions - before, 1, "one session")
  t.eq(d:read("jails/t40/root/.env"), "A=t40\n")
  local e = t.err("ProvisionFailed", d:call("provision-tenant", { all = true, strict = true }))
  t.eq(e.message, "2 of 42 tenants: bad (CollectionEmpty), t05 (TargetMissing)")
  local row = d:call("get-tenant", { tenant_id = "bad" })
  t.eq({ row.status, row.last_error }, { "provisioned", "CollectionEmpty: nothing in bad" })
  local audit = t.ok(d:call("audit", { limit = 100 }))
  t.eq({ audit[1].command, audit[1].subject, json.decode(audit[1].detail).unchanged },
    { "provision-tenant", nil, 40 }, "one row for the request")
  local results = {}
  for i, one in ipairs(d:call("audit", { subject = "t40" })) do
    results[i] = one.result
  end
  t.eq(results, { "unchanged", "provisioned", "created" })
  t.eq(d:call("audit", { subject = "bad" })[1].result, "CollectionEmpty")
  t.err("BadParameter", d:call("provision-tenant", { tenant_id = "t", all = true }))
  t.err("BadParameter", d:call("provision-tenant"))
end)

t.test("unprovision-tenant: file gone, row back, again is fine", function()
  local d <close> = daemon { t = "A=1\n" }
  local function ask(more)
    local args = { tenant_id = "t" }
    for key, value in pairs(more or {}) do
      args[key] = value
    end
    local r, e = d:call("unprovision-tenant", args)
    return r and { r.result, r.env, r.status }, e
  end
  t.eq(ask(), { "unchanged", "absent", "provisioned" })
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.eq(ask { dry_run = true }, { "dry-run", "present", "active" })
  t.eq(d:read("jails/t/root/.env"), "A=1\n")
  t.eq(ask(), { "unprovisioned", "removed", "provisioned" })
  t.eq(d:read("jails/t/root/.env"), nil)
  local row = d:call("get-tenant", { tenant_id = "t" })
  t.eq({ row.status, row.provisioned_at, row.last_result }, { "provisioned", nil, "unprovisioned" })
  t.eq(d:call("audit", { subject = "t", limit = 1 })[1].result, "unprovisioned")
  t.eq(ask(), { "unchanged", "absent", "provisioned" })
  t.eq(t.ok(check(d)).drift, false)
  local again = t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  t.eq({ again.result, again.added }, { "provisioned", { "A" } })
  -- A file that somebody else took away; a symlink is removed itself; a directory stays.
  sh(d, "rm .env")
  t.eq(ask(), { "unprovisioned", "absent", "provisioned" })
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  sh(d, "echo canary >../precious; rm .env; ln -s ../precious .env")
  t.eq(ask(), { "unprovisioned", "removed", "provisioned" })
  t.eq(d:read("jails/t/precious"), "canary\n")
  t.ok(d:call("provision-tenant", { tenant_id = "t" }))
  sh(d, "rm .env; mkdir .env")
  t.err("NotRegular", ask())
  t.eq(d:call("get-tenant", { tenant_id = "t" }).status, "active")
  -- The root leads out: nothing there is touched.
  sh(d, "cd ..; rm -r root; mkdir ../../outside; echo canary >../../outside/.env; ln -s ../../outside root")
  t.err("TargetEscapesRoot", ask())
  t.eq(d:read("outside/.env"), "canary\n")
  t.ok((t.ok(fs.open_trusted(d.base .. "/t"))):unlink("root"))
  t.eq(ask(), { "unprovisioned", "absent", "provisioned" }, "a root that is gone")
  t.err("TenantNotFound", ask { tenant_id = "nobody" })
end)
