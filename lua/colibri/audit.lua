-- audit.lua - who asked for which change, when, with which result.
--
-- One row per `change` request. A command that writes puts the row into its own
-- transaction (row); what did not is written at the end (finish). Key names may
-- appear in `detail`, values never.

local checked = require "colibri.checked"
local clock = require "core.clock"
local events = require "colibri.events"
local json = require "core.json"
local log = require "colibri.log"
local task = require "core.task"

local M = {}

local Audit = {}
Audit.__index = Audit

local INSERT = [[INSERT INTO audit (at, uid, gid, pid, request, command, subject, result, detail)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)]]

function M.bind(ctx)
  return setmetatable({ ctx = ctx, detail = nil, subject_name = nil }, Audit)
end

--- What the change is about (tenant or agent id; the first one named stays)
-- and further facts.
-- @param detail table|nil: encoded as JSON; names and numbers only
function Audit:subject(name, detail)
  self.subject_name = self.subject_name or name
  if detail then
    self.detail = self.detail or {}
    for key, value in pairs(detail) do
      self.detail[key] = value
    end
  end
end

--- Insert the row inside a transaction of the command.
-- @return true | nil, err
function Audit:row(tx, result)
  local ctx, peer = self.ctx, self.ctx.peer
  local ok, e = tx:exec(INSERT, math.floor(clock.now()), peer.uid, peer.gid, peer.pid, ctx.request_id, ctx.command,
    self.subject_name, result, self.detail and json.encode(self.detail) or nil)
  if not ok then
    return nil, e
  end
  self.written = true
  return true
end

-- The subject a request names, when the command did not say.
local function guess_subject(args)
  local name = args.tenant_id or args.agent_id or args.jail_name
  return type(name) == "string" and name or nil
end

--- The end of a request: write the row if that was not done. Waits for the
-- commit. A store that fails here is logged; the change itself stands.
function Audit:finish(args, result)
  local ctx = self.ctx
  self.subject_name = self.subject_name or guess_subject(args)
  events.emit("change", { data = { command = ctx.command, subject = self.subject_name, result = result } })
  if self.written or not ctx.db then
    return
  end
  self.written = true
  local ok, e = ctx.db:write(function(tx) return self:row(tx, result) end)
  if not ok then
    log.error("audit", "row not written", { command = ctx.command, code = e.code, error = e.message })
  end
end

--- The same for a request that was killed: by a task of its own.
function Audit:late(result)
  task.spawn_detached("audit", function() self:finish({}, result) end)
end

checked.methods(Audit, "audit", { subject = "string? table?" })

return M
