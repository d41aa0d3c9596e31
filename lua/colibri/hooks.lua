-- hooks.lua - run the hooks of an event.

local err = require "colibri.err"
local log = require "colibri.log"
local script = require "core.script"

local M = {}

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
    local ok, result, e = script.try(hook.run, ctx, event)
    if not ok then
      result, e = nil, result
    end
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
    i = i + 1
    hook = list[i]
  end
  return true
end

return M
