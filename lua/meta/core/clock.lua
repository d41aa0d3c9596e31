-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.clock

---@class colibri.clock
local clock = {}

---UNIX seconds
---@return number
function clock.now() end

---seconds that never go back
---@return number
function clock.monotonic() end

---`2026-11-24T01:53:10Z`, UTC
---@param at number
---@return string
function clock.iso(at) end

---the parts of a time, UTC
---@param at number
---@return colibri.ClockFields
function clock.fields(at) end

return clock
