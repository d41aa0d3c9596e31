-- cli_foreground.lua - `spawn-agent ... --wait exit`: the agent's run, in front.
--
-- For cron, shell scripts and Nomad's raw_exec: the CLI stays until the agent
-- has ended for good, hands TERM and INT on as a stop by that signal (HUP: by TERM;
-- the second one kills), and ends with the agent's exit code, or 128 and its signal. A daemon that goes
-- away meanwhile is waited for: the agent goes on without it.

local client = require "core.client"
local clock = require "core.clock"
local err = require "colibri.err"
local server = require "core.server"
local task = require "core.task"

local M = {}

local SPAWNS = { ["spawn-agent"] = true, ["spawn-local"] = true }
local SPAWN_SECONDS = 330
local WAIT_SECONDS = 600 -- of one question to the daemon
local AWAY_SECONDS = 120 -- for a daemon to come back
local STOP_SECONDS = 90
local FAILED, TIMED_OUT, BY_SIGNAL = 1, 4, 128

--- Is this a spawn that stays in front?
function M.wants(parsed)
  local request = parsed.request
  return SPAWNS[request.cmd] == true and request.wait == "exit" and not request.dry_run
end

-- One request on a connection of its own | nil, err.
local function ask(cli, request, seconds)
  local conn <close>, e = client.connect(cli.socket)
  if not conn then
    return nil, e
  end
  return cli:request(conn, request, seconds)
end

local AWAY = { DaemonUnreachable = true, Disconnected = true }

-- Until it has ended; the daemon may go and come back meanwhile.
local function wait_for_end(cli, agent_id, limit)
  local away_since
  while true do
    local left = limit and math.max(limit - clock.monotonic(), 0.1) or WAIT_SECONDS
    local row, e = ask(cli, { cmd = "wait-agent", agent_id = agent_id, timeout = math.min(left, WAIT_SECONDS) },
      WAIT_SECONDS + STOP_SECONDS)
    if row then
      return row
    elseif AWAY[e.code] then
      away_since = away_since or clock.monotonic()
      if clock.monotonic() - away_since > AWAY_SECONDS then
        return nil, e
      end
      task.sleep(0.2)
    elseif e.code ~= "DeadlineExceeded" then
      return nil, e
    elseif limit and clock.monotonic() >= limit then
      return nil, err.new("Timeout", "agent '%s' did not end in time and is stopped", agent_id)
    else
      away_since = nil
    end
  end
end

local function stop(cli, request)
  local row, e = ask(cli, request, STOP_SECONDS)
  if not row and e.code ~= "AgentNotRunning" then
    cli:fail("stop-agent", e)
  end
end

-- Signals become stops; the wait sees the end.
local function forward_signals(cli, agent_id)
  local grace
  while true do
    local signal = server.next_signal()
    cli:line(("%s: stopping agent %s"):format(signal, agent_id))
    task.go(stop, cli, { cmd = "stop-agent", agent_id = agent_id, grace = grace,
      signal = signal == "INT" and signal or nil })
    grace = 0
  end
end

-- The exit status for the shell.
local function status_of(row)
  if row.exit_signal and row.exit_signal > 0 then
    return BY_SIGNAL + row.exit_signal
  end
  return row.status == "exited" and row.exit_code or FAILED
end

--- Spawn and stay. Waits.
-- @param cli the run of the CLI
-- @param conn connection
-- @param parsed what cli_args made of the words
-- @return exit status
function M.run(cli, conn, parsed)
  local request, verb = parsed.request, parsed.request.cmd
  -- The CLI's own --timeout is that of the run, too, and not of the stop after it.
  local seconds = request.timeout or cli.deadline and cli:remaining(0)
  request.wait, request.timeout, cli.deadline = nil, nil, nil
  server.watch_signals()
  local spawned, e = cli:request(conn, request, SPAWN_SECONDS)
  if not spawned then
    return cli:fail(verb, e)
  end
  conn:close()
  local watcher = task.go(forward_signals, cli, spawned.agent_id)
  local row
  row, e = wait_for_end(cli, spawned.agent_id, seconds and clock.monotonic() + seconds)
  if not row and e.code == "Timeout" then
    ask(cli, { cmd = "stop-agent", agent_id = spawned.agent_id }, STOP_SECONDS)
  end
  watcher:cancel()
  if not row then
    local status = cli:fail(verb, e)
    return e.code == "Timeout" and TIMED_OUT or status
  end
  for _, name in ipairs { "status", "run", "exit_code", "exit_signal", "ended_at", "reason" } do
    spawned[name] = row[name]
  end
  cli:show(spawned, parsed.command)
  return status_of(row)
end

return M
