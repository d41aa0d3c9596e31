-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.bw

---@class colibri.bw
local bw = {}

---one JSON object whose strings are secrets
---Fails with VaultProtocol.
---@param text string|colibri.Secret
---@return table?
---@return colibri.Error? err
function bw.decode(text) end

---the URL as bw keeps it
---Fails with VaultNotConfigured.
---@param url string|colibri.Secret
---@return string?
---@return colibri.Error? err
function bw.check_server(url) end

---whether it has the shape of a session's key
---@param text string|colibri.Secret
---@return boolean
function bw.is_session(text) end

---name of the account's data directory
---@param server string
---@param account string|colibri.Secret
---@return string
function bw.dir_name(server, account) end

---takes a data directory, or fails at once
---Fails with VaultBusy, VaultNotConfigured.
---@param path string
---@return colibri.BwLock?
---@return colibri.Error? err
function bw.lock_dir(path) end

return bw
