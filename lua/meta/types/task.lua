-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---@class colibri.Guard
local _Guard = {}

---gives it back; again is allowed
function _Guard:release() end

---@class colibri.Lock
local _Lock = {}

---takes the lock
---@async
---@return colibri.Guard
function _Lock:acquire() end

---@class colibri.Queue
local _Queue = {}

---appends; false when it is full
---@param value any
---@return boolean
function _Queue:put(value) end

---the oldest value; waits for one
---Fails with DeadlineExceeded.
---@async
---@param timeout? number
---@return any
---@return colibri.Error? err
function _Queue:get(timeout) end

---@class colibri.Task
local _Task = {}

---its results
---Fails with Cancelled, DeadlineExceeded, BudgetExceeded, MemoryExceeded, ScriptError.
---@async
---@return any
---@return colibri.Error? err
function _Task:wait() end

---whether it ended
---@return boolean
function _Task:done() end

---ends it; whether it still ran
---@return boolean
function _Task:cancel() end

---@class colibri.Waiter
local _Waiter = {}

---until `wake`
---Fails with DeadlineExceeded.
---@async
---@param seconds? number
---@return true?
---@return colibri.Error? err
function _Waiter:wait(seconds) end

---lets all who wait go on; how many that were
---@return integer
function _Waiter:wake() end
