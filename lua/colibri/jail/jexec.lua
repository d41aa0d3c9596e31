-- Into a jail that runs already (FreeBSD): [mdo|sudo] jexec [-U user] NAME BIN ARGS...
--
-- jexec without -l passes its own environment on, so the agent gets the one
-- the shim built. Behind mdo or sudo that cannot be relied on, and env(1) of
-- the jail sets it again. ctx.conf.jexec names a stand-in where there are no
-- jails (tests/tools/jexec); the `jexec` that a JDK installs on Linux is
-- another program and is never run.

local err = require "colibri.err"
local launch = require "colibri.launch"

-- Does the running jail live where the agent's secrets will be written?
local function same_root(ctx, jail, running)
  local function trimmed(path)
    return (path:gsub("(.)/+$", "%1"))
  end
  if trimmed(running.path) == trimmed(jail.root) then
    return true
  end
  local there = ctx.fs.contain(ctx.conf.jail_root_base, jail.root)
  return there ~= nil and trimmed(running.path) == trimmed(there.path)
end

-- The program, after a look at the jail: which jexec, and is NAME the jail meant?
local function program(ctx, jail)
  if ctx.conf.jexec then
    return ctx.conf.jexec
  elseif ctx.sys.platform ~= "freebsd" then
    return nil, err.new("JailBackendUnsupported", "jexec enters FreeBSD's jails; this is %s", ctx.sys.platform)
  end
  local running, e = ctx.sys.jail_lookup(jail.name)
  if not running then
    return nil, e
  end
  if jail.root and not same_root(ctx, jail, running) then
    return nil, err.new("JailRootMismatch", "jail '%s' runs in %s, not in %s", jail.name, running.path, jail.root)
  end
  return "jexec"
end

return {
  api = 1,
  summary = "enter a running FreeBSD jail by name (jexec)",
  -- A jail that is destroyed and made again has another id.
  identity = function(ctx, jail)
    if ctx.conf.jexec or not jail.name then
      return nil
    end
    local running, e = ctx.sys.jail_lookup(jail.name)
    return running and running.jid, e
  end,
  launch = function(ctx, jail, argv, env)
    if not jail.name then
      return nil, err.new("JailNameNeeded", "backend 'jexec' needs the jail's name: --jail-name")
    end
    local jexec, e = program(ctx, jail)
    if not jexec then
      return nil, e
    end
    local words = { jexec }
    if jail.user then
      launch.append(words, { "-U", jail.user })
    end
    words[#words + 1] = jail.name
    local out, inside = launch.as_root(ctx, words, launch.with_cwd(argv, jail.cwd), env)
    if not out then
      return nil, inside
    end
    return launch.append(out, inside)
  end,
}
