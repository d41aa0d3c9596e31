-- systemd-nspawn over the jail root (Linux); needs root, so jail_priv_mode counts.
--
-- The root needs a /usr, and with `user` a getent(1). nspawn locks it, so there
-- is one agent at a time in it. Stdin, stdout and stderr are those of the shim.
--
-- nspawn gives its payload an environment, rlimits, a umask and descriptors of
-- its own. What its process has from the shim is therefore handed on: by a sh
-- around it that looks what that is, and, for the umask, by one inside.
--
-- As with bwrap the agent has no capability: nothing else keeps devices from uid
-- 0 here, and with CAP_MKNOD it would read the host's disks. What nspawn leaves
-- writable of /proc, sysrq, is covered.

local launch = require "colibri.launch"

-- %s: clean(); prlimit; the command up to its options. Its pid stays ours, so
-- descriptor 3 can be handed on like a socket of systemd's.
local AROUND = [[
%s
r=$(%s --raw --noheadings --output RESOURCE,SOFT,HARD --as --core --cpu --data --fsize --memlock --nofile --nproc --stack |
while read -r n s h; do
[ "$s" != unlimited ] || s=infinity
[ "$h" != unlimited ] || h=infinity
echo "--rlimit=$n=$s:$h"
done)
u=$(umask)
[ "$u" = 0022 ] || set -- /bin/sh -c 'umask "$0" && exec "$@"' "$u" "$@"
[ ! -e /proc/sysrq-trigger ] || r="$r --bind-ro=/dev/null:/proc/sysrq-trigger"
[ ! -e /proc/self/fd/3 ] || export LISTEN_FDS=1 LISTEN_PID=$$
exec %s $r -- "$@"]]

-- A machine name is a host name: letters, digits, inner hyphens.
local function machine_name(name)
  name = name:gsub("_", "-"):gsub("^%-+", ""):gsub("%-+$", "")
  return name ~= "" and name or "jail"
end

-- Of systemd 254 on: a mount that an nspawn which was killed has left behind,
-- because of which the next one of its name would refuse. A live one has no use
-- for it either.
local CLEAN = "[ ! -d /run/systemd/nspawn/unix-export/%s ] || %s -q /run/systemd/nspawn/unix-export/%s 2>/dev/null"

-- Words for sh.
local function quoted(words)
  local out = {}
  for i, word in ipairs(words) do
    out[i] = word:find("^[%w_./=-]+$") and word or "'" .. word:gsub("'", [['\'']]) .. "'"
  end
  return table.concat(out, " ")
end

-- The agent's environment: the shim gave it to nspawn, which takes a value from
-- there, so it is on no command line. Behind mdo or sudo it may be lost.
local function env_words(env, prefixed)
  local words = launch.env_words(env, "--setenv=")
  for i, word in ipairs(words) do
    words[i] = prefixed and word or word:match("^%-%-setenv=[^=]*")
  end
  return words
end

local function clean(ctx, jail)
  local words = jail.name and launch.privileged(ctx, { "umount" })
  return words and CLEAN:format(machine_name(jail.name), quoted(words), machine_name(jail.name)) or ""
end

local function options(root, jail)
  local words = { "--directory=" .. root, "--quiet", "--register=no", "--keep-unit", "--as-pid2", "--console=pipe",
    "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--no-new-privileges=yes" }
  if jail.name then
    words[#words + 1] = "--machine=" .. machine_name(jail.name)
  end
  -- Changing the user needs capabilities, and takes them all away.
  words[#words + 1] = jail.user and "--user=" .. jail.user or "--drop-capability=all"
  if jail.cwd then
    words[#words + 1] = "--chdir=" .. jail.cwd
  end
  return words
end

return {
  api = 1,
  summary = "systemd-nspawn over the jail root (Linux)",
  launch = function(ctx, jail, argv, env)
    local root, e = launch.root_of(jail, "nspawn")
    if not root then
      return nil, e
    end
    local prlimit
    prlimit, e = ctx.proc.find("prlimit")
    if not prlimit then
      return nil, e
    end
    local words, prefixed = launch.privileged(ctx, { "systemd-nspawn" })
    if not words then
      return nil, prefixed
    end
    launch.append(words, options(root, jail))
    launch.append(words, env_words(env, prefixed))
    return launch.append({ "/bin/sh", "-c", AROUND:format(clean(ctx, jail), prlimit, quoted(words)), "sh" }, argv)
  end,
}
