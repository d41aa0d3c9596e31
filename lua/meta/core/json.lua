-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.json

---@class colibri.json
---@field null lightuserdata JSON's null; unlike nil it can stand in a list
local json = {}

---one line; a secret, NaN, a loop, a function are refused
---Fails with BadValue.
---@param value any
---@return string?
---@return colibri.Error? err
function json.encode(value) end

---the value of a text; `null` is `json.null`
---Fails with BadJson.
---@param text string
---@return any
---@return colibri.Error? err
function json.decode(text) end

---the same table, marked as a list: it is `[]` when empty
---@param list table
---@return table
function json.array(list) end

---whether it is a table marked as a list, or one with a first element
---@param value any
---@return boolean
function json.is_array(value) end

---a metatable: objects that have it are encoded with these keys first, in this order
---@param keys string[]
---@return table
function json.ordered(keys) end

return json
