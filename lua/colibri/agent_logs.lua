-- agent_logs.lua - what an agent wrote, sent to a stream.
--
-- A position is the number of a byte in the stream of all bytes that the agent
-- wrote to stdout (or stderr): it stays good across rotation and across daemons.

local core_agent = require "core.agent"
local json = require "core.json"
local store = require "colibri.agent_store"
local task = require "core.task"

local M = {}

local CHUNK = 32 * 1024
local POLL_FIRST, POLL_MOST = 0.02, 0.5 -- seconds between two looks at a log that does not grow

local LOG = json.ordered { "event", "text", "base64", "position" }
local MISSED = json.ordered { "event", "bytes", "position" }
local DONE = json.ordered { "agent_id", "position", "ended" }

-- Where to begin.
local function first_position(dir, name, args)
  if args.position then
    return args.position
  end
  local begin, _, from = core_agent.log_range(dir, name, args.since)
  if not begin then
    return nil, _
  elseif not args.tail then
    return from
  end
  local tail, e = core_agent.log_tail(dir, name, args.tail)
  return tail and math.max(tail, from), e
end

-- Send one line; waits while the peer reads slowly.
local function send(stream, line)
  while true do
    local ok, e = stream:send(line)
    if ok or ok == nil then
      return ok, e
    end
    ok, e = stream:room()
    if not ok then
      return nil, e
    end
  end
end

-- Send what there is from a position on.
-- @return the position behind it, whether there was any | nil, err
local function send_rest(stream, dir, name, position)
  local any = false
  while true do
    local text, after, missed, encoding = core_agent.read_log(dir, name, position, CHUNK)
    if text == nil then
      if after then
        return nil, after
      end
      return position, any
    end
    any, position = true, after
    task.renew() -- a log has no end; the budget of a site's hook on the way is for each part
    local ok, e = true, nil
    if missed > 0 then
      ok, e = send(stream, setmetatable({ event = "missed", bytes = missed, position = after - #text }, MISSED))
    end
    if ok then
      ok, e = send(stream, setmetatable({ event = "log", [encoding or "text"] = text, position = after }, LOG))
    end
    if not ok then
      return nil, e
    end
  end
end

--- Send an agent's log to a stream. Waits; with `follow` until the agent has
-- ended for good, and all of it is sent.
-- @param args table: agent_id, stderr, since, tail, position, follow
-- @param is_over function() -> boolean: no run will follow
-- @return { agent_id, position, ended } | nil, err
function M.send(stream, args, is_over)
  local dir, name = store.dir(args.agent_id), args.stderr and "err" or "out"
  local position, e = first_position(dir, name, args)
  local poll, over = POLL_FIRST, false
  while position do
    local last = over
    local after, any = send_rest(stream, dir, name, position)
    position = after
    if not position then
      return nil, any
    elseif last or not args.follow then
      return setmetatable({ agent_id = args.agent_id, position = position, ended = last }, DONE)
    end
    -- Its end may come between the read and this: read once more after it.
    local found = core_agent.find(dir)
    over = not (found and found.found == "alive") and is_over()
    poll = any and POLL_FIRST or math.min(poll * 2, POLL_MOST)
    if not over then
      task.sleep(poll)
      task.renew()
    end
  end
  return nil, e
end

return M
