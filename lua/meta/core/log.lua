-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.log

---@class colibri.core.log
---@field debugging boolean whether debug lines are written at all
local log = {}

---one line
---@param level string
---@param topic string
---@param message string
---@param fields? table
function log.write(level, topic, message, fields) end

return log
