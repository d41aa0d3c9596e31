-- Made by `make docs` from docs/api.lua: edit that.
---@meta colibri.spawn_params

---@class colibri.spawn_params
---@field TIMEOUT integer seconds that a spawn may take
local spawn_params = {}

---the parameters of a command that spawns: `first`, then what all of them take
---@param first colibri.Param[]
---@return colibri.Param[]
function spawn_params.list(first) end

---what a terminal shows of a spawn's reply
---@return string[]
function spawn_params.columns() end

return spawn_params
