-- agent_gate.lua - `--provision before`: the agent is in its place, but held there
-- until its .env is written, and never runs if that fails.
--
-- In a jail the agent's argv waits by itself, behind a sh of the jail, as the
-- launchers have no way to wait that they share. Its two lines are those of
-- core/agent.h. Without a jail, or without a sh in it, the agent is held in front of
-- the exec of what leads to it.

local core_agent = require "core.agent"
local err = require "colibri.err"
local hooks = require "colibri.hooks"
local jails = require "colibri.jails"
local launch = require "colibri.launch"
local store = require "colibri.agent_store"
local task = require "core.task"

local M = {}

local ENTER_SECONDS = 60 -- for a launcher to get into its jail
local TAIL = 300 -- bytes of what it said, at most

local WAIT = [[echo "colibri: inside"; IFS= read -r colibri && [ "$colibri" = go ] || exit 125; unset colibri; ]]
local NO_INPUT = [=[[ ! -c /dev/null ] || exec </dev/null; ]=] -- that of the jail
local RUN = [[exec "$@"]]

-- Is there a /bin/sh in the jail? A wrong answer, as /bin may be a link there, leads
-- to JailNotEntered or to the other way of holding, never to an agent that runs too early.
local function has_sh(ctx, jail_root)
  local root <close> = jail_root and ctx.fs.open(ctx.conf.jail_root_base, jail_root) or nil
  if not root then
    return false -- provisioning will say what is wrong
  end
  return (root:stat("bin/sh") or root:stat("usr/bin/sh")) ~= nil
end

--- The agent's argv, held where the launcher will put it.
-- @param launcher the script of its backend
-- @param spawn what is to be started
-- @return argv, gate = "jail" | "exec", for core.agent
function M.argv(ctx, launcher, spawn, argv)
  if launcher.hold == "exec" or not has_sh(ctx, spawn.jail_root) then
    return argv, "exec"
  end
  return launch.append({ "/bin/sh", "-c", WAIT .. (spawn.input and "" or NO_INPUT) .. RUN, "colibri" }, argv), "jail"
end

-- The last line that the launcher wrote to stderr, behind ": ", or "".
local function last_words(agent_id)
  local dir = store.dir(agent_id)
  local from = core_agent.log_tail(dir, "err", 1)
  local text, _, _, encoding = core_agent.read_log(dir, "err", from or 0, TAIL)
  if not text or encoding then
    return ""
  end
  text = text:gsub("%c", " "):match("^%s*(.-)%s*$")
  return text ~= "" and ": " .. text or ""
end

-- Wait until it is inside its jail.
local function enter(spawn, known)
  local ok, e = task.timeout(ENTER_SECONDS, known.handle.inside, known.handle)
  if ok then
    return true
  elseif known.stopping then
    return nil, err.new("Cancelled", "agent %s was stopped before it ran", spawn.agent_id)
  elseif e.code == "DeadlineExceeded" then
    return nil, err.new("JailNotEntered", "the launcher did not enter the jail in %d seconds%s", ENTER_SECONDS,
      last_words(spawn.agent_id))
  elseif e.code == "JailNotEntered" then
    return nil, err.new("JailNotEntered", "%s%s", e.message, last_words(spawn.agent_id))
  end
  return nil, e
end

-- The hooks of spawn_held, and what must have come of them.
local function provision(ctx, event)
  local ok, e = hooks.run(ctx.gen, "spawn_held", ctx, event)
  if not ok then
    return nil, e
  end
  local result = event.provision
  if result.result ~= "provisioned" and result.result ~= "unchanged" then
    return nil, err.new("ProvisionFailed", "the agent was not started: provision %s: %s: %s", result.result,
      tostring(result.code), tostring(result.message))
  end
  return true
end

--- Provision for an agent that is held, and let it go. Waits.
-- @param planned what jails:plan() gave, with `jail` and `gate`
-- @param known the agent in agent_store.live
-- @param event of the spawn; its `provision` is set
-- @return true | nil, err(JailNotEntered, ProvisionFailed, JailChanged, Cancelled, ...): it must not run
function M.pass(ctx, spawn, planned, known, event)
  local ok, e = true, nil
  if planned.gate == "jail" then
    ok, e = enter(spawn, known)
  end
  if ok then
    ok, e = provision(ctx, event)
  end
  if ok then
    ok, e = jails.bind(ctx):same(planned.jail, planned)
  end
  if ok then
    ok, e = known.handle:go()
  end
  return ok and true, e
end

return M
