-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---@class colibri.AgentHandle
local _AgentHandle = {}

---lets a held agent run; its pid
---Fails with ExecFailed, AgentLost.
---@async
---@return integer?
---@return colibri.Error? err
function _AgentHandle:go() end

---ends all of it
---Fails with AgentLost.
---@async
---@param signal? integer
---@param grace? number
---@return table?
---@return colibri.Error? err
function _AgentHandle:stop(signal, grace) end

---`{ code, signal }`
---Fails with ExecFailed, AgentLost.
---@async
---@return table?
---@return colibri.Error? err
function _AgentHandle:wait() end

---of its first process
---@return integer
function _AgentHandle:pid() end

---its id
---@return string
function _AgentHandle:id() end

---@class colibri.BwLock
local _BwLock = {}

---gives it back; again is allowed
function _BwLock:release() end

---@class colibri.Server
local _Server = {}

---begins to accept
function _Server:serve() end

---open connections, requests ever
---@return integer
---@return integer
function _Server:counts() end

---`{ connections, requests, open, in_flight }`
---@return table
function _Server:stats() end

---ends all connections
function _Server:close() end
