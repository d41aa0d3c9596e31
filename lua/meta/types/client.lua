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

---sends a request that many lines answer; `next` gives them
---Fails with Disconnected.
---@param request table
---@return true?
---@return colibri.Error? err
function _Connection:stream(request) end

---the next line of a stream: an event, or the whole reply, which is the last
---Fails with Timeout, Disconnected, BadJson.
---@async
---@param timeout? number
---@return table?
---@return colibri.Error? err
function _Connection:next(timeout) end

---bytes as they are, for tests of the protocol
---@param bytes string
function _Connection:send_raw(bytes) end

---closes it; again is allowed
function _Connection:close() end

---@class colibri.Stream
local _Stream = {}

---one line; false when the peer has too much unread, and nothing was sent
---Fails with Disconnected.
---@param event table
---@return boolean?
---@return colibri.Error? err
function _Stream:send(event) end

---waits until the peer has read enough
---Fails with Disconnected.
---@async
---@return true?
---@return colibri.Error? err
function _Stream:room() end
