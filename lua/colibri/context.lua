-- context.lua - `ctx`, the one door to effects.
--
-- What every request shares stands in one table; a request's own ctx adds who
-- asked and what. Facades that need both (tenants, agents, audit) are bound on first
-- use, so a command pays only for what it touches.

local agents = require "colibri.agents"
local audit = require "colibri.audit"
local jails = require "colibri.jails"
local log = require "colibri.log"
local sandbox = require "colibri.sandbox"
local tenants = require "colibri.tenants"
local script = require "core.script"
local core_proc = require "core.proc"
local core_task = require "core.task"

local M = {}

-- Effects that are the same for everybody; setup() adds the daemon's own.
local shared = {
  fs = sandbox.readonly(require "core.fs", "ctx.fs"),
  proc = sandbox.readonly({ run = core_proc.run, start = core_proc.start, find = core_proc.find,
    fd_of = core_proc.fd_of }, "ctx.proc"),
  clock = sandbox.readonly(require "core.clock", "ctx.clock"),
  json = sandbox.readonly(require "core.json", "ctx.json"),
  sys = sandbox.readonly(require "core.sys", "ctx.sys"),
  conf = sandbox.readonly(require("core.sys").conf, "ctx.conf"),
  task = sandbox.readonly({ sleep = core_task.sleep, go = core_task.go, timeout = core_task.timeout }, "ctx.task"),
}

-- The raw key of the connection in the ctx of a command that streams.
local CONN = {}

-- Many lines before the reply; the request has no deadline any more.
local function open_stream(ctx)
  local conn = rawget(ctx, CONN)
  if not conn then
    error("a command that streams says `stream = true`", 3)
  end
  local stream, e = ctx.host.server:stream(conn)
  if stream then
    core_task.deadline(0)
  end
  return stream, e
end

-- Facades bound to one request on first use.
local bound = {
  tenants = function(ctx) return tenants.bind(ctx) end,
  agents = function(ctx) return agents.bind(ctx) end,
  jail = function(ctx) return jails.bind(ctx) end,
  audit = function(ctx) return audit.bind(ctx) end,
  log = function(ctx) return log.topic(ctx.command or "script") end,
  stream = function(ctx) return function() return open_stream(ctx) end end,
}

-- Where a ctx keeps what is its own: raw, below numbers, out of reach of accidents.
local PLACE = { gen = 1, peer = 2, command = 3, access = 4, request_id = 5, tenants = 6, agents = 7, audit = 8, log = 9,
  stream = 10, jail = 11 }

local function bind(ctx, key)
  local value = bound[key] and bound[key](ctx)
  rawset(ctx, PLACE[key], value)
  return value
end

local meta = {
  __index = script.lookup(shared, PLACE, bind),
  __newindex = function(_, key)
    error("ctx." .. tostring(key) .. " is read-only", 2)
  end,
  __metatable = false,
}

--- What the daemon adds for all requests: db, vault, host. Called once at start.
function M.setup(values)
  for key, value in pairs(values) do
    shared[key] = value
  end
end

--- The ctx of one request; access is what this one may do.
function M.request(gen, conn, command, access, request_id)
  local peer = conn.peer_view
  if not peer then
    peer = sandbox.readonly(conn.peer, "ctx.peer")
    conn.peer_view = peer
  end
  local ctx = { gen, peer, command.name, access, request_id }
  if command.stream then
    ctx[CONN] = conn
  end
  return setmetatable(ctx, meta)
end

--- A ctx for work that nobody asked for: the host itself, or colibri-run.
function M.internal(gen, name)
  return setmetatable({ gen, { uid = -1, gid = -1, pid = 0 }, name, "change", 0 }, meta)
end

--- For library code: the effects that need no store.
function M.shared()
  return shared
end

return M
