-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.http1

---@class colibri.http1
local http1 = {}

---our end, and the child's for its `fds`
---Fails with SpawnFailed.
---@return colibri.HttpConn?
---@return colibri.Descriptor
function http1.pair() end

return http1
