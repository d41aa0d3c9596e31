-- systemd-nspawn for real: what reaches an agent inside, what it may do there,
-- and how it ends. Needs root; where nspawn cannot run the cases are skipped.
local t = require "colibri.test"
local agent = require "core.agent"
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local stdio = require "core.stdio"
local sys = require "core.sys"

local function sh(script, ...)
  local run = { "/bin/sh", "-c", script, "sh", ... }
  run.env = { PATH = "/usr/sbin:/usr/bin:/sbin:/bin" }
  return proc.run(run)
end

-- nspawn takes a directory with a /usr only. It moves itself and its payload into
-- two cgroups below its own, and leaves them there.
local function daemon(options)
  options = options or {}
  local d = scratch.daemon { backend = "nspawn", flags = options.flags, log_level = "warn", start = false,
    env = { TZ_PROBE = "there", BW_PASSWORD = "secret" }, files = options.files }
  d:tree { ["jails/j1/root/usr/bin/"] = true, ["jails/j1/root/work/"] = true, ["vault/j1.env"] = "KEY=value\n" }
  d:furnish "jails/j1/root"
  assert(d:start())
  return d
end

-- What nspawn leaves in the cgroup that we are in, when nobody is in it.
local function put_away()
  sh([[for m in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
while IFS=: read -r _ _ p; do rmdir "$m${p%/}/payload" "$m${p%/}/supervisor"; done 2>/dev/null </proc/self/cgroup
done]])
end

local can, why -- asked once
local function try_nspawn()
  if sys.platform ~= "linux" or sys.uid ~= 0 or not proc.find "systemd-nspawn" then
    return nil, "needs Linux, root and systemd-nspawn"
  end
  local d <close> = daemon()
  local row, e = d:call("spawn-local", { model = "/bin/sh", arg = { "-c", "exit 7" }, jail_name = "j1",
    jail_root = d.base .. "/j1/root", wait = "exit", timeout = 60 })
  if row and row.exit_code == 7 then
    return true
  end
  return nil, row and d:read("state/agents/" .. row.agent_id .. "/err.0000000000000000") or tostring(e)
end

local function case(name, fn)
  t.test(name, function()
    if can == nil then
      can, why = try_nspawn()
      can = can or false
    end
    if not can then
      return stdio.out("# SKIP " .. name .. ": nspawn does not run here: " .. tostring(why):gsub("\n", " ") .. "\n")
    end
    local _ <close> = setmetatable({}, { __close = put_away })
    fn()
  end)
end

local function spawn(d, script, args)
  local request = { model = "/bin/sh", arg = { "-c", script }, jail_name = "j1", jail_root = d.base .. "/j1/root" }
  for key, value in pairs(args or {}) do
    request[key] = value
  end
  return d:call("spawn-local", request)
end

local function log_of(d, agent_id, name)
  return d:read(("state/agents/%s/%s.0000000000000000"):format(agent_id, name or "out")) or ""
end

-- What a script says inside, up to its end with 0.
local function inside(d, script, args)
  args = args or {}
  args.wait, args.timeout = "exit", 60
  local row = t.ok(spawn(d, script, args))
  t.eq({ row.status, row.exit_code }, { "exited", 0 }, log_of(d, row.agent_id, "err"))
  return log_of(d, row.agent_id)
end

case("environment, directory, rlimits, umask and nice are as asked for", function()
  local d <close> = daemon()
  local script = [[echo "nofile=$(ulimit -Sn):$(ulimit -Hn) core=$(ulimit -Hc) umask=$(umask) pwd=$(pwd) tz=$TZ_PROBE]] ..
    [[ bw=$BW_PASSWORD path=$PATH id=$COLIBRI_JAIL_NAME prompt=$COLIBRI_SYSTEM_PROMPT"]]
  t.eq(inside(d, script, { cwd = "/work", limit = { "nofile=77:99", "umask=027" }, env = { "TZ_PROBE" },
    system_prompt = "it's \"$HOME\"" }), "nofile=77:99 core=0 umask=0027 pwd=/work tz=there bw= " ..
    "path=/usr/local/bin:/usr/bin:/bin id=j1 prompt=it's \"$HOME\"\n")
  t.ok(inside(d, script):find("^nofile=1024:%d+ core=0 umask=0022 pwd=/ tz= bw= "))
  t.ok(inside(d, "cat </proc/self/stat || read -r x </proc/self/stat; echo $x", { limit = { "nice=5" } }))
end)

case("private processes and names; no capability, no way to one, no device of the host's", function()
  local d <close> = daemon()
  local seen = inside(d, [[
echo "pid=$$"
n=0; for p in /proc/[0-9]*; do n=$((n + 1)); done; echo "procs=$n"
read -r host </proc/sys/kernel/hostname; echo "host=$host"
while read -r key value; do case $key in NoNewPrivs:|CapEff:|CapPrm:|CapBnd:) echo "$key$value" ;; esac; done </proc/self/status
(echo evil >/proc/sys/kernel/hostname) 2>/dev/null && echo wrote-hostname
[ -f /proc/sysrq-trigger ] && echo real-sysrq
exit 0]])
  t.ok(seen:find("^pid=2\nprocs=2\nhost=j1\n"), seen)
  t.ok(seen:find("NoNewPrivs:1\n", 1, true), seen)
  for _, set in ipairs { "CapEff", "CapPrm", "CapBnd" } do
    t.eq(seen:match(set .. ":(%x+)"), "0000000000000000", set)
  end
  t.eq(seen:find("wrote-", 1, true), nil)
  t.eq(seen:find("real-sysrq", 1, true), nil)
  local root <close> = assert(fs.open_trusted(d.base .. "/j1/root"))
  assert(root:copy_in("/bin/mknod", "usr/bin/mknod", 0x1ed))
  for path in sh("ldd /bin/mknod").stdout:gmatch("(/%S+)") do
    sh('mkdir -p "$2${1%/*}" && cp -L "$1" "$2$1"', path, d.base .. "/j1/root")
  end
  local row = t.ok(spawn(d, "/usr/bin/mknod /work/disk b 254 0", { wait = "exit", timeout = 60 }))
  t.eq(row.exit_code, 1, log_of(d, row.agent_id, "err"))
  t.ok(log_of(d, row.agent_id, "err"):find("Operation not permitted", 1, true), log_of(d, row.agent_id, "err"))
end)

case("as a user of the jail", function()
  local d <close> = daemon { files = { ["jails/j1/root/etc/passwd"] = "root:x:0:0::/:/bin/sh\nweb:x:1234:1235::/work:/bin/sh\n",
    ["jails/j1/root/etc/group"] = "web:x:1235:\n" } }
  local root <close> = assert(fs.open_trusted(d.base .. "/j1/root"))
  assert(root:copy_in("/usr/bin/getent", "usr/bin/getent", 0x1ed))
  sh('find "$1" -type d -exec chmod 755 {} +; chmod 644 "$1"/etc/*', d.base .. "/j1/root") -- not only ours
  local seen = inside(d, [[while read -r key a b rest; do case $key in Uid:|Gid:|CapEff:) echo "$key$a,$b" ;; esac; done ]] ..
    "</proc/self/status", { user = "web" })
  t.eq(seen, "Uid:1234,1234\nGid:1235,1235\nCapEff:0000000000000000,\n")
end)

case("stdin is the pipe itself: byte for byte, nothing read ahead, then open", function()
  local d <close> = daemon()
  -- One line by a builtin, which reads no byte too many, then the rest by another program.
  local a = t.ok(spawn(d, [[read -r first; echo "first=$first"; exec /bin/sh -c 'while read -r l; do echo "[$l]"; done']],
    { input = true, prompt = "one\ntwo" }))
  t.ok(d:call("send-agent", { agent_id = a.agent_id, text = "\1\127 three\\x \4" }))
  t.eventually(function() return log_of(d, a.agent_id) == "first=one\n[two]\n[\1\127 three\\x \4]\n" end, 30)
  local text = ("0123456789abcdef"):rep(4000)
  t.ok(d:call("send-agent", { agent_id = a.agent_id, text = text }))
  t.eventually(function() return log_of(d, a.agent_id):find("[" .. text .. "]\n", 1, true) end, 30)
  t.eq(d:call("get-agent", { agent_id = a.agent_id }).status, "running")
  t.ok(d:crash())
  t.ok(d:start())
  t.ok(d:call("send-agent", { agent_id = a.agent_id, text = "adopted" }))
  t.eventually(function() return log_of(d, a.agent_id):find("[adopted]\n", 1, true) end, 30)
  t.ok(d:call("stop-agent", { agent_id = a.agent_id, grace = 0 }))
  t.eq(inside(d, "read -r x; echo end=$?; [ -c /proc/self/fd/0 ] && echo null"), "end=1\nnull\n")
end)

case("stdout is the pipe itself: at once, complete, events in between", function()
  local d <close> = daemon()
  local a = t.ok(spawn(d, [[printf half; read -r x; echo; echo '{"type":"turn_start"}'; read -r x]], { input = true }))
  t.eventually(function() return log_of(d, a.agent_id) == "half" end, 30)
  t.ok(d:call("send-agent", { agent_id = a.agent_id, text = "go" }))
  t.eventually(function() return d:call("get-agent", { agent_id = a.agent_id }).state == "working" end)
  t.ok(d:call("send-agent", { agent_id = a.agent_id, text = "go" }))
  t.eventually(function() return d:call("get-agent", { agent_id = a.agent_id }).status == "exited" end)
  local lines = {}
  for i = 1, 20000 do
    lines[i] = i .. ": 0123456789"
  end
  t.eq(inside(d, "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); echo \"$i: 0123456789\"; done") ==
    table.concat(lines, "\n") .. "\n", true, "the last byte, too")
end)

case("descriptor 3 comes through", function()
  local d <close> = daemon()
  local out = t.ok(spawn(d, "echo up >&3; while :; do :; done", { ready = "fd", wait = "ready", timeout = 60,
    limit = { "cpu=20" } }))
  t.ok(out.ready_at)
  t.ok(d:call("stop-agent", { agent_id = out.agent_id, grace = 0 }))
  t.eq(inside(d, "(: >&3) 2>/dev/null || echo none"), "none\n")
end)

case("exit codes; a signal's end inside is none of the launcher's", function()
  local d <close> = daemon()
  local row = t.ok(spawn(d, "exit 42", { wait = "exit", timeout = 60 }))
  t.eq({ row.status, row.exit_code }, { "exited", 42 })
  row = t.ok(spawn(d, "kill -9 $$", { wait = "exit", timeout = 60 }))
  t.ok(row.exit_code ~= 0, row.exit_code)
  row = t.ok(d:call("spawn-local", { model = "/none", jail_name = "j1", jail_root = d.base .. "/j1/root", wait = "exit",
    timeout = 60 }))
  t.eq(row.exit_code, 1)
  t.ok(log_of(d, row.agent_id, "err"):find("/none", 1, true), log_of(d, row.agent_id, "err"))
end)

case("provision after and before", function()
  local d <close> = daemon()
  t.ok(d:call("register-tenant", { tenant_id = "j1", collection_id = "j1", jail_root_path = d.base .. "/j1/root" }))
  local a = t.ok(spawn(d, "until read -r l </.env; do :; done 2>/dev/null; echo \"$l\"; read -r x"))
  t.eq(a.provision.result, "provisioned")
  t.eventually(function() return log_of(d, a.agent_id) == "KEY=value\n" end, 30)
  local root <close> = assert(fs.open_trusted(d.base .. "/j1/root"))
  t.eventually(function() return d:call("get-agent", { agent_id = a.agent_id }).status == "exited" end)
  for i = 1, 3 do
    root:unlink(".env")
    d:tree { ["vault/j1.env"] = "KEY=" .. i .. "\n" }
    t.eq(inside(d, "read -r l </.env; echo \"$l\"", { provision = "before" }), "KEY=" .. i .. "\n")
  end
  d:tree { ["vault/j1.env"] = "no line\n" }
  t.err("ProvisionFailed", spawn(d, "echo x >/work/ran", { provision = "before" }))
  t.eq(root:stat("work/ran"), nil)
  local mine = ("pgrep -f 'directory=[^ ]*%s/'"):format(d.dir:match "[^/]*$") -- it does not find itself
  t.eventually(function() return sh(mine).stdout == "" end, 30)
end)

-- The processes inside of an agent, by their names.
local function shim_of(d, agent_id)
  return agent.find(d.dir .. "/state/agents/" .. agent_id).shim
end

-- Processes with this word on their command line; the pattern does not find itself.
local function mark_left(mark)
  return sh('grep -ls -- "$1" /proc/[0-9]*/cmdline', "[" .. mark:sub(1, 1) .. "]" .. mark:sub(2)).stdout
end

case("stop: the agent has its grace, then everything inside is gone", function()
  local d <close> = daemon()
  local a = t.ok(spawn(d, "trap 'read -t 1 x; exit 4' TERM; echo '{\"type\":\"turn_start\"}'; while :; do :; done",
    { limit = { "cpu=30" } }))
  t.eventually(function() return d:call("get-agent", { agent_id = a.agent_id }).state == "working" end, 30)
  local row = t.ok(d:call("stop-agent", { agent_id = a.agent_id, grace = 20 }))
  t.eq({ row.status, row.exit_code, row.killed }, { "exited", 4, 0 })
  local mark = "stop-" .. sys.uuid()
  a = t.ok(spawn(d, "trap '' TERM; (exec /bin/sh -c 'trap \"\" TERM; while :; do read x; done' " .. mark ..
    " <>/work/fifo) & echo '{\"type\":\"turn_start\"}'; while :; do wait; done", { limit = { "cpu=30" } }))
  t.eventually(function() return d:call("get-agent", { agent_id = a.agent_id }).state == "working" end, 30)
  row = t.ok(d:call("stop-agent", { agent_id = a.agent_id, grace = 0.2 }))
  t.ok(row.killed >= 2, row.killed)
  t.eq(mark_left(mark), "")
  t.eq(inside(d, "echo again"), "again\n", "the root is not locked any more")
end)

case("kill -9 of the daemon: adopted; kill -9 of the shim: all of it goes", function()
  local d <close> = daemon()
  local a = t.ok(spawn(d, "echo '{\"type\":\"turn_start\"}'; read -r x; exit 6", { input = true }))
  t.eventually(function() return d:call("get-agent", { agent_id = a.agent_id }).state == "working" end, 30)
  t.ok(d:crash())
  t.ok(d:start())
  local row = d:call("get-agent", { agent_id = a.agent_id })
  t.eq({ row.status, row.adopted, row.pid }, { "running", true, a.pid })
  t.ok(d:call("send-agent", { agent_id = a.agent_id, text = "end" }))
  t.eventually(function() return d:call("get-agent", { agent_id = a.agent_id }).exit_code == 6 end)
  local mark = "shim-" .. sys.uuid()
  a = t.ok(spawn(d, "echo '{\"type\":\"turn_start\"}'; exec /bin/sh -c 'read x' " .. mark, { input = true }))
  t.eventually(function() return d:call("get-agent", { agent_id = a.agent_id }).state == "working" end, 30)
  t.ok(mark_left(mark) ~= "")
  sh("kill -9 $1", tostring(shim_of(d, a.agent_id)))
  t.eventually(function() return d:call("get-agent", { agent_id = a.agent_id }).status ~= "running" end, 30)
  t.eventually(function() return mark_left(mark) == "" end, 30)
  t.eq(inside(d, "echo again"), "again\n", "the root is not locked any more")
end)

case("two agents in one root: the second is told that it is busy", function()
  local d <close> = daemon()
  local a = t.ok(spawn(d, "echo up; read -r x", { input = true }))
  t.eventually(function() return log_of(d, a.agent_id) == "up\n" end, 30)
  local row = t.ok(spawn(d, "echo no", { wait = "exit", timeout = 60 }))
  t.eq(row.exit_code, 1)
  t.ok(log_of(d, row.agent_id, "err"):find("busy", 1, true), log_of(d, row.agent_id, "err"))
end)

-- What a real program did: from the jail's bootstrap to a JSON event.
case("the test agent, with the jail that the bootstrap makes", function()
  local d <close> = daemon()
  assert(sh('mkdir -p "$1/usr/local/bin" && cp "$2" "$1/usr/local/bin/agent"', d.base .. "/j1/root",
    sys.program "colibri-test-agent").code == 0)
  local a = t.ok(d:call("spawn-agent", { provider = "local", model = "/usr/local/bin/agent", jail_name = "j1",
    jail_root = d.base .. "/j1/root" }))
  t.eventually(function() return log_of(d, a.agent_id):find('"type"', 1, true) end, 30)
end)
