-- launch.lua - what jail launchers share: becoming root, and the environment.
--
-- Pure, apart from ctx.proc.find, which turns a bare program name into a
-- checked absolute path: under daemon(8) or systemd no PATH can be relied on.

local checked = require "colibri.checked"
local err = require "colibri.err"

local M = {}

-- How the launcher's wrapper becomes root, by ctx.conf.jail_priv_mode.
local PREFIX = {
  none = {},
  mdo = { "mdo", "-u", "root" },
  sudo = { "sudo", "-n", "--" },
  -- A site's own setuid program in one of the fixed directories: it gets the
  -- launcher's argv as its arguments and decides what it executes.
  helper = { "colibri-jail-helper" },
}

--- argv that runs `words` as root: words behind the prefix of jail_priv_mode.
-- words[1] is a bare name or an absolute path and comes back absolute.
-- @return argv, prefixed (boolean) | nil, err(ProgramNotFound, ProgramNotTrusted, BadSetting)
function M.privileged(ctx, words)
  local prefix = PREFIX[ctx.conf.jail_priv_mode]
  if not prefix then
    return nil, err.new("BadSetting", "jail_priv_mode is '%s', not none, mdo, sudo or helper",
      tostring(ctx.conf.jail_priv_mode))
  end
  local argv = {}
  for _, list in ipairs { prefix, words } do
    local at = #argv + 1
    for _, word in ipairs(list) do
      argv[#argv + 1] = word
    end
    if list[1] then
      local path, e = ctx.proc.find(list[1])
      if not path then
        return nil, e
      end
      argv[at] = path
    end
  end
  return argv, #prefix > 0
end

-- Launchers that run without becoming root.
local UNPRIVILEGED = { none = true, bwrap = true }

--- The program that may signal what such a launcher has started as root, for the
-- shim, which may not.
-- @return argv, behind which "-SIGNAL PID..." is put | nil: signals need no help | nil, err
function M.kill_words(ctx, backend)
  if UNPRIVILEGED[backend] or ctx.conf.jail_priv_mode == "none" then
    return nil
  end
  local argv, e = M.privileged(ctx, { "kill" })
  if not argv then
    return nil, e
  end
  return argv
end

--- { "K=V", ... } of an environment, sorted, each word behind `lead` when given.
function M.env_words(env, lead)
  local words = {}
  for key, value in pairs(env or {}) do
    words[#words + 1] = (lead or "") .. key .. "=" .. value
  end
  table.sort(words)
  return words
end

--- The agent's argv with its environment set inside the jail. mdo and sudo may
-- drop or replace what they are given, env(1) in the jail starts from nothing;
-- the agent's environment holds no secret, so its argv may show it.
-- @return argv | nil, err(BadParameter)
function M.with_env(argv, env)
  if argv[1]:find("=", 1, true) then
    return nil, err.new("BadParameter", "program '%s': env(1) would take its name for a variable", argv[1])
  end
  local words = M.env_words(env)
  table.insert(words, 1, "/usr/bin/env")
  table.insert(words, 2, "-i")
  return M.append(words, argv)
end

--- The launcher's words as root, and behind a prefix the agent's argv with its
-- environment set inside.
-- @return words, argv | nil, err
function M.as_root(ctx, words, argv, env)
  local out, prefixed = M.privileged(ctx, words)
  if not out then
    return nil, prefixed
  elseif not prefixed then
    return out, argv
  end
  local inside, e = M.with_env(argv, env)
  if not inside then
    return nil, e
  end
  return out, inside
end

--- The agent's argv with its working directory entered inside the jail, by the
-- jail's own sh: jexec and jail(8) begin in the root.
-- @param cwd string|nil: nil leaves argv as it is
-- @return argv
function M.with_cwd(argv, cwd)
  if not cwd then
    return argv
  end
  return M.append({ "/bin/sh", "-c", 'cd -- "$1" && shift && exec "$@"', "sh", cwd }, argv)
end

--- list with every word of more behind it; changes and returns list.
function M.append(list, more)
  return table.move(more, 1, #more, #list + 1, list)
end

-- @return the host-visible root of the jail | nil, err(JailRootNeeded)
function M.root_of(jail, backend)
  local root = jail.root or jail.path
  if not root then
    return nil, err.new("JailRootNeeded", "backend '%s' needs the jail's root: --jail-root", backend)
  end
  return root
end

--- For backends that cannot change the user inside the jail.
-- @return true | nil, err(JailUserUnsupported)
function M.no_user(jail, backend)
  if jail.user then
    return nil, err.new("JailUserUnsupported", "backend '%s' cannot run an agent as user '%s'", backend, jail.user)
  end
  return true
end

checked.functions(M, "launch", { privileged = "table table", kill_words = "table string",
  env_words = "table? string?", with_env = "table table", as_root = "table table table table",
  append = "table table", root_of = "table string", no_user = "table string",
  with_cwd = "table string?" })

return M
