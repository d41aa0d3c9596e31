-- A jail of namespaces (Linux): bubblewrap over the jail root.
--
-- The root is all the agent sees, with a /proc, /dev and /tmp of its own; its
-- processes, IPC and host name are apart, it has no capability and no way to
-- gain one (bwrap always sets no_new_privs), and it ends with its shim. Needs
-- no privilege: for an ordinary user bwrap makes a user namespace. The network
-- is shared, as with jexec into a jail with ip4=inherit.
--
-- Uid 0 of the jail is uid 0 of the host when the daemon runs as root, and to
-- the kernel that alone is enough to write most of /proc/sys; bwrap leaves it
-- writable, so it is covered here.

local launch = require "colibri.launch"

local COVER = { "/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs" }

return {
  api = 1,
  summary = "bubblewrap: namespaces around the jail root (Linux)",
  launch = function(ctx, jail, argv)
    local root, e = launch.root_of(jail, "bwrap")
    if not root then
      return nil, e
    end
    local ok
    ok, e = launch.no_user(jail, "bwrap")
    if not ok then
      return nil, e
    end
    local bwrap
    bwrap, e = ctx.proc.find("bwrap")
    if not bwrap then
      return nil, e
    end
    local out = { bwrap, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try" }
    if jail.name then
      launch.append(out, { "--hostname", jail.name })
    end
    launch.append(out, { "--bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp" })
    for _, path in ipairs(COVER) do
      launch.append(out, { "--ro-bind-try", path, path })
    end
    launch.append(out, { "--new-session", "--die-with-parent", "--cap-drop", "ALL", "--chdir", jail.cwd or "/",
      "--" })
    return launch.append(out, argv)
  end,
}
