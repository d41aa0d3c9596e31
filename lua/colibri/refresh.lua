-- refresh.lua - tenants of policy `interval`: when the next ones are due, and
-- provisioning those together.
--
-- step() does what is due and says how long nothing will be; the daemon's one
-- task waits so long, or until notify(): there is no polling. Who is due
-- decides policy/refresh.lua. Times are those of the monotonic clock, so a
-- clock that is set does not matter.

local log = require "colibri.log"
local script = require "core.script"
local task = require "core.task"

local M = {}

local RETRY = 60 -- seconds, when a round could not be done at all
local LEAST = 1 -- seconds between two tries of a tenant, whatever the policy says

local waiter = task.waiter()
local current

local Scheduler = {}
Scheduler.__index = Scheduler

--- A scheduler.
-- @param opts { clock = { now, monotonic }, random = function() -> [0, 1),
--   rows = function() -> list of { tenant_id, interval, provisioned_at } | nil, err,
--   decide = function(tenant, random) -> earliest, latest: seconds after the last try; nil: never,
--   run = function(ids) -> list of { tenant_id, result } }
function M.new(opts)
  return setmetatable({ opts = opts, known = {}, stale = true, random = opts.random() }, Scheduler)
end

-- Take the rows of the store into `known`.
local function load(self)
  self.stale = false
  local rows, e = self.opts.rows()
  if not rows then
    self.stale = true
    return nil, e
  end
  local clock = self.opts.clock
  local now, known = clock.monotonic(), {}
  for _, row in ipairs(rows) do
    local one = self.known[row.tenant_id]
    if not one then
      local age = clock.now() - (row.provisioned_at or clock.now())
      one = { tenant_id = row.tenant_id, base = now - math.max(0, math.min(age, row.interval)), failures = 0 }
    elseif one.provisioned_at ~= row.provisioned_at then
      one.base, one.failures = now, 0 -- somebody has just done it
    end
    one.interval, one.provisioned_at = row.interval, row.provisioned_at
    known[row.tenant_id] = one
  end
  self.known = known
  return true
end

-- Seconds after a tenant's last try: from when on it may, and until when it must
-- be refreshed; nil: never.
local function times(self, one)
  local earliest, latest = self.opts.decide(one, self.random)
  if latest then
    latest = math.max(latest, LEAST)
    return math.min(earliest or latest, latest), latest
  end
end

-- The tenants whose time has come, when at least one must; seconds until one
-- must, nil when there is none.
local function due(self)
  local now, ids, must, wait = self.opts.clock.monotonic(), {}, false, nil
  for id, one in pairs(self.known) do
    local earliest, latest = times(self, one)
    if latest then
      local left = one.base + latest - now
      must = must or left <= 0
      wait = math.min(wait or left, left)
      if one.base + earliest <= now then
        ids[#ids + 1] = id
      end
    end
  end
  table.sort(ids)
  return must and ids or {}, wait
end

local GOOD = { provisioned = true, unchanged = true }

-- Provision them, and remember how it went.
local function round(self, ids)
  log.info("refresh", "refreshing tenants", { tenants = #ids })
  local failed = 0
  local results = self.opts.run(ids)
  local now, good = self.opts.clock.monotonic(), {}
  for _, result in ipairs(results) do
    good[result.tenant_id] = GOOD[result.result]
  end
  for _, id in ipairs(ids) do
    local one = self.known[id]
    one.base = now
    one.failures = good[id] and 0 or one.failures + 1
    failed = failed + (good[id] and 0 or 1)
  end
  self.random = self.opts.random()
  self.stale = true -- their rows are others now
  log.info("refresh", "tenants refreshed", { tenants = #ids, failed = failed })
end

--- Do what is due. Waits as opts.run does.
-- @return seconds until something will be due | nil: nothing will until rows change; true when
--   the rows could not be read
function Scheduler:step()
  while true do
    if self.stale then
      local ok, e = load(self)
      if not ok then
        log.error("refresh", "the tenants cannot be read", { code = e.code, error = e.message })
        return RETRY, true
      end
    end
    local ids, wait = due(self)
    if #ids == 0 then
      return wait
    end
    round(self, ids)
  end
end

--- When a tenant is due at the latest.
-- @return UNIX seconds | nil: it is not refreshed by itself
function Scheduler:due_at(tenant_id)
  local one, latest = self.known[tenant_id], nil
  if one then
    latest = select(2, times(self, one))
  end
  local clock = self.opts.clock
  return latest and math.ceil(clock.now() + math.max(one.base + latest - clock.monotonic(), 0)) or nil
end

--- Rows have changed: look again.
function Scheduler:touch()
  self.stale = true
end

--- Tell the daemon's scheduler, if there is one, that tenants' rows have changed.
function M.notify()
  if current then
    current:touch()
    waiter:wake()
  end
end

--- When the daemon refreshes a tenant at the latest.
-- @return UNIX seconds | nil
function M.due_at(tenant_id)
  return current and current:due_at(tenant_id)
end

--- Serve for ever: one task of the daemon.
-- @param opts as for new()
function M.serve(opts)
  current = M.new(opts)
  while true do
    local ok, seconds, failed = xpcall(current.step, script.traceback, current)
    if not ok then
      failed = true
      log.error("refresh", seconds.message, { code = seconds.code, where = seconds.where })
      seconds = RETRY
    end
    -- Rows that changed meanwhile are looked at now; rows that cannot be read are not.
    if failed or not current.stale then
      waiter:wait(seconds)
    end
  end
end

return M
