-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.server

---@class colibri.server
local server = {}

---`{ handle, failed }`: the functions that answer
---Fails with @client.
---@param spec table
---@return colibri.Server?
---@return colibri.Error? err
function server.listen(spec) end

---a lock file, held until it is released: against a second daemon
---Fails with StateInUse, WriteFailed.
---@param path string
---@return colibri.Hold?
---@return colibri.Error? err
function server.hold(path) end

---from here on TERM, INT and HUP are ours
---Fails with LoopFailed.
---@return true?
---@return colibri.Error? err
function server.watch_signals() end

---`TERM`, `INT`, `HUP`
---@async
---@return string
function server.next_signal() end

return server
