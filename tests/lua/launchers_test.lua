-- jail/*: the argv of each launcher, with a ctx of fakes.

local core_script = require "core.script"
local err = require "colibri.err"
local sandbox = require "colibri.sandbox"
local sys = require "core.sys"
local t = require "colibri.test"

local function launcher(name)
  local path = sys.conf.share_dir .. "/lua/colibri/jail/" .. name .. ".lua"
  return core_script.call(core_script.load(path, "@jail/" .. name .. ".lua", sandbox.env()))
end

-- A host with one running jail, proof0, and every program but those missing.
local function ctx(fields)
  fields = fields or {}
  local missing = fields.missing or {}
  return {
    conf = { jail_priv_mode = fields.priv or "none", jail_root_base = "/jails", jexec = fields.jexec },
    sys = {
      platform = fields.platform or "freebsd",
      jail_lookup = function(name)
        if name ~= "proof0" then
          return nil, err.new("JailNotFound", "no jail '%s' is running", name)
        end
        return { jid = 3, path = "/jails/proof0/root" }
      end,
    },
    proc = {
      find = function(name)
        if missing[name] then
          return nil, err.new("ProgramNotFound", "no program '%s'", name)
        end
        return name:sub(1, 1) == "/" and name or "/usr/sbin/" .. name
      end,
    },
    fs = {
      contain = function(_, path)
        if path == "/link/root" then
          return { base = "/jails", rel = "proof0/root", path = "/jails/proof0/root" }
        end
        return nil, err.new("TargetEscapesRoot", "outside")
      end,
    },
  }
end

local ENV = { PATH = "/bin", HOME = "/", A = "x y" }

local function agent()
  return { "/bin/agent", "--flag", "two words" }
end

t.test("jexec: a named jail, environment passed through", function()
  t.eq(launcher("jexec").launch(ctx(), { name = "proof0" }, agent(), ENV),
    { "/usr/sbin/jexec", "proof0", "/bin/agent", "--flag", "two words" })
end)

t.test("jexec: the user is the jail's", function()
  t.eq(launcher("jexec").launch(ctx(), { name = "proof0", user = "web" }, agent(), ENV),
    { "/usr/sbin/jexec", "-U", "web", "proof0", "/bin/agent", "--flag", "two words" })
end)

t.test("jexec: behind mdo and sudo env sets the environment again", function()
  local tail = { "proof0", "/usr/bin/env", "-i", "A=x y", "HOME=/", "PATH=/bin", "/bin/agent", "--flag",
    "two words" }
  t.eq(launcher("jexec").launch(ctx { priv = "mdo" }, { name = "proof0" }, agent(), ENV),
    { "/usr/sbin/mdo", "-u", "root", "/usr/sbin/jexec", table.unpack(tail) })
  t.eq(launcher("jexec").launch(ctx { priv = "sudo" }, { name = "proof0" }, agent(), ENV),
    { "/usr/sbin/sudo", "-n", "--", "/usr/sbin/jexec", table.unpack(tail) })
  t.err("BadParameter", launcher("jexec").launch(ctx { priv = "mdo" }, { name = "proof0" }, { "/bin/a=b" }, ENV))
end)

t.test("jexec: the jail must run, in the root that was named", function()
  local jexec = launcher("jexec").launch
  t.err("JailNameNeeded", jexec(ctx(), { root = "/jails/proof0/root" }, agent(), ENV))
  t.err("JailNotFound", jexec(ctx(), { name = "other" }, agent(), ENV))
  t.err("JailRootMismatch", jexec(ctx(), { name = "proof0", root = "/jails/x/root" }, agent(), ENV))
  t.ok(jexec(ctx(), { name = "proof0", root = "/jails/proof0/root//" }, agent(), ENV))
  t.ok(jexec(ctx(), { name = "proof0", root = "/link/root" }, agent(), ENV))
end)

t.test("jexec: elsewhere only a named stand-in is run, never the JDK's", function()
  local jexec = launcher("jexec").launch
  t.err("JailBackendUnsupported", jexec(ctx { platform = "linux" }, { name = "proof0" }, agent(), ENV))
  t.eq(jexec(ctx { platform = "linux", jexec = "/opt/jexec" }, { name = "any", root = "/any" }, agent(), ENV),
    { "/opt/jexec", "any", "/bin/agent", "--flag", "two words" })
end)

t.test("missing wrappers and a bad mode are errors", function()
  local jexec = launcher("jexec").launch
  t.err("ProgramNotFound", jexec(ctx { missing = { jexec = true } }, { name = "proof0" }, agent(), ENV))
  t.err("ProgramNotFound", jexec(ctx { priv = "sudo", missing = { sudo = true } }, { name = "proof0" }, agent(), ENV))
  t.err("BadSetting", jexec(ctx { priv = "su" }, { name = "proof0" }, agent(), ENV))
  t.err("ProgramNotFound", launcher("bwrap").launch(ctx { missing = { bwrap = true } }, { root = "/r" }, agent(), ENV))
end)

t.test("jail: one command= word, then the arguments", function()
  local jail = launcher("jail").launch
  t.eq(jail(ctx(), { path = "/jails/e" }, agent(), ENV),
    { "/usr/sbin/jail", "-c", "path=/jails/e", "ip4=inherit", "command=/bin/agent", "--flag", "two words" })
  t.eq(jail(ctx(), { name = "e1", root = "/jails/e", ip4 = "10.0.0.7", user = "web" }, agent(), ENV),
    { "/usr/sbin/jail", "-c", "name=e1", "host.hostname=e1", "path=/jails/e", "ip4.addr=10.0.0.7",
      "exec.jail_user=web", "command=/bin/agent", "--flag", "two words" })
  t.eq(jail(ctx { priv = "mdo" }, { name = "12", path = "/jails/e", ip4 = "disable" }, { "/bin/a" }, { K = "v" }),
    { "/usr/sbin/mdo", "-u", "root", "/usr/sbin/jail", "-c", "path=/jails/e", "ip4=disable",
      "command=/usr/bin/env", "-i", "K=v", "/bin/a" })
  t.err("JailRootNeeded", jail(ctx(), { name = "e1" }, agent(), ENV))
  t.err("JailBackendUnsupported", jail(ctx { platform = "linux" }, { root = "/r" }, agent(), ENV))
end)

t.test("bwrap: the root is all there is", function()
  local argv = launcher("bwrap").launch(ctx { platform = "linux", priv = "sudo" },
    { name = "proof0", root = "/jails/proof0/root" }, agent(), ENV)
  t.eq(table.concat(argv, " "), "/usr/sbin/bwrap --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try" ..
    " --hostname proof0 --bind /jails/proof0/root / --proc /proc --dev /dev --tmpfs /tmp" ..
    " --ro-bind-try /proc/sys /proc/sys --ro-bind-try /proc/sysrq-trigger /proc/sysrq-trigger" ..
    " --ro-bind-try /proc/irq /proc/irq --ro-bind-try /proc/bus /proc/bus --ro-bind-try /proc/fs /proc/fs" ..
    " --new-session --die-with-parent --cap-drop ALL --chdir / -- /bin/agent --flag two words")
  t.eq(argv[#argv], "two words")
end)

t.test("bwrap: needs a root, cannot change the user", function()
  local bwrap = launcher("bwrap").launch
  t.err("JailRootNeeded", bwrap(ctx(), { name = "proof0" }, agent(), ENV))
  t.err("JailUserUnsupported", bwrap(ctx(), { root = "/r", user = "web" }, agent(), ENV))
end)

t.test("nspawn: environment word by word, a machine name that is a host name", function()
  local argv = launcher("nspawn").launch(ctx { priv = "sudo" }, { name = "_my_jail", root = "/r", user = "web" },
    agent(), ENV)
  t.eq({ argv[1], argv[2], argv[4] }, { "/bin/sh", "-c", "sh" })
  t.eq({ table.unpack(argv, 5) }, agent())
  local text = argv[3]
  t.ok(text:find("exec /usr/sbin/sudo -n -- /usr/sbin/systemd-nspawn --directory=/r --quiet --register=no --keep-unit", 1,
    true), text)
  t.ok(text:find("--machine=my-jail --user=web '--setenv=A=x y' --setenv=HOME=/ --setenv=PATH=/bin $r -- \"$@\"", 1,
    true), text)
  text = launcher("nspawn").launch(ctx(), { root = "/it's" }, agent(), ENV)[3]
  t.ok(text:find([[exec /usr/sbin/systemd-nspawn '--directory=/it'\''s' --quiet]], 1, true), text)
  t.ok(text:find("--drop-capability=all --setenv=A --setenv=HOME --setenv=PATH $r", 1, true), text)
  t.err("JailRootNeeded", launcher("nspawn").launch(ctx(), { name = "proof0" }, agent(), ENV))
end)

t.test("none: argv as it is", function()
  t.eq(launcher("none").launch(ctx(), { name = "proof0", root = "/r" }, agent(), ENV), agent())
  t.err("JailUserUnsupported", launcher("none").launch(ctx(), { user = "web" }, agent(), ENV))
end)

t.test("no launcher changes the argv it was given", function()
  for _, name in ipairs { "jexec", "jail", "bwrap", "nspawn", "none" } do
    local argv = agent()
    t.ok(launcher(name).launch(ctx { priv = "mdo" }, { name = "proof0", root = "/jails/proof0/root" }, argv, ENV), name)
    t.eq(argv, agent(), name)
  end
end)

t.test("jexec: the jail is told from another one of its name by its id", function()
  local jexec = launcher("jexec")
  t.eq(jexec.identity(ctx(), { name = "proof0" }), 3)
  local _, e = jexec.identity(ctx(), { name = "gone" })
  t.eq(e.code, "JailNotFound")
  t.eq(jexec.identity(ctx { jexec = "/x/jexec" }, { name = "proof0" }), nil)
end)

t.test("a helper of the site's becomes root for the launcher", function()
  t.eq(launcher("jexec").launch(ctx { priv = "helper" }, { name = "proof0" }, agent(), {}),
    { "/usr/sbin/colibri-jail-helper", "/usr/sbin/jexec", "proof0", "/usr/bin/env", "-i", "/bin/agent", "--flag",
      "two words" })
  t.err("ProgramNotFound", launcher("jexec").launch(ctx { priv = "helper", missing = { ["colibri-jail-helper"] = true } },
    { name = "proof0" }, agent(), {}))
end)

t.test("the working directory is entered inside, the user is the jail's", function()
  local jail = { name = "proof0", root = "/jails/proof0/root", cwd = "/a b", user = "web" }
  local sh = { "/bin/sh", "-c", 'cd -- "$1" && shift && exec "$@"', "sh", "/a b", "/bin/agent", "--flag", "two words" }
  local want = { "/usr/sbin/jexec", "-U", "web", "proof0" }
  t.eq(launcher("jexec").launch(ctx(), jail, agent(), {}), table.move(sh, 1, #sh, #want + 1, want))
  local words = t.ok(launcher("jail").launch(ctx(), jail, agent(), {}))
  t.eq({ words[#words - 7], words[#words - 2] }, { "command=/bin/sh", "/bin/agent" })
  local bwrap = table.concat(t.ok(launcher("bwrap").launch(ctx(), { root = "/r", cwd = "/a b" }, agent(), {})), "|")
  t.ok(bwrap:find("|--chdir|/a b|--|/bin/agent|", 1, true), bwrap)
  local nspawn = t.ok(launcher("nspawn").launch(ctx(), jail, agent(), ENV))[3]
  t.ok(nspawn:find(" --user=web '--chdir=/a b' --setenv=A ", 1, true), nspawn)
end)

t.test("who signals what a launcher started as root", function()
  local launch = require "colibri.launch"
  t.eq(launch.kill_words(ctx { priv = "sudo" }, "jexec"), { "/usr/sbin/sudo", "-n", "--", "/usr/sbin/kill" })
  t.eq(launch.kill_words(ctx { priv = "mdo" }, "nspawn"), { "/usr/sbin/mdo", "-u", "root", "/usr/sbin/kill" })
  t.eq(launch.kill_words(ctx { priv = "sudo" }, "bwrap"), nil)
  t.eq(launch.kill_words(ctx {}, "jexec"), nil)
  t.err("ProgramNotFound", launch.kill_words(ctx { priv = "sudo", missing = { sudo = true } }, "jail"))
end)
