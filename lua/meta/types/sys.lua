-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---a time in parts, UTC
---@class (exact) colibri.ClockFields
---@field year integer 2026
---@field month integer 1 to 12
---@field day integer 1 to 31
---@field hour integer 0 to 23
---@field min integer 0 to 59
---@field sec integer 0 to 60
---@field wday integer 1 is Monday

---a user of the host
---@class (exact) colibri.User
---@field uid integer its number
---@field gid integer its group's

---a running jail
---@class (exact) colibri.Jail
---@field jid integer its number
---@field path string its root

---counters
---@class (exact) colibri.SysStats
---@field lua_bytes integer memory of Lua
---@field tasks integer that live
---@field ops integer waits under way
---@field secrets integer held
---@field fds integer open descriptors

---@class colibri.log
local _log = {}

---a line of level error
---@param message string
---@param fields? table
function _log.error(message, fields) end

---a line of level warn
---@param message string
---@param fields? table
function _log.warn(message, fields) end

---a line of level info
---@param message string
---@param fields? table
function _log.info(message, fields) end

---a line of level debug
---@param message string
---@param fields? table
function _log.debug(message, fields) end
