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
