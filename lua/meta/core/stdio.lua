-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.stdio

---@class colibri.stdio
---@field is_tty boolean whether stdout is a terminal
---@field width integer its columns
local stdio = {}

---false when nobody reads any more
---@param text string
---@return boolean
function stdio.out(text) end

---the same on the error stream
---@param text string
---@return boolean
function stdio.err(text) end

return stdio
