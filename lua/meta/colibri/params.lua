-- Made by `make docs` from docs/api.lua: edit that.
---@meta colibri.params

---@class colibri.params
local params = {}

---whether a declaration is in order; the error names the parameter
---Fails with BadScript.
---@param list any
---@return true?
---@return colibri.Error? err
function params.check_spec(list) end

---a function that checks a table of arguments: `clean`, a new table with defaults filled in, or `nil, err`
---@param params colibri.Param[]
---@return function
function params.compile(params) end

---the same in one call
---Fails with BadParameter, MissingParameter.
---@param params colibri.Param[]
---@param args table
---@return table?
---@return colibri.Error? err
function params.validate(params, args) end

---the flag of a parameter, without its dashes
---@param param table
---@return string
function params.flag(param) end

return params
