-- spawn_spec.lua - what is to be started: from a request, and from a row.
--
-- All that a restart needs is in the row: the columns, and the rest as JSON in
-- `spec`. No value of a secret is in it; of the environment only names.

local agent_input = require "colibri.agent_input"
local err = require "colibri.err"
local json = require "core.json"
local limits = require "colibri.agent_limits"
local ready = require "colibri.agent_ready"
local sys = require "core.sys"

local M = {}

-- What `spec` holds besides the columns.
local KEPT = { "system_prompt", "args", "provision", "ready", "restart_options", "ephemeral", "cwd", "user",
  "env_names", "limits",
  "input", "prompt" }

local function restart_options(args)
  return { delay = args.restart_delay, tries = args.restart_tries, window = args.restart_window,
    stable_after = args.stable_after }
end

-- How it is known to be ready: as asked for, else as the provider has it.
local function ready_rule(provider, asked)
  local rule = asked or provider and provider.ready_event and "event:" .. provider.ready_event or
    provider and provider.ready and "probe" or "start"
  if not ready.is_rule(rule) then
    return nil, err.new("BadParameter", "ready is start, fd, probe or event:TYPE, not '%s'", rule)
  elseif rule == "probe" and not (provider and provider.ready) then
    return nil, err.new("BadParameter", "this provider has no probe")
  end
  return rule
end

-- Variables that no agent may have from the daemon: the vault's, and those that
-- make a program load something.
local function check_env_names(names)
  for _, name in ipairs(names or {}) do
    if not name:find("^[A-Za-z_][A-Za-z0-9_]*$") or name:find("^BW_") or name:find("^COLIBRI_") or
      name:find("^LD_") or name == "NODE_OPTIONS" then
      return nil, err.new("BadParameter", "'%s' is no variable that an agent may have", name)
    end
  end
  return true
end

--- The facts of a spawn request, with everything filled in.
-- @param args the parameters of spawn-agent
-- @return spawn { agent_id, run, provider, model, session_id, ... } | nil, err
function M.new(ctx, args)
  local rule, e = ready_rule(ctx.gen.providers[args.provider], args.ready)
  if not rule then
    return nil, e
  end
  local ok
  ok, e = check_env_names(args.env)
  if ok then
    ok, e = limits.parse(args.limit)
  end
  if not ok then
    return nil, e
  end
  local spawn = { agent_id = sys.uuid(), run = 1, provider = args.provider, model = args.model,
    session_id = args.session_id, system_prompt = args.system_prompt, args = args.arg or json.array {},
    jail_name = args.jail_name, jail_root = args.jail_root, provision = args.provision,
    restart = args.restart or "never", restart_options = restart_options(args), ready = rule,
    cwd = args.cwd, user = args.user, env_names = args.env, limits = args.limit,
    ephemeral = args.ephemeral or nil, prompt = args.prompt,
    input = agent_input.wanted(ctx.gen.providers[args.provider] or {}, args) }
  spawn.session_id = spawn.session_id or "session-" .. spawn.agent_id:sub(1, 8)
  spawn.backend = spawn.jail_name and sys.conf.jail_backend or "none"
  return spawn
end

--- The text of column `spec`.
function M.encode(spawn)
  local spec = {}
  for _, name in ipairs(KEPT) do
    spec[name] = spawn[name]
  end
  return assert(json.encode(spec))
end

--- The spawn of a row, for its next run.
-- @param row table: with run and spec
function M.of_row(row)
  local spec = assert(json.decode(row.spec))
  local spawn = { agent_id = row.agent_id, run = row.run, provider = row.provider, model = row.model,
    session_id = row.session_id, jail_name = row.jail_name, jail_root = row.jail_root_path, backend = row.backend,
    restart = row.restart }
  for _, name in ipairs(KEPT) do
    spawn[name] = spec[name]
  end
  spawn.args = spawn.args or {}
  spawn.restart_options = spawn.restart_options or {}
  return spawn
end

return M
