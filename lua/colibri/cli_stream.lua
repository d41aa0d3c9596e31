-- cli_stream.lua - verbs that go on: `logs`, `watch`, and those of a site.
--
-- Events are shown as they come. When the daemon goes away (a restart, an
-- upgrade) the verb waits for the next one; a log goes on from its position.

local base64 = require "colibri.base64"
local client = require "core.client"
local clock = require "core.clock"
local err = require "colibri.err"
local json = require "core.json"
local task = require "core.task"
local text = require "colibri.text"

local M = {}

local RETRY_FIRST, RETRY_MOST, RETRY_SECONDS = 0.05, 1, 60

-- "12:00:01 agent 4711 state=working": an event for a person.
local function pretty(event)
  local at = type(event.at) == "number" and clock.iso(event.at):match("T(%d%d:%d%d:%d%d)") or ""
  local words = { at, tostring(event.event), event.agent_id and tostring(event.agent_id) or nil }
  local keys = {}
  for key in pairs(event) do
    if key ~= "event" and key ~= "at" and key ~= "agent_id" then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local value = event[key]
    words[#words + 1] = key .. "=" .. (type(value) == "table" and json.encode(value) or tostring(value))
  end
  return text.escape(table.concat(words, " ")) .. "\n"
end

-- Show one event. Returns whether somebody reads it.
local function show(cli, verb, event)
  if event.event == "log" and not cli.json then
    local bytes = event.text or type(event.base64) == "string" and base64.decode(event.base64) or ""
    return cli.stdio.out(bytes) ~= false
  elseif event.event == "missed" and not cli.json then
    cli:line(("%s: %d %s missed"):format(verb, event.count or event.bytes or 0, event.count and "events" or "bytes"))
    return true
  end
  return cli.stdio.out(cli.stdio.is_tty and not cli.json and pretty(event) or json.encode(event) .. "\n") ~= false
end

-- The events of one connection, up to the reply.
-- @return data | nil, err: Disconnected when another connection may go on; nil: nobody reads
local function read_events(cli, verb, conn, request)
  local ok, e = conn:stream(request)
  if not ok then
    return nil, e
  end
  while true do
    local line
    line, e = conn:next(cli:remaining(0))
    if not line then
      return nil, e
    elseif line.ok == true then
      return line.data
    elseif line.ok == false and err.is(line.error) then
      line.error.is_reply = true
      return nil, line.error
    elseif type(line) ~= "table" or type(line.event) ~= "string" then
      return nil, err.new("BadReply", "what answers there is not colibri-daemon")
    elseif not show(cli, verb, line) then
      return nil, nil -- nobody reads any more
    end
    if math.type(line.position) == "integer" then
      request.position, request.since, request.tail = line.position, nil, nil
    end
  end
end

-- A connection to the next daemon.
local function reconnect(cli)
  local pause, limit = RETRY_FIRST, clock.monotonic() + RETRY_SECONDS
  local conn, e
  repeat
    task.sleep(pause)
    pause = math.min(pause * 2, RETRY_MOST)
    conn, e = client.connect(cli.socket)
  until conn or clock.monotonic() > limit or (cli.deadline and clock.monotonic() > cli.deadline)
  return conn, e
end

--- Run a streaming verb to its end. Waits.
-- @param conn an open connection
-- @return data | nil, err
function M.run(cli, verb, conn, request)
  while true do
    local data, e = read_events(cli, verb, conn, request)
    conn:close()
    local gone = e and (e.code == "Disconnected" or (e.is_reply and e.code == "Cancelled"))
    if not gone then
      return data, e
    end
    conn, e = reconnect(cli)
    if not conn then
      return nil, e
    end
  end
end

return M
