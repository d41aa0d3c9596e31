-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.task

---@class colibri.task
local task = {}

---lets so much time pass
---@async
---@param seconds number
function task.sleep(seconds) end

---starts a child of the caller with the limits of a script
---@param fn function
---@param ... any
---@return colibri.Task
function task.go(fn, ...) end

---the results of `fn(...)`, or `DeadlineExceeded`: then it is cancelled, the caller is not
---Fails with DeadlineExceeded.
---@async
---@param seconds number
---@param fn function
---@param ... any
---@return any
---@return colibri.Error? err
function task.timeout(seconds, fn, ...) end

---a task that belongs to nobody and has no budget
---@param name string
---@param fn function
---@param ... any
---@return colibri.Task
function task.spawn_detached(name, fn, ...) end

---what locks and queues are made of
---@return colibri.Waiter
function task.waiter() end

---`{ id, name }` of the running task
---@return table?
function task.self() end

---from here on the running task is counted, paused and killed; `entry` is where the code stands
---@param entry string
function task.arm(entry) end

---of the running task, from now; 0: none
---@param seconds number
function task.deadline(seconds) end

---the running task has its whole budget of instructions again
function task.renew() end

---how many tasks and waits there are
---@return integer
---@return integer
function task.count() end

return task
