-- Made by `make docs` from docs/api.lua: edit that.
---@meta colibri.scratch

---@class colibri.scratch
local scratch = {}

---a new one; raises when it does not start
---@async
---@param options? colibri.ScratchOptions
---@return colibri.Daemon
function scratch.daemon(options) end

---closes those that a killed task has left
---@async
function scratch.close_all() end

return scratch
