-- hooks.lua - run the hooks of an event.
--
-- A hook that fails COLIBRI_HOOK_FAILURES times in a row is suspended if it is
-- one that may fail (on_error = "warn"): it is not called again until a reload.
-- One with on_error = "fail" guards something; it is called for ever, and its
-- event fails with it. Both are told, once.

local err = require "colibri.err"
local events = require "colibri.events"
local json = require "core.json"
local log = require "colibri.log"
local script = require "core.script"
local sys = require "core.sys"

local M = {}

-- hook -> { failures = in a row, suspended = boolean, told = boolean }; a reload
-- makes new hooks, and so forgets.
local states = setmetatable({}, { __mode = "k" })

local function count_failure(name, hook, e)
  local limit = sys.conf.hook_failures
  local state = states[hook] or { failures = 0 }
  states[hook] = state
  state.failures = state.failures + 1
  if limit == 0 or state.failures < limit or state.told then
    return
  end
  state.told, state.event = true, name
  state.suspended = hook.on_error == "warn"
  local fields = { hook = name .. "/" .. hook.name, failures = state.failures, code = e.code, error = e.message,
    where = e.where }
  if state.suspended then
    log.error("hook", "hook suspended until the next reload", fields)
  else
    log.error("hook", "hook fails again and again; it guards something, so it is still called", fields)
  end
  events.emit(state.suspended and "hook_suspended" or "hook_failing", fields)
end

-- What a hook said or raised becomes the error that ends the event; nil: go on.
local function judge(name, hook, state, result, e)
  if result ~= false and e == nil then
    if state then
      state.failures, state.told = 0, state.suspended
    end
    return nil
  end
  if not err.is(e) then
    e = err.new("Refused", "%s", e ~= nil and tostring(e) or "hook " .. hook.name .. " refused")
  end
  e.hook = name .. "/" .. hook.name
  e.refused = result == false
  if not e.refused then
    count_failure(name, hook, e)
  end
  if hook.on_error == "fail" or e.refused then
    return e
  end
  log.warn("hook", "hook failed; going on", { hook = e.hook, code = e.code, error = e.message, where = e.where })
  return nil
end

--- Run every hook of an event, in order. Waits as the hooks do.
-- @param gen generation
-- @param name string: the event
-- @param ctx table: effects, as for commands
-- @param event table: the payload; hooks may add to it
-- @return true | nil, err: a hook failed or refused; err.hook names it, err.refused tells a refusal.
function M.run(gen, name, ctx, event)
  local list = gen.hooks[name]
  if not list then
    return true
  end
  local i, hook = 1, list[1]
  while hook do
    local state = states[hook]
    if not (state and state.suspended) then
      local ok, result, e = script.try(hook.run, ctx, event)
      if not ok then
        result, e = nil, result
      end
      if state or result == false or e ~= nil then
        e = judge(name, hook, state, result, e)
        if e then
          return nil, e
        end
      end
    end
    i = i + 1
    hook = list[i]
  end
  return true
end

-- What a hook can be blamed for.
local KILLS = { BudgetExceeded = true, MemoryExceeded = true, DeadlineExceeded = true }

--- A task was killed: if that was in a hook, as the traceback tells, the hook
-- has failed.
function M.killed(gen, e)
  if not KILLS[e.code] then
    return
  end
  local text = tostring(e.where) .. "\n" .. tostring(e.traceback)
  for name, list in pairs(gen.hooks) do
    for _, hook in ipairs(list) do
      if text:find(("/hooks/%s/%s.lua:"):format(name, hook.name), 1, true) then
        count_failure(name, hook, e)
        return
      end
    end
  end
end

-- @return failures in a row, whether it is suspended
function M.state(hook)
  local state = states[hook]
  return state and state.failures or 0, state ~= nil and state.suspended or false
end

--- Names of the hooks of a generation that are suspended, or fail again and again.
-- @return list of "event/name", list of "event/name"; nil when no hook ever failed
function M.troubled(gen)
  if next(states) == nil then
    return nil
  end
  local suspended, failing = json.array {}, json.array {}
  for name, list in pairs(gen.hooks) do
    for _, hook in ipairs(list) do
      local state = states[hook]
      if state and state.told and (state.suspended or state.failures > 0) then
        local to = state.suspended and suspended or failing
        to[#to + 1] = name .. "/" .. hook.name
      end
    end
  end
  table.sort(suspended)
  table.sort(failing)
  return suspended, failing
end

return M
