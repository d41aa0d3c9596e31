-- The prerequisite of the runbook: a daemon that answers. Without --socket one
-- is started in the scratch directory; it uses nothing of an installed one but
-- the vault's credentials (for --vault bw) and the site's scripts.

local err = require "colibri.err"
local lib = require "colibri.proof"

local START_SECONDS = 20
local NOT_YET = { DaemonUnreachable = true, Disconnected = true }

-- The last lines of the daemon's log, for the report of a failure.
local function last_lines(ctx, scratch)
  local root <close> = ctx.fs.open_trusted(scratch)
  local text = root and root:read("daemon.log") or ""
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  return { table.unpack(lines, math.max(1, #lines - 9)) }
end

-- A site directory in which the stock jexec launcher runs a stand-in, which is
-- copied to a place where it finds the scratch jails (tests/tools/README.md).
local function stand_in(ctx, proof, scratch)
  local ok, e = lib.mkdirs(ctx, scratch, { "bin", "site", "site/jail" })
  if not ok then
    return nil, e
  end
  local root <close>, why = ctx.fs.open_trusted(scratch)
  if not root then
    return nil, why
  end
  local wrapper = ([[
return {
  api = 1,
  summary = "the shipped launcher with a stand-in for jexec",
  launch = function(ctx, jail, argv, env)
    local conf = setmetatable({ jexec = %q }, { __index = ctx.conf })
    return stock().launch(setmetatable({ conf = conf }, { __index = ctx }), jail, argv, env)
  end,
}
]]):format(scratch .. "/bin/jexec")
  ok, e = root:copy_in(proof.jexec, "bin/jexec", 0x1c0) -- 0700
  if ok then
    ok, e = root:write("bin/jexec.base", proof.base .. "\n", { mode = 0x180 })
  end
  if ok then
    ok, e = root:write("site/jail/jexec.lua", wrapper, { mode = 0x180 })
  end
  return ok and scratch .. "/site", e
end

-- The settings of the daemon, as flags.
local function flags(ctx, proof, scratch, site_dir)
  local words = {}
  for _, pair in ipairs {
    { "socket", proof.socket }, { "db", scratch .. "/colibri.sqlite" }, { "state-dir", scratch .. "/state" },
    { "jail-root-base", proof.base }, { "vault", proof.vault }, { "vault-dir", scratch .. "/vault" },
    { "jail-backend", proof.backend },
    -- The stand-in needs no root.
    { "jail-priv-mode", proof.jexec and "none" or ctx.conf.jail_priv_mode },
    { "site-dir", site_dir }, { "share-dir", ctx.conf.share_dir }, { "provider-env", ctx.conf.provider_env },
    { "bw", ctx.conf.bw }, { "log-level", "info" }, { "log-format", "text" },
  } do
    if pair[2] then
      words[#words + 1] = "--" .. pair[1]
      words[#words + 1] = tostring(pair[2])
    end
  end
  return words
end

-- Start it with its log in a file, which can be read while it runs.
local function start(ctx, proof, scratch)
  local daemon, e = lib.program(ctx, "colibri-daemon")
  if not daemon then
    return nil, e
  end
  local site_dir = ctx.conf.site_dir
  if proof.jexec then
    site_dir, e = stand_in(ctx, proof, scratch)
    if not site_dir then
      return nil, e
    end
  end
  local spec = { "/bin/sh", "-c", 'exec "$@" 2>"$0"', scratch .. "/daemon.log", daemon,
    env = { PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }, cwd = "/" }
  for _, word in ipairs(flags(ctx, proof, scratch, site_dir)) do
    spec[#spec + 1] = word
  end
  local process
  process, e = ctx.proc.start(spec)
  if not process then
    return nil, e
  end
  proof.process = process
  return true
end

local function wait_until_up(ctx, proof, scratch)
  local ended = false
  ctx.task.go(function()
    proof.process:wait()
    ended = true
  end)
  local up, e = lib.poll(ctx, START_SECONDS, "the daemon's answer", function()
    if ended then
      return nil, err.new("DaemonFailed", "the daemon ended during its start")
    end
    return lib.request(ctx, proof, { cmd = "status" })
  end, NOT_YET)
  if not up then
    e.details = last_lines(ctx, scratch)
    return nil, e
  end
  return up
end

return {
  api = 1,
  summary = "a daemon that answers",
  run = function(ctx, proof)
    local status, e
    if not proof.own_daemon then
      status, e = lib.request(ctx, proof, { cmd = "status" })
      if not status then
        return nil, e
      end
      lib.note(ctx, "colibri-daemon %s listens on %s", status.version, proof.socket)
      return true
    end
    local scratch
    scratch, e = lib.scratch(ctx, proof)
    if not scratch then
      return nil, e
    end
    proof.socket = scratch .. "/run/colibri.sock"
    local ok
    ok, e = lib.mkdirs(ctx, scratch, { "vault", "state" })
    if ok then
      ok, e = start(ctx, proof, scratch)
    end
    if ok then
      status, e = wait_until_up(ctx, proof, scratch)
    end
    if not status then
      return nil, e
    end
    lib.note(ctx, "colibri-daemon %s, pid %d, vault %s, jails by %s", status.version, status.pid, proof.vault,
      proof.backend)
    return true
  end,
}
