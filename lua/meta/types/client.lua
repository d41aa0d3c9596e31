-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---@class colibri.Connection
local _Connection = {}

---sends one request, gives the whole reply; after `timeout` seconds the connection is of no use any more
---Fails with Timeout, Disconnected, BadJson.
---@async
---@param request table
---@param timeout? number
---@return table?
---@return colibri.Error? err
function _Connection:request(request, timeout) end

---bytes as they are, for tests of the protocol
---@param bytes string
function _Connection:send_raw(bytes) end

---closes it; again is allowed
function _Connection:close() end
