-- Each launcher that runs here, looked at from inside the jail by a shell's
-- builtins: what is private, what is limited, what comes through.
local t = require "colibri.test"
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local stdio = require "core.stdio"
local sys = require "core.sys"

local STANDIN = [[
local shipped = stock()
return { api = 1, summary = "the stand-in", launch = function(ctx, jail, argv, env)
  local conf = setmetatable({ jexec = "%s/bin/jexec" }, { __index = ctx.conf })
  return shipped.launch(setmetatable({ conf = conf }, { __index = ctx }), jail, argv, env)
end }]]

local function works(...)
  local r = proc.run { env = { PATH = "/usr/bin:/bin" }, ... }
  return r ~= nil and r.code == 0
end

local function can_bwrap()
  local bwrap = proc.find "bwrap"
  return bwrap and works(bwrap, "--unshare-pid", "--bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true")
end

local function can_jexec()
  return sys.platform == "linux" and
    (sys.uid == 0 or works("/usr/bin/unshare", "--map-root-user", "/bin/true") or can_bwrap())
end

local function case(can, name, fn)
  t.test(name, function()
    if not can() then
      return stdio.out("# SKIP " .. name .. ": cannot make this jail here\n")
    end
    fn()
  end)
end

local function daemon(backend)
  local d = scratch.daemon { backend = backend, flags = { "--jail-priv-mode", "none" },
    env = { TZ_PROBE = "there", BW_PASSWORD = "secret" }, start = false,
    files = { ["jails/j1/root/work/"] = true, ["jails/j1/root/proc/"] = true, ["jails/j1/root/dev/"] = true,
      ["jails/j1/root/tmp/"] = true, ["bin/"] = true } }
  d:furnish "jails/j1/root"
  if backend == "jexec" then
    d:tree { ["bin/jexec.base"] = d.base .. "\n", ["site/jail/jexec.lua"] = STANDIN:format(d.dir) }
    local root <close> = assert(fs.open_trusted(d.dir))
    assert(root:copy_in(sys.conf.share_dir .. "/tests/tools/jexec", "bin/jexec", 0x1ed))
  end
  assert(d:start())
  return d
end

-- What a script of builtins says inside.
local function inside(d, script, args)
  local request = { model = "/bin/sh", arg = { "-c", "{ " .. script .. "; } >/work/seen 2>/work/err" }, jail_name = "j1",
    jail_root = d.base .. "/j1/root", wait = "exit", timeout = 60 }
  for key, value in pairs(args or {}) do
    request[key] = value
  end
  local row = t.ok(d:call("spawn-local", request))
  t.eq({ row.status, row.exit_code }, { "exited", 0 }, d:read("jails/j1/root/work/err"))
  return d:read("jails/j1/root/work/seen")
end

local LIMITED = [[echo "nofile=$(ulimit -Sn):$(ulimit -Hn) umask=$(umask) pwd=$(pwd) tz=$TZ_PROBE bw=$BW_PASSWORD]] ..
  [[ path=$PATH id=$COLIBRI_JAIL_NAME"]]

local SEEN = "nofile=77:99 umask=0027 pwd=/work tz=there bw= path=/usr/local/bin:/usr/bin:/bin id=j1\n"

for backend, can in pairs { bwrap = can_bwrap, jexec = can_jexec } do
  case(can, backend .. ": limits, directory and environment reach the agent, nothing is left in the jail", function()
    local d <close> = daemon(backend)
    t.eq(inside(d, LIMITED, { cwd = "/work", limit = { "nofile=77:99", "umask=027" }, env = { "TZ_PROBE" } }),
      SEEN)
    t.eq(inside(d, "pwd"), "/\n")
    -- Held inside the jail first, it is the same.
    d:tree { ["vault/j1.env"] = "A=1\n" }
    t.ok(d:call("register-tenant", { tenant_id = "j1", collection_id = "j1", jail_root_path = d.base .. "/j1/root" }))
    t.eq(inside(d, LIMITED, { cwd = "/work", limit = { "nofile=77:99", "umask=027" }, env = { "TZ_PROBE" },
      provision = "before" }), SEEN)
    local root <close> = assert(fs.open_trusted(d.base .. "/j1/root"))
    t.eq(root:list("tmp"), {})
    t.eq(root:list("work"), { "err", "seen" })
  end)

  case(can, backend .. ": descriptor 3 comes through", function()
    local d <close> = daemon(backend)
    local out = t.ok(d:call("spawn-local", { model = "/bin/sh", arg = { "-c", "echo up >&3; while :; do :; done" },
      jail_name = "j1", jail_root = d.base .. "/j1/root", ready = "fd", wait = "ready", timeout = 60,
      limit = { "cpu=20" } }))
    t.ok(out.ready_at)
  end)
end

case(can_bwrap, "bwrap: private processes, /dev and /tmp, own names, no privilege and no way to it", function()
  local d <close> = daemon "bwrap"
  local seen = inside(d, [[
echo "pid=$$"
for p in /proc/[0-9]*; do echo "proc=${p#/proc/}"; done
for f in /dev/*; do echo "dev=$f"; done
for f in /tmp/* /tmp/.*; do echo "tmp=$f"; done
read -r host </proc/sys/kernel/hostname; echo "host=$host"
while read -r key value; do case $key in NoNewPrivs:|CapEff:|CapPrm:) echo "$key$value" ;; esac; done </proc/self/status
while read -r _ at kind _; do echo "mount=$at:$kind"; done </proc/mounts
(echo evil >/proc/sys/kernel/hostname) 2>/dev/null && echo wrote-hostname
(echo b >/proc/sysrq-trigger) 2>/dev/null && echo wrote-sysrq
(: </dev/sda) 2>/dev/null && echo read-disk
(exit 0)]])
  local function all(key)
    local out = {}
    for value in seen:gmatch("\n" .. key .. "=([^\n]*)") do
      out[#out + 1] = value
    end
    return out
  end
  t.ok(tonumber(seen:match("^pid=(%d+)")) <= 3, seen)
  t.ok(#all "proc" <= 3, "only its own processes: " .. table.concat(all "proc", " "))
  for _, name in ipairs(all "dev") do
    t.ok((" console core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero "):find(
      " " .. name:match("[^/]*$") .. " ", 1, true), name)
  end
  t.eq(all "host", { "j1" })
  t.ok(seen:find("NoNewPrivs:1", 1, true), "no new privileges")
  for _, set in ipairs { "CapEff", "CapPrm" } do
    t.eq(seen:match(set .. ":(%x+)"), "0000000000000000", set)
  end
  local mounts = "\n" .. table.concat(all "mount", "\n") .. "\n"
  for _, want in ipairs { "/proc:proc", "/dev:tmpfs", "/tmp:tmpfs" } do
    t.ok(mounts:find("\n" .. want .. "\n", 1, true), want)
  end
  t.eq(seen:find("wrote-", 1, true), nil)
  t.eq(seen:find("read-disk", 1, true), nil)
end)

case(can_bwrap, "bwrap: namespaces are not the host's", function()
  local d <close> = daemon "bwrap"
  local out = t.ok(d:call("spawn-local", { model = "/bin/sh", arg = { "-c", "echo up >&3; while :; do :; done" },
    jail_name = "j1", jail_root = d.base .. "/j1/root", ready = "fd", wait = "ready", limit = { "cpu=20" } }))
  -- The last of its descendants is the agent itself.
  local listed = proc.run { "/bin/sh", "-c", [[
p=$1; while c=$(cat /proc/$p/task/$p/children) && [ -n "$c" ]; do p=${c%% *}; done
for n in pid ipc uts mnt; do a=$(readlink /proc/$p/ns/$n); b=$(readlink /proc/self/ns/$n); [ "$a" = "$b" ] && echo same-$n; done
echo done]], "sh", tostring(out.pid), env = { PATH = "/usr/bin:/bin" } }
  t.eq(listed.stdout, "done\n")
end)
