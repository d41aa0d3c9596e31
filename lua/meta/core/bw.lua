-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.bw

---@class colibri.bw
local bw = {}

---one JSON object whose strings are secrets; or the part of the text that is one
---Fails with VaultProtocol.
---@param text string|colibri.Secret
---@param from? integer
---@param to? integer
---@return table?
---@return colibri.Error? err
function bw.decode(text, from, to) end

---where the elements of a listing stand, by collection: `{ from, to, ... }`
---Fails with VaultProtocol.
---@param reply colibri.Secret
---@return table<string, integer[]>?
---@return colibri.Error? err
function bw.index(reply) end

---bw's data file
---Fails with NotFound, VaultNotConfigured, VaultProtocol.
---@param dir string
---@return colibri.Secret?
---@return colibri.Error? err
function bw.read_data(dir) end

---items in it and when they were changed, by collection
---Fails with VaultProtocol.
---@param data colibri.Secret
---@return table<string, table<string, string>>?
---@return colibri.Error? err
function bw.data_index(data) end

---when the server made its access token, by the server's clock
---@param data colibri.Secret
---@return integer?
function bw.token_time(data) end

---another text when the file has changed; tells nothing about it
---@param path string
---@return string
function bw.stamp(path) end

---the body of `bw serve`'s `/unlock`
---Fails with VaultNotConfigured.
---@param password string|colibri.Secret
---@return colibri.Secret?
---@return colibri.Error? err
function bw.password_json(password) end

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
