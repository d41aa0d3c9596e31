-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.script

---@class colibri.script
local script = {}

---every script of both layers; texts about files that cannot be used
---@param site_dir? string
---@return table[]
---@return string[]
function script.scan(site_dir) end

---the text of a trusted file, as a function
---Fails with NotFound, NotTrusted, TooLarge, ScriptSyntax.
---@param path string
---@param chunkname string
---@param env table
---@return function?
---@return colibri.Error? err
function script.load(path, chunkname, env) end

---a text as a function
---Fails with ScriptSyntax.
---@param text string
---@param chunkname string
---@param env table
---@return function?
---@return colibri.Error? err
function script.compile(text, chunkname, env) end

---a protected call in which nothing can wait
---Fails with ScriptError.
---@param fn function
---@param ... any
---@return any
---@return colibri.Error? err
function script.call(fn, ...) end

---a protected call that may wait: true and the results, or false and the error
---@async
---@param fn function
---@param ... any
---@return boolean
---@return any
function script.try(fn, ...) end

---an `__index`: from `shared`, else what the table holds at `places[key]`, else what `make` makes of it
---@param shared table
---@param places table
---@param make function
---@return function
function script.lookup(shared, places, make) end

---that of scripts: without finalizers
---@param t table
---@param mt table|nil
---@return table
function script.setmetatable(t, mt) end

---`file:line` where it is defined
---@param fn function
---@return string
function script.where(fn) end

---the last line outside the library that runs from here on is remembered
function script.trace() end

---that line, `file:line`; ends the trace
---@return string?
function script.traced() end

---message handler for `xpcall`
---@param e any
---@return colibri.Error
function script.traceback(e) end

return script
