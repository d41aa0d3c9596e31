-- Made by `make docs` from docs/api.lua: edit that.
---@meta colibri.test

---@class colibri.test
---@field dir string directory of the test file
local test = {}

---declares a case
---@param name string
---@param fn function
function test.test(name, fn) end

---deep equality
---@param got any
---@param want any
---@param message? string
function test.eq(got, want, message) end

---truth; returns `v`
---@param v any
---@param message? any
---@return any
function test.ok(v, message) end

---`nil, err` with this code: `t.err("NotFound", f())`; returns the error
---@param code string
---@param v any
---@param e any
---@return any
function test.err(code, v, e) end

---`fn` raises a text that matches; returns it
---@param fn function
---@param pattern string
---@return string
function test.raises(fn, pattern) end

---polls until `fn()` is true, 10 s unless told
---@async
---@param fn function
---@param seconds? number
---@return any
function test.eventually(fn, seconds) end

---a world around a site: its directory, relative to the test file, or a table of its files; raises what is wrong with them
---@async
---@param site? string|table
---@param options? colibri.WorldOptions
---@return colibri.World
function test.site(site, options) end

---runs the declared cases; how many failed
---@async
---@param out function
---@return integer
function test.run(out) end

return test
