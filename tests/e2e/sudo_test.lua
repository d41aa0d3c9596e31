-- A daemon of an ordinary user, whose launcher becomes root by the real sudo: what
-- comes through it (environment, directory, stdin, exit status), the gate, and
-- stopping what it started. sudo's rules are those of a mount namespace of its own.
local t = require "colibri.test"
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local stdio = require "core.stdio"
local sys = require "core.sys"

local NOBODY = 65534

local STANDIN = [[
local shipped = stock()
return { api = 1, summary = "the stand-in", launch = function(ctx, jail, argv, env)
  local conf = setmetatable({ jexec = "%s/bin/jexec" }, { __index = ctx.conf })
  return shipped.launch(setmetatable({ conf = conf }, { __index = ctx }), jail, argv, env)
end }]]

local DAEMON = [[#!/bin/sh
exec unshare --mount sh -c 'mount --bind "$0/bin/sudoers" /etc/sudoers &&
	exec setpriv --reuid=%d --regid=%d --clear-groups "$@"' "%s" "%s" "$@"
]]

local function run(...)
  return proc.run { env = { PATH = "/usr/sbin:/usr/bin:/sbin:/bin" }, ... }
end

local function can()
  local sudo = sys.platform == "linux" and sys.uid == 0 and proc.find "sudo"
  local r = sudo and run("/usr/bin/unshare", "--mount", "mount", "--bind", "/etc/sudoers", "/etc/sudoers")
  local who = r and r.code == 0 and run("/usr/bin/id", "-u", "nobody")
  return who and who.stdout == NOBODY .. "\n"
end

local function daemon()
  local d = scratch.daemon { backend = "jexec", start = false, files = {
    ["run/"] = true, ["jails/j1/root/work/"] = true, ["jails/j1/root/dev/"] = true, ["vault/j1.env"] = "A=1\n" } }
  d.options.program = d.dir .. "/bin/daemon"
  d:furnish("jails/j1/root", "/usr/bin/env")
  d:tree { ["bin/jexec.base"] = d.base .. "\n", ["site/jail/jexec.lua"] = STANDIN:format(d.dir),
    ["bin/sudoers"] = "nobody ALL=(ALL) NOPASSWD: ALL\n" }
  local root <close> = assert(fs.open_trusted(d.dir))
  assert(root:write("bin/daemon", DAEMON:format(NOBODY, NOBODY, d.dir, sys.program "colibri-daemon"), { mode = 0x1ed }))
  assert(root:copy_in(sys.conf.share_dir .. "/tests/tools/jexec", "bin/jexec", 0x1ed))
  d.options.flags = { "--jail-priv-mode", "sudo", "--db", d.dir .. "/state/colibri.sqlite" }
  assert(run("/bin/chmod", "-R", "a+rX", d.dir .. "/bin", d.dir .. "/site").code == 0)
  assert(run("/bin/chmod", "755", d.dir).code == 0)
  assert(run("/bin/chown", "-R", tostring(NOBODY), d.dir .. "/run", d.dir .. "/state", d.dir .. "/vault", d.base).code == 0)
  assert(d:start())
  t.ok(d:call("register-tenant", { tenant_id = "j1", collection_id = "j1", jail_root_path = d.base .. "/j1/root" }))
  return d
end

local function spawn(d, script, args)
  local request = { model = "/bin/sh", arg = { "-c", script }, jail_name = "j1", jail_root = d.base .. "/j1/root",
    cwd = "/work" }
  for key, value in pairs(args) do
    request[key] = value
  end
  return d:call("spawn-local", request)
end

local function case(name, fn)
  t.test(name, function()
    if not can() then
      return stdio.out("# SKIP " .. name .. ": needs root, sudo and a mount namespace\n")
    end
    local d <close> = daemon()
    fn(d)
  end)
end

case("what comes through sudo, held in the jail or not", function(d)
  for _, mode in ipairs { "after", "before" } do
    local row = t.ok(spawn(d, 'read x; echo "$x $COLIBRI_JAIL_NAME $(pwd) $(umask)" >seen; exit 7',
      { provision = mode, prompt = "hello", wait = "exit", timeout = 60, limit = { "umask=027" } }))
    t.eq({ row.exit_code, row.provision.keys }, { 7, 1 })
    t.eq(d:read("jails/j1/root/work/seen"), "hello j1 /work 0027\n")
  end
  t.eq(d:read("jails/j1/root/.env"), "A=1\n")
end)

case("a stop reaches what runs as root, and counts it", function(d)
  local a = t.ok(spawn(d, "trap '' TERM; (echo up >&2; while :; do :; done) | while :; do :; done", { provision = "before",
    limit = { "cpu=60" } }))
  t.eventually(function() return (d:read("state/agents/" .. a.agent_id .. "/err.0000000000000000") or "") == "up\n" end)
  local row = t.ok(d:call("stop-agent", { agent_id = a.agent_id, grace = 0.1 }))
  t.eq({ row.status, row.signalled, row.killed }, { "exited", 4, 4 }) -- sudo and three shells
end)
