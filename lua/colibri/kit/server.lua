-- kit/server.lua - a fake of core.server: requests come from the test, and take
-- the way of a line through encoder, dispatch and encoder.

local core_task = require "core.task"
local json = require "core.json"
local sys = require "core.sys"

local M = {}

local Server = {}
Server.__index = Server

-- One request and its reply.
local Pending = {}
Pending.__index = Pending

function M.new(world)
  return setmetatable({ world = world, requests = 0, running = {}, signals = {}, wakeup = core_task.waiter() }, Server)
end

-- The reply as a client decodes it.
local function encode(self, conn, reply)
  local text, e = json.encode(reply)
  if not text then
    text = assert(json.encode(self.handlers.failed(conn, e)))
  end
  return assert(json.decode(text))
end

local function handle(self, pending, line)
  local id = core_task.self().id
  self.running[id] = pending
  local _ <close> = setmetatable({}, { __close = function() self.running[id] = nil end })
  -- As core/server.c: the deadline of every request, and the command's name.
  self:deadline(self.world.require("core.sys").conf.request_timeout)
  local request, bad = json.decode(line)
  local name = type(request) == "table" and type(request.cmd) == "string" and request.cmd or nil
  pending.answer = encode(self, pending.conn, self.handlers.handle(pending.conn, request, bad, name))
  return true
end

--- A request; see World:send.
function Server:send(request, peer)
  peer = peer or {}
  local conn = { peer = { uid = peer.uid or sys.uid, gid = peer.gid or sys.gid, pid = peer.pid or sys.pid } }
  return self:send_on(conn, request)
end

function Server:send_on(conn, request)
  local line, e = json.encode(request)
  if not line then
    error(tostring(e), 3)
  end
  self.requests = self.requests + 1
  local pending = setmetatable({ server = self, conn = conn }, Pending)
  pending.task = core_task.go(handle, self, pending, line)
  return pending
end

function Pending:done()
  return self.task:done()
end

--- The whole reply, as a client decodes it. Waits.
function Pending:reply()
  local server = self.server
  if not self.answer then
    server.world:drive(function() return self.task:done() end)
    local ok, e = self.task:wait()
    if self.sleeper then
      server.world.clock:remove(self.sleeper)
    end
    if not ok then
      e = self.timed_out or e
      self.answer = encode(server, self.conn, server.handlers.failed(self.conn, e))
    end
  end
  return self.answer
end

-- @return data | nil, err
function Pending:wait()
  local reply = self:reply()
  if not reply.ok then
    return nil, reply.error
  end
  return reply.data
end

--- The deadline of the running request, by the world's clock.
function Server:deadline(seconds)
  local me = core_task.self()
  local pending = me and self.running[me.id]
  if not pending then
    return
  end
  local clock = self.world.clock
  if pending.sleeper then
    clock:remove(pending.sleeper)
  end
  pending.sleeper = seconds > 0 and clock:add(seconds, function()
    pending.timed_out = { code = "DeadlineExceeded", message = "the deadline passed" }
    pending.task:cancel()
  end) or nil
end

--- A connection, as core.client gives one.
function Server:client()
  local conn = { peer = { uid = sys.uid, gid = sys.gid, pid = sys.pid } }
  local server = self
  return setmetatable({}, { __close = function() end, __index = {
    request = function(_, request)
      return server:send_on(conn, request):reply()
    end,
    close = function() end,
  } })
end

function Server:signal(name)
  self.signals[#self.signals + 1] = name
  self.wakeup:wake()
end

-- What a command streams is kept in the order it came: pending.conn.events.
local function stream(conn)
  conn.events = {}
  return {
    send = function(_, event)
      conn.events[#conn.events + 1] = assert(json.decode(assert(json.encode(event))))
      return true
    end,
    room = function() return true end,
  }
end

-- What daemon.lua holds of a listener.
local function listener(self)
  return {
    serve = function() self.serving = true end,
    close = function() self.serving = false end,
    counts = function() return 0, self.requests end,
    stats = function() return { connections = 0, requests = self.requests, open = 0, in_flight = 0, streams = 0 } end,
    stream = function(_, conn) return stream(conn) end,
  }
end

--- The fake of core.server.
function Server:module()
  return {
    listen = function(handlers)
      self.handlers = handlers
      return listener(self)
    end,
    hold = function() return { release = function() end } end,
    watch_signals = function() return true end,
    next_signal = function()
      while #self.signals == 0 do
        self.wakeup:wait()
      end
      return table.remove(self.signals, 1)
    end,
  }
end

return M
