-- agent_spawn.lua - one spawn: plan, start, hooks around it, row.
--
-- A restart is a spawn from what the row remembers: the same agent, its next run.

local agent_input = require "colibri.agent_input"
local core_agent = require "core.agent"
local core_proc = require "core.proc"
local ephemeral = require "colibri.ephemeral"
local err = require "colibri.err"
local events = require "colibri.events"
local gate = require "colibri.agent_gate"
local hooks = require "colibri.hooks"
local jails = require "colibri.jails"
local json = require "core.json"
local launch = require "colibri.launch"
local limits = require "colibri.agent_limits"
local log = require "colibri.log"
local provision = require "colibri.provision"
local ready = require "colibri.agent_ready"
local script = require "core.script"
local spawn_spec = require "colibri.spawn_spec"
local store = require "colibri.agent_store"
local sys = require "core.sys"
local task = require "core.task"

local M = {}

local live, now, update = store.live, store.now, store.update

local SPAWNED = json.ordered { "agent_id", "status", "run", "pid", "provider", "model", "session_id", "jail_name",
  "jail_root_path", "provision" }

local STOP_GRACE = 5 -- seconds from TERM to KILL

-- argv and env of the launcher, for one spawn request.
local function plan(ctx, spawn)
  local provider = ctx.gen.providers[spawn.provider]
  if not provider then
    return nil, err.new("UnknownProvider", "no provider '%s'", spawn.provider)
  end
  local argv, env = provider.command(ctx, spawn)
  if not argv then
    return nil, env
  end
  for _, name in ipairs(spawn.env_names or {}) do
    env[name] = core_proc.environ(name) or env[name]
  end
  local jail = { name = spawn.jail_name, root = spawn.jail_root, user = spawn.user, cwd = spawn.cwd,
    backend = spawn.backend }
  local launcher, held = ctx.gen.jail[spawn.backend], nil
  if launcher and spawn.provision == "before" then
    argv, held = gate.argv(ctx, launcher, spawn, argv)
  end
  local planned, why = jails.bind(ctx):plan(jail, argv, env)
  local words
  if planned then
    words, why = limits.apply(ctx, spawn)
  end
  if not words then
    return nil, why
  end
  local ok
  ok, why = agent_input.add_keys(ctx, provider, spawn.backend, env)
  if not ok then
    return nil, why
  end
  planned.kill, why = launch.kill_words(ctx, spawn.backend)
  if why then
    return nil, why
  end
  planned.jail, planned.env, planned.limits, planned.gate = jail, env, words, held
  planned.cwd = spawn.backend == "none" and spawn.cwd or "/"
  return planned
end

-- The row of an agent that is about to start. Waits for the commit.
local function insert(ctx, spawn)
  return ctx.db:write(function(tx)
    return tx:exec([[INSERT INTO agents (agent_id, provider, model, session_id, jail_name, jail_root_path, backend,
      status, started_at, restart, spec) VALUES (?, ?, ?, ?, ?, ?, ?, 'starting', ?, ?, ?)]], spawn.agent_id,
      spawn.provider, spawn.model, spawn.session_id, spawn.jail_name, spawn.jail_root, spawn.backend, now(),
      spawn.restart, spawn_spec.encode(spawn))
  end)
end

-- The agent did not come to life: stop what there is, say so in its row; unless this
-- run has ended already, and another one may have begun.
local function give_up(ctx, spawn, e)
  local id, known = spawn.agent_id, live[spawn.agent_id]
  if known and known.run == spawn.run then
    live[id] = nil
    if e.code ~= "ExecFailed" and not known.gone then
      store.ending[id] = known -- its end is still to be reported
    end
    known.handle:stop(9, 0)
  end
  local at, reason = now(), e.code .. ": " .. e.message
  store.insist(ctx, "failed spawn of " .. id, function()
    return ctx.db:write(function(tx)
      return tx:exec([[UPDATE agents SET status = 'failed', ended_at = ?, reason = ?
        WHERE agent_id = ? AND run = ? AND status IN ('starting', 'running')]], at, reason, id, spawn.run)
    end)
  end)
  store.changed(id)
  log.warn("agent", "spawn failed", { agent = id, code = e.code, error = e.message })
  return nil, e
end

-- Start the shim, and through it the agent.
local function start(ctx, spawn, planned, event)
  local handle, e = core_agent.start { id = spawn.agent_id, dir = store.dir(spawn.agent_id),
    shim = sys.program "colibri-agent-shim", argv = planned.argv, env = planned.env, cwd = planned.cwd,
    limits = planned.limits, ready = spawn.ready == "fd", stdin = spawn.input, kill = planned.kill,
    gate = planned.gate, grace = STOP_GRACE, log_size = sys.conf.log_size, log_keep = sys.conf.log_keep }
  if not handle then
    return give_up(ctx, spawn, e)
  end
  local known = { handle = handle, run = spawn.run, state = "idle", starting = true }
  live[spawn.agent_id] = known
  store.changed(spawn.agent_id)
  if planned.gate then
    local ok
    ok, e = gate.pass(ctx, spawn, planned, known, event)
    if not ok then
      return give_up(ctx, spawn, e)
    end
  end
  known.starting = nil
  if spawn.input and spawn.prompt then
    local ok, why = agent_input.first(ctx, ctx.gen.providers[spawn.provider], handle, known, spawn.prompt)
    if not ok then
      log.warn("agent", "prompt not sent", { agent = spawn.agent_id, code = why.code, error = why.message })
    end
  end
  return handle
end

-- What remains of a spawn whose task was killed: an agent that runs is written
-- down as such, one that does not is put away.
local function finish_killed(ctx, spawn)
  local known = live[spawn.agent_id]
  if known and known.handle and spawn.runs then
    return update(ctx, spawn.agent_id, { status = "running", pid = known.handle:pid(), provision_result = "failed",
      provision_code = "Cancelled" })
  end
  return give_up(ctx, spawn, err.new("Cancelled", "the spawn was ended half-way"))
end

-- Closed on every way out of a spawn; in a task of its own, as this one may be killed.
local unfinished = { __close = function(guard)
  if not guard.done then
    task.spawn_detached("unfinished spawn", finish_killed, guard.ctx, guard.spawn)
  end
end }

-- The hooks of spawn_after; what came of them is in event.provision.
local function run_after(ctx, spawn, event)
  local ok, e = hooks.run(ctx.gen, "spawn_after", ctx, event)
  if not ok then
    log.warn("agent", "a hook after the spawn failed", { agent = spawn.agent_id, hook = e.hook, code = e.code,
      error = e.message })
    event.provision = provision.result("failed", e)
  end
end

-- The code of a result as the row has it.
local function code_of(result)
  return result.code ~= json.null and result.code or nil
end

-- The part of a spawn after the agent runs: hooks, then the row.
local function settle(ctx, spawn, planned, handle, event)
  run_after(ctx, spawn, event)
  -- By now the launcher is inside; was it the jail that was checked?
  local ok, e = jails.bind(ctx):same(planned.jail, planned)
  if not ok then
    return give_up(ctx, spawn, e)
  end
  local result = event.provision
  ok, e = ctx.db:write(function(tx)
    return tx:exec([[UPDATE agents SET pid = ?, provision_result = ?, provision_code = ?, ready_at = coalesce(ready_at, ?),
      status = CASE status WHEN 'starting' THEN 'running' ELSE status END WHERE agent_id = ? AND run = ?]],
      handle:pid(), result.result, code_of(result), spawn.ready == "start" and now() or nil, spawn.agent_id, spawn.run)
  end)
  if not ok then
    return give_up(ctx, spawn, e) -- nobody shall have an agent that was refused
  end
  store.changed(spawn.agent_id)
  return setmetatable({ agent_id = spawn.agent_id, status = "running", run = spawn.run, pid = handle:pid(),
    provider = spawn.provider, model = spawn.model, session_id = spawn.session_id, jail_name = spawn.jail_name,
    jail_root_path = spawn.jail_root, provision = result }, SPAWNED)
end

-- What hooks learn of a spawn.
local function event_of(spawn)
  return { agent_id = spawn.agent_id, provider = spawn.provider, model = spawn.model,
    session_id = spawn.session_id, jail_name = spawn.jail_name, jail_root = spawn.jail_root, run = spawn.run,
    provision_mode = spawn.provision, provision = provision.result("skipped", { code = "NoJail",
      message = "it has no jail whose root is known" }) }
end

--- What a daemon that died in the middle of a spawn left undone: the agent runs, and
-- nobody has put its secrets beside it. Waits.
-- @param row of the agent, with its spec
-- @return true | nil, err of the store
function M.finish(ctx, row)
  local spawn = spawn_spec.of_row(row)
  local event = event_of(spawn)
  if spawn.provision == "before" then
    return true -- it was let go: they are there
  end
  run_after(ctx, spawn, event)
  return ctx.db:write(function(tx)
    return tx:exec("UPDATE agents SET provision_result = ?, provision_code = ? WHERE agent_id = ? AND run = ?",
      event.provision.result, code_of(event.provision), spawn.agent_id, spawn.run)
  end)
end

-- From the row on: start it, hooks, row.
local function go(ctx, spawn, planned, event)
  local env <close>, why = ephemeral.begin(ctx, spawn, event)
  if not env then
    return give_up(ctx, spawn, why)
  end
  local guard <close> = setmetatable({ ctx = ctx, spawn = spawn }, unfinished)
  local handle, e = start(ctx, spawn, planned, event)
  if not handle then
    guard.done = true -- given up already
    return nil, e
  end
  spawn.runs = true
  events.emit("agent", { agent_id = spawn.agent_id, status = "running", state = "idle",
    data = { run = spawn.run } })
  log.info("agent", "agent started", { agent = spawn.agent_id, run = spawn.run, jail = spawn.jail_name,
    pid = handle:pid() })
  ready.watch(ctx, spawn, live[spawn.agent_id])
  local out
  out, e = settle(ctx, spawn, planned, handle, event)
  guard.done = out ~= nil or live[spawn.agent_id] == nil -- given up, or ended meanwhile
  return out, e
end

--- Spawn an agent and run the hooks around it. Waits until it has started and
-- the hooks are done.
-- @param ctx table: the effects of the request
-- @param args the parameters of spawn-agent
-- @return { agent_id, status, run, pid, ..., provision = { result, code, keys } } | nil, err
function M.run(ctx, args)
  local spawn, e = spawn_spec.new(ctx, args)
  if not spawn then
    return nil, e
  end
  local planned
  planned, e = plan(ctx, spawn)
  if not planned then
    return nil, e
  end
  local event = event_of(spawn)
  local ok
  ok, e = hooks.run(ctx.gen, "spawn_before", ctx, event)
  if ok then
    ok, e = insert(ctx, spawn)
  end
  if not ok then
    return nil, e
  end
  ctx.audit:subject(spawn.agent_id, { jail = spawn.jail_name, model = spawn.model })
  return go(ctx, spawn, planned, event)
end

-- Take the row of an agent that has ended for its next run.
local function claim(tx, agent_id, manual)
  local n, e = tx:exec([[UPDATE agents SET status = 'starting', run = run + 1, started_at = ?,
      restarts = CASE WHEN ? THEN 0 ELSE restarts + 1 END,
      restart_memory = CASE WHEN ? THEN NULL ELSE restart_memory END,
      restart_at = NULL, pid = NULL, exit_code = NULL, exit_signal = NULL, ended_at = NULL, ready_at = NULL,
      reason = NULL, provision_result = NULL, provision_code = NULL
    WHERE agent_id = ? AND spec IS NOT NULL
      AND (status = 'waiting' OR ? AND status NOT IN ('starting', 'running'))]],
    now(), manual, manual, agent_id, manual)
  if not n then
    return nil, e
  end
  local row
  row, e = tx:one([[SELECT agent_id, provider, model, session_id, jail_name, jail_root_path, backend, run, restart, spec,
    status FROM agents WHERE agent_id = ?]], agent_id)
  if row and n == 1 then
    return row
  elseif not row then
    return nil, e or err.new("AgentNotFound", "no agent '%s'", agent_id)
  elseif not row.spec then
    return nil, err.new("AgentNotRestartable", "agent '%s' is of an earlier version, which did not write down how " ..
      "it was started", agent_id)
  end
  return nil, err.new("AgentBusy", "agent '%s' is %s", agent_id, row.status)
end

-- From the row that was taken to the start: a site's script that raises, or is
-- killed, must not leave the row as it is.
local function prepare(ctx, spawn, event)
  local guard <close> = setmetatable({ ctx = ctx, spawn = spawn }, unfinished)
  local ok, planned, e = xpcall(plan, script.traceback, ctx, spawn)
  if not ok then
    e = planned
  elseif planned then
    ok, e = hooks.run(ctx.gen, "spawn_before", ctx, event)
  end
  guard.done = true
  return ok and planned or nil, e
end

--- The next run of an agent that has ended. Waits as run() does.
-- @param manual boolean: asked for, not the policy's doing
-- @return as run() | nil, err; err.started tells that the row was taken, and this counts as a failed run
function M.again(ctx, agent_id, manual)
  local row, e = ctx.db:write(function(tx) return claim(tx, agent_id, manual or false) end)
  if not row then
    return nil, e
  end
  store.changed(agent_id)
  local spawn = spawn_spec.of_row(row)
  local event, out = event_of(spawn), nil
  local planned
  planned, e = prepare(ctx, spawn, event)
  if planned then
    out, e = go(ctx, spawn, planned, event)
  else
    give_up(ctx, spawn, e)
  end
  if not out then
    e = err.wrap(e, "agent '%s', run %d", agent_id, spawn.run)
    e.started = true
  end
  return out, e
end

return M
