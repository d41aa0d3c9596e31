-- log.lua - leveled log for library code; scripts get `ctx.log`.

local checked = require "colibri.checked"
local core_log = require "core.log"

local write = core_log.write
local LINE = checked.rules "string table?"

-- debugging: whether debug lines are written at all
local M = { debugging = core_log.debugging }

local function at(level)
  return function(topic, message, fields)
    write(level, topic, message, fields)
  end
end

--- error/warn/info/debug(topic, message[, fields]): one log line each.
M.error, M.warn, M.info, M.debug = at "error", at "warn", at "info", at "debug"

--- The log of one topic: { error, warn, info, debug }(message[, fields]).
function M.topic(topic)
  local out = {}
  for _, level in ipairs { "error", "warn", "info", "debug" } do
    out[level] = function(message, fields, ...)
      checked.arguments("log", LINE, message, fields, ...)
      write(level, topic, message, fields)
    end
  end
  return out
end

return M
