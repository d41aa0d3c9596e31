-- hooks.lua - run the hooks of an event.

local err = require "colibri.err"
local log = require "colibri.log"
local script = require "core.script"

local M = {}

-- One hook, protected: result, error object.
local function call(hook, ctx, event)
  local ok, result, e = xpcall(hook.run, script.traceback, ctx, event)
  if not ok then
    return nil, result
  end
  return result, e
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
  for i = 1, #list do
    local hook = list[i]
    local result, e = call(hook, ctx, event)
    if result == false or e ~= nil then
      if not err.is(e) then
        e = err.new("Refused", "%s", e ~= nil and tostring(e) or "hook " .. hook.name .. " refused")
      end
      e.hook = name .. "/" .. hook.name
      e.refused = result == false
      if hook.on_error == "fail" or e.refused then
        return nil, e
      end
      log.warn("hook", "hook failed; going on", { hook = e.hook, code = e.code, error = e.message, where = e.where })
    end
  end
  return true
end

return M
