-- events.lua - what happens in the daemon, told to whoever subscribed.

local log = require "colibri.log"

local M = {}

local subscribers = {}

--- Have fn called with each event: fn(name, fields). It must not wait.
-- @return function() that ends the subscription
function M.subscribe(fn)
  local key = {}
  subscribers[key] = fn
  return function() subscribers[key] = nil end
end

--- Tell everybody. A subscriber that raises is logged; the others still hear.
-- @param name string: "hook_suspended", ...
-- @param fields table of names and numbers; never a secret
function M.emit(name, fields)
  for _, fn in pairs(subscribers) do
    local ok, e = pcall(fn, name, fields)
    if not ok then
      log.error("events", "a subscriber failed", { event = name, error = tostring(e) })
    end
  end
end

return M
