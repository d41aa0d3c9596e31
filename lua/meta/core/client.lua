-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.client

---@class colibri.client
local client = {}

---connects to a socket
---Fails with DaemonUnreachable, BadPath.
---@param path string
---@return colibri.Connection?
---@return colibri.Error? err
function client.connect(path) end

return client
