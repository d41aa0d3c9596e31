-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.stdio

---@class colibri.stdio
---@field is_tty boolean whether stdout is a terminal
---@field stdin_is_tty boolean whether stdin is
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

---what comes next on stdin; nil at its end. Blocks the whole program
---@return string?
function stdio.read() end

---would `read` come back at once?
---@return boolean
function stdio.ready() end

---columns and lines of the terminal; 80 and 24 when there is none
---@return integer
---@return integer
function stdio.size() end

---keys one by one, or as before; whether stdin is a terminal
---@param on boolean
---@return boolean
function stdio.raw(on) end

return stdio
