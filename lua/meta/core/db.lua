-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.db

---@class colibri.core.db
local db = {}

---opens a store; `path` is absolute or `:memory:`
---Fails with @store.
---@param path string
---@return colibri.db?
---@return colibri.Error? err
function db.open(path) end

return db
