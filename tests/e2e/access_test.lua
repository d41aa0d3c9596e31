-- Who may do what: the kernel tells the peer's uid, hooks/authorize decides.
local t = require "colibri.test"
local json = require "core.json"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"

local NOBODY = 65534
local ENV = { PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" }

-- Why this machine cannot show it, or nil.
local skip = sys.uid ~= 0 and "needs root to become another user" or not proc.find("setpriv") and "needs setpriv" or nil

local function test(name, fn)
  t.test(skip and name .. " # SKIP " .. skip or name, skip and function() end or fn)
end

-- A daemon whose socket the group of nobody may use, as a site would set it up.
local function daemon(files)
  files = files or {}
  files["jails/proof0/root/"] = true
  local d = scratch.daemon { log_level = "info", files = files }
  for _, cmd in ipairs { { "chgrp", d.dir }, { "chgrp", d.dir .. "/run" }, { "chgrp", d.socket } } do
    t.eq(assert(proc.run { cmd[1], tostring(NOBODY), cmd[2], env = ENV }).code, 0)
  end
  t.eq(assert(proc.run { "chmod", "0710", d.dir, env = ENV }).code, 0)
  return d
end

-- Our CLI as nobody: exit code, decoded line or text of standard output, standard error.
local function as_nobody(d, ...)
  local argv = { "setpriv", "--reuid", tostring(NOBODY), "--regid", tostring(NOBODY), "--clear-groups", "--",
    d.dir .. "/colibri", "--socket", d.socket, "--json", timeout = 60 }
  argv.env = { PATH = ENV.PATH, COLIBRI_SHARE_DIR = d.dir .. "/share" }
  table.move({ ... }, 1, select("#", ...), #argv + 1, argv)
  local r = assert(proc.run(argv))
  return r.code, json.decode(r.stdout) or r.stdout, r.stderr
end

-- The program and its library, where nobody can run it (the build tree may be
-- root's alone).
local function lend_cli(d)
  d:tree { ["share/"] = true }
  for _, argv in ipairs {
    { "cp", sys.program "colibri", d.dir .. "/colibri" }, { "cp", "-R", sys.conf.share_dir .. "/lua", d.dir .. "/share/lua" },
    { "chmod", "-R", "a+rX", d.dir .. "/share", d.dir .. "/colibri" },
  } do
    argv.env = ENV
    local r = assert(proc.run(argv))
    t.eq({ r.code, r.stderr }, { 0, "" })
  end
end

t.test("the socket is 0660 in a 0750 directory", function()
  local d <close> = scratch.daemon { log_level = "error" }
  t.eq(d:stat("run").mode, 0x1e8) -- 0750
  t.eq(d:stat("run/sock").mode, 0x1b0) -- 0660
  t.eq({ d:stat("run").uid, d:stat("run/sock").uid }, { sys.uid, sys.uid })
end)

test("without the group nobody cannot even connect", function()
  local d <close> = daemon()
  lend_cli(d)
  t.eq(assert(proc.run { "chgrp", "0", d.socket, env = ENV }).code, 0)
  local code, _, err = as_nobody(d, "status")
  t.eq(code, 3, err)
end)

test("another user may read, a change is Forbidden and leaves an audit row", function()
  local d <close> = daemon()
  lend_cli(d)
  local code, data, err = as_nobody(d, "status")
  t.eq({ code, data.version, err }, { 0, sys.version, "" })
  for _, verb in ipairs { "list-tenants", "list-agents", "audit", "describe", "scripts" } do
    t.eq((as_nobody(d, verb)), 0, verb)
  end
  local root = d.base .. "/proof0/root"
  for i, argv in ipairs {
    { "register-tenant", "proof0", root, "proof0" }, { "delete-tenant", "proof0" }, { "unregister-tenant", "proof0" },
    { "provision-tenant", "proof0" }, { "spawn-local", "/bin/true" }, { "spawn-agent", "local", "/bin/true" },
    { "stop-agent", "x" }, { "reload" },
  } do
    local exit, _, text = as_nobody(d, table.unpack(argv))
    t.eq(exit, 1, argv[1])
    t.ok(text:find("Forbidden", 1, true), text)
    local rows = d:call("audit")
    t.eq(#rows, i)
    t.eq({ rows[1].uid, rows[1].gid, rows[1].result }, { NOBODY, NOBODY, "Forbidden" })
    t.eq(rows[1].command, argv[1] == "unregister-tenant" and "delete-tenant" or argv[1])
  end
  t.eq(d:call("audit")[8].subject, "proof0")
  local last = d:call("audit")[1].at
  t.ok(#d:call("audit", { since = last }) >= 1)
  t.eq(d:call("audit", { since = last + 1 }), {})
  t.eq({ #d:call("list-tenants"), #d:call("list-agents", { all = true }), d:call("status").generation }, { 0, 0, 1 })
  t.eq(d:call("register-tenant", { tenant_id = "proof0", jail_root_path = root, collection_id = "proof0" }).change, "created",
    "root may")
  local log = d:stop().stderr
  t.ok(log:find("Forbidden", 1, true), "the refusal is logged")
end)

test("a change with bad parameters tells nobody no more, and is in the audit too", function()
  local d <close> = daemon()
  lend_cli(d)
  local r = assert(proc.run { "setpriv", "--reuid", tostring(NOBODY), "--regid", tostring(NOBODY), "--clear-groups", "--", "perl",
    "-MIO::Socket::UNIX", "-e",
    "my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; print $s qq({\"cmd\":\"delete-tenant\",\"tenant_id\":\"../x\"}\\n" ..
      "{\"cmd\":\"delete-tenant\",\"tenant_id\":\"y\",\"uid\":0,\"peer\":{\"uid\":0}}\\n); shutdown($s, 1); print <$s>", d.socket,
    env = ENV, timeout = 60 })
  for line in r.stdout:gmatch("[^\n]+") do
    t.eq(json.decode(line).error.code, "BadParameter")
  end
  t.eq(select(2, r.stdout:gsub("\n", "")), 2)
  t.eq({ #d:call("audit"), d:call("audit")[1].uid }, { 2, NOBODY })
end)

test("a site hook in authorize refuses more; one of the same path replaces the rule", function()
  local d <close> = daemon { ["site/hooks/authorize/no_audit.lua"] = [[
return { api = 1, summary = "the audit is root's", before = { "by_peer" }, run = function(ctx, event)
  if event.command == "audit" and event.peer.uid ~= 0 then
    return false, "ask root, " .. event.peer.uid
  end
end }]] }
  lend_cli(d)
  local code, _, err = as_nobody(d, "audit")
  t.eq(code, 1)
  t.ok(err:find("Forbidden", 1, true) and err:find("ask root, 65534", 1, true), err)
  t.eq((as_nobody(d, "status")), 0)
  t.ok(d:call("audit"))
  d:tree { ["site/hooks/authorize/by_peer.lua"] = [[
return { api = 1, summary = "nobody may do everything", run = function() end }]] }
  t.ok(d:call("reload"))
  local changed, data = as_nobody(d, "register-tenant", "proof0", d.base .. "/proof0/root", "proof0")
  t.eq({ changed, data.change }, { 0, "created" })
  t.eq({ d:call("audit")[1].uid, d:call("audit")[1].result }, { NOBODY, "created" })
  d:tree { ["site/hooks/authorize/by_peer.lua"] = "return { api = 1, disabled = true }" }
  local _, e = d:call("reload")
  t.eq(e and e.code, "ReloadFailed", "no_audit names by_peer, which is gone")
end)

t.test("an authorize hook that raises or waits: nothing is let through by an error", function()
  local d <close> = scratch.daemon { log_level = "error", files = { ["jails/proof0/root/"] = true,
    ["site/hooks/authorize/a.lua"] = [[
return { api = 1, summary = "x", on_error = "warn", run = function(ctx, event)
  if event.command == "list-agents" then error("boom") end
  if event.command == "list-tenants" then return nil, { code = "Odd", message = "odd" } end
  if event.command == "audit" then return false end
  if event.command == "scripts" then ctx.task.sleep(0.01) return false, { code = "Later", message = "later" } end
end }]], ["site/hooks/authorize/b.lua"] = [[
return { api = 1, summary = "x", run = function(_, event)
  if event.command == "describe" then error("boom") end
  event.peer, event.access = { uid = 0 }, "read"
end }]] } }
  t.ok(d:call("list-agents"), "on_error = warn goes on after an error")
  t.ok(d:call("list-tenants"))
  t.err("Forbidden", d:call("audit"))
  t.err("Later", d:call("scripts"))
  local e = t.err("ScriptError", d:call("describe"))
  t.eq(e and e.where, "site/hooks/authorize/b.lua:2")
  t.ok(d:call("status"))
  d.conn:close()
  d.conn = nil
end)

-- A hook that looks at the parameters, in a site directory.
local function no_all(remember)
  return { ["site/hooks/authorize/no_all.lua"] = ([[
return { api = 1, summary = "x", remember = %s, run = function(_, event)
  if event.args.all then return false, { code = "NotAll", message = "not all" } end
end }]]):format(remember) }
end

t.test("a yes holds for the connection only if every hook of authorize says remember", function()
  local d <close> = scratch.daemon { files = no_all("nil") }
  for _ = 1, 2 do
    t.ok(d:call("list-tenants"))
    t.err("NotAll", d:call("list-tenants", { all = true }))
  end
  d:tree(no_all("true"))
  t.ok(d:call("reload"))
  t.err("NotAll", d:call("list-tenants", { all = true })) -- a no is asked for again
  t.ok(d:call("list-tenants"))
  t.ok(d:call("list-tenants", { all = true }), "remembered for this command")
  t.err("NotAll", d:call("list-agents", { all = true })) -- not for another one
  local other = d:connect()
  t.eq(other:request({ cmd = "list-tenants", all = true }).ok, false, "nor on another connection")
  other:close()
  d:tree(no_all("nil"))
  t.ok(d:call("reload"))
  t.err("NotAll", d:call("list-tenants", { all = true })) -- a reload forgets
end)
