-- Made by `make docs` from docs/api.lua: edit that.
---@meta colibri.err

---@class colibri.err
local err = {}

---a new error; `fmt` is for `string.format`, or taken as it is when no values follow
---@param code string
---@param fmt string
---@param ... any
---@return colibri.Error
function err.new(code, fmt, ...) end

---a new error that says in front what was being done; keeps the code, and the old one as its cause
---@param e any
---@param fmt string
---@param ... any
---@return colibri.Error
function err.wrap(e, fmt, ...) end

---whether it is a table with a code and a message
---@param v any
---@return boolean
function err.is(v) end

return err
