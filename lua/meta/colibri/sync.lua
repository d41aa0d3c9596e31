-- Made by `make docs` from docs/api.lua: edit that.
---@meta colibri.sync

---@class colibri.sync
local sync = {}

---a new lock
---@return colibri.Lock
function sync.lock() end

---a new queue of at most `max` values; without a bound unless told
---@param max? integer
---@return colibri.Queue
function sync.queue(max) end

return sync
