-- dispatch.lua - from a request to its one reply.
--
-- server.c calls handle() in a task of its own for each line, and failed() when
-- that task was killed. Only this file builds replies.

local clock = require "core.clock"
local context = require "colibri.context"
local effects_dry = require "colibri.effects_dry"
local err = require "colibri.err"
local hooks = require "colibri.hooks"
local json = require "core.json"
local log = require "colibri.log"
local scripts = require "colibri.scripts"
local task = require "core.task"

local M = {}

local REPLY = json.ordered { "ok", "id", "data", "error", "effects" }
local ERROR = json.ordered { "code", "message", "where", "op", "cause", "errors", "request", "traceback" }

local last_request = 0

-- Codes by which a caller sees that a script is at fault, not the request.
local SCRIPT_FAULT = { ScriptError = true, BudgetExceeded = true, MemoryExceeded = true, BadValue = true }

-- "file:line: message", then the stacks.
local function traceback_of(e)
  return e.traceback and (e.where and e.where .. ": " or "") .. e.message .. "\n" .. e.traceback
end

local function error_reply(conn, e, effects)
  if not err.is(e) then
    e = err.new("ScriptError", "%s", tostring(e))
  end
  local out = {
    code = e.code, message = e.message, where = e.where or json.null, op = e.op, errors = e.errors,
    cause = err.is(e.cause) and tostring(e.cause) or nil,
  }
  if conn.trace then
    out.request, out.traceback = conn.ctx and conn.ctx.request_id or nil, traceback_of(e)
  end
  return setmetatable({ ok = false, id = conn.id, effects = effects, error = setmetatable(out, ERROR) }, REPLY)
end

local function log_failure(conn, e)
  local ctx = conn.ctx or {}
  local fields = { request = ctx.request_id, command = ctx.command, code = e.code, where = e.where }
  if SCRIPT_FAULT[e.code] then
    log.error("dispatch", e.message, fields)
    if e.traceback then
      log.error("dispatch", traceback_of(e), { request = ctx.request_id })
    end
  else
    log.info("dispatch", e.message, fields)
  end
end

--- The reply of a request whose task was killed or whose reply cannot be
-- encoded. Must not wait.
function M.failed(conn, e)
  if type(e) == "string" then
    e = err.new("MemoryExceeded", "%s", e) -- there was no memory for more
  elseif not err.is(e) then
    e = err.new("ScriptError", "the command returned nothing")
  end
  log_failure(conn, e)
  if conn.ctx then
    hooks.killed(conn.ctx.gen, e)
  end
  if conn.ctx and conn.ctx.access == "change" then
    conn.ctx.audit:late(e.code)
  end
  return error_reply(conn, e)
end

local function bad_request(fmt, ...)
  return nil, err.new("BadRequest", fmt, ...)
end

local ID_VALUES = 1000 -- at most: a table takes many times the bytes of its text

local function count_values(value, n)
  n = n + 1
  if type(value) == "table" then
    for _, inner in pairs(value) do
      n = count_values(inner, n)
      if n > ID_VALUES then
        break
      end
    end
  end
  return n
end

-- An id stays for as long as its request runs, and then until the next one.
local function keep_id(conn, id)
  if type(id) == "table" and count_values(id, 0) > ID_VALUES then
    return bad_request("an id of more than %d values", ID_VALUES)
  end
  conn.id = id
  return true
end

-- Why a request names no command.
local function no_name(conn, request)
  if type(request) ~= "table" or json.is_array(request) then
    return bad_request("a request is a JSON object")
  end
  keep_id(conn, request.id)
  return bad_request("a request names its command in 'cmd'")
end

-- Keys are commands: gone with their generation.
local WEAK = { __mode = "k" }

-- May this peer do this? The hooks of `authorize` decide; see hooks/README.md. A
-- yes to that access holds for the connection when every one of them says
-- `remember`.
local function authorize(conn, gen, ctx, command, args, access)
  local ok, e = hooks.run(gen, "authorize", ctx,
    { peer = ctx.peer, command = command.name, access = access, args = args })
  if ok then
    local remember = access
    for _, hook in ipairs(gen.hooks.authorize or {}) do
      remember = hook.remember and remember or nil
    end
    conn.allowed = conn.allowed or setmetatable({}, WEAK)
    conn.allowed[command] = remember
  elseif e.code == "Refused" then
    e.code = "Forbidden"
  end
  return ok, e
end

-- Ask, run, and tell the audit log.
local function perform(conn, gen, ctx, command, args, access)
  local allowed, change = conn.allowed, access == "change"
  local ok, e = allowed and allowed[command] == access
  if not ok then
    ok, e = authorize(conn, gen, ctx, command, args, access)
  end
  if not ok then
    if change then
      ctx.audit:finish(args, e.code)
    end
    return nil, e
  end
  if command.timeout then
    task.deadline(command.timeout)
  end
  local data
  data, e = command.run(ctx, args)
  if change then
    ctx.audit:finish(args, e and (err.is(e) and e.code or "ScriptError") or "ok")
  end
  if data == nil and e == nil then
    e = err.new("ScriptError", "command '%s' returned nothing", command.name)
  end
  return data, e
end

local function dry_run(conn, gen, ctx, command, args)
  local dry <close> = effects_dry.new(ctx)
  conn.ctx = dry.ctx
  local asked = command
  if command.dry_run_added then
    -- The hooks of authorize see it, the command itself knows nothing of it.
    asked = setmetatable({ run = function(ctx_, args_)
      args_.dry_run = nil
      return command.run(ctx_, args_)
    end }, { __index = command })
  end
  local data, e = perform(conn, gen, dry.ctx, asked, args, "change")
  return data, e, dry.effects
end

-- May this request change things? Some parameters make a change of a command
-- that only reads without them.
local function access_of(command, request)
  for _, name in ipairs(command.change_params) do
    if request[name] ~= nil and request[name] ~= json.null and request[name] ~= false then
      return "change"
    end
  end
  return command.access
end

local function run(conn, request, name)
  if not name then
    return no_name(conn, request)
  end
  -- What is left in the request are the parameters.
  request.cmd = nil
  if request.id ~= nil then
    local ok, e = keep_id(conn, request.id)
    if not ok then
      return nil, e
    end
    request.id = nil
  end
  if request.trace ~= nil then
    conn.trace, request.trace = request.trace == true, nil
  end
  local command, gen = scripts.command(name)
  if not command then
    return nil, err.new("UnknownCommand", "no command '%s'", name)
  end
  last_request = last_request + 1
  local access = command.change_params and access_of(command, request) or command.access
  local change = access == "change"
  conn.cancel_on_close = not change
  local ctx = context.request(gen, conn, command, access, last_request)
  conn.ctx = ctx
  local args, e = command.check(request, request)
  if not args then
    if change then
      ctx.audit:finish({}, e.code)
    end
    return nil, e
  end
  if change and args.dry_run then
    return dry_run(conn, gen, ctx, command, args)
  end
  if args.dry_run ~= nil and command.dry_run_added then
    args.dry_run = nil
  end
  return perform(conn, gen, ctx, command, args, access)
end

-- One table for all replies that tell success: server.c has written one out
-- before anything else runs.
local success = setmetatable({ ok = true }, REPLY)

--- One request, in a task of its own that has the deadline of every request.
-- @param conn table: lives as long as the connection; conn.peer = { uid, gid, pid }
-- @param request decoded JSON, or nil with bad
-- @param bad err|nil: why it is not to be run
-- @param name string|nil: the command, when the request is an object that names one
-- @return reply table, valid until the next call
function M.handle(conn, request, bad, name)
  conn.id, conn.trace, conn.ctx, conn.cancel_on_close = nil, false, false, false
  if bad then
    if type(request) == "table" then
      keep_id(conn, request.id)
    end
    local code = bad.code == "BadJson" and "BadRequest" or bad.code
    return error_reply(conn, err.new(code, "%s", bad.message))
  end
  local started = log.debugging and clock.monotonic()
  local data, e, effects = run(conn, request, name)
  if e ~= nil then
    if not err.is(e) then
      e = err.new("ScriptError", "%s", tostring(e))
    end
    log_failure(conn, e)
    return error_reply(conn, e, effects)
  end
  if started then
    log.debug("dispatch", "done", { request = conn.ctx.request_id, command = conn.ctx.command,
      ms = (clock.monotonic() - started) * 1000 })
  end
  success.id, success.data, success.effects = conn.id, data, effects
  return success
end

return M
