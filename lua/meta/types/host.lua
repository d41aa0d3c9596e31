-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---@class colibri.AgentHandle
local _AgentHandle = {}

---one with the gate `jail` waits inside its jail
---Fails with JailNotEntered, ExecFailed, AgentLost.
---@async
---@return true?
---@return colibri.Error? err
function _AgentHandle:inside() end

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

---a signal to all of it that is no stop
---@param signal? integer
function _AgentHandle:signal(signal) end

---to its stdin, all or nothing; bytes that wait for it to read
---Fails with AgentNoInput, AgentNotReading, AgentNotRunning.
---@async
---@param text string
---@return integer?
---@return colibri.Error? err
function _AgentHandle:send(text) end

---`{ code, signal, ended_at, user_usec, sys_usec, max_rss_kb, signalled, killed, victims, oom_killed, log_lost }`
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

---for a child's `fds`: held until that has ended, too
---Fails with SpawnFailed.
---@return colibri.Descriptor?
---@return colibri.Error? err
function _BwLock:fd() end

---@class colibri.FingerprintKey
local _FingerprintKey = {}

---32 hex digits
---@param tenant string
---@param key string
---@param value string|colibri.Secret
---@return string
function _FingerprintKey:of(tenant, key, value) end

---those of a `.env` that stands there
---Fails with InvalidLine, InvalidKey, DuplicateKey, @files.
---@param root colibri.Root
---@param name string
---@param tenant string
---@return table<string, string>?
---@return colibri.Error? err
function _FingerprintKey:env(root, name, tenant) end

---@class colibri.Hold
local _Hold = {}

---lets it go
function _Hold:release() end

---@class colibri.HttpConn
local _HttpConn = {}

---`{ method, path, host, body, timeout, max }` gives `{ status, body = Secret }`
---Fails with Timeout, Disconnected, VaultProtocol, Busy, BadParameter.
---@async
---@param spec table
---@return table?
---@return colibri.Error? err
function _HttpConn:request(spec) end

---whether nothing can be asked any more
---@return boolean
function _HttpConn:dead() end

---ends it; who waits gets `Disconnected`
function _HttpConn:close() end

---@class colibri.Server
local _Server = {}

---begins to accept
function _Server:serve() end

---open connections, requests ever
---@return integer
---@return integer
function _Server:counts() end

---`{ connections, requests, open, in_flight, streams }`
---@return table
function _Server:stats() end

---many lines before the reply of the request that the connection has in flight
---Fails with Disconnected.
---@param conn table
---@return colibri.Stream?
---@return colibri.Error? err
function _Server:stream(conn) end

---ends all connections
function _Server:close() end
