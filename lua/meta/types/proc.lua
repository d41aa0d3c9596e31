-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---what to run: `{ "/bin/ls", "-l", cwd = "/" }`
---@class (exact) colibri.ProcSpec: { [integer]: any }
---@field env? table<string, string|colibri.Secret> the whole environment of the child
---@field cwd? string directory to start in
---@field input? string|colibri.Secret its standard input; empty unless told
---@field timeout? number seconds, then its group is ended
---@field grace? number seconds between TERM and KILL
---@field max_stdout? integer bytes kept of its output
---@field max_stderr? integer bytes kept of its error output
---@field kill_on_overflow? boolean end it when it says more than that
---@field secret_output? boolean `stdout` becomes a secret
---@field fds? table<integer, colibri.Descriptor> further descriptors of the child, 3 to 63

---how a program ended
---@class (exact) colibri.ProcResult
---@field code integer exit status; -1 after a death by signal
---@field signal integer the signal that killed it; 0 after an exit
---@field stdout string|colibri.Secret what it said; a secret when `secret_output` was set
---@field stderr string what it complained about
---@field timed_out boolean the timeout ended it
---@field overflow boolean it said more than was kept
---@field seconds number how long it ran

---@class colibri.Descriptor
local _Descriptor = {}

---closes it; again is allowed
function _Descriptor:close() end

---@class colibri.Process
local _Process = {}

---its result; may be called again
---Fails with Cancelled.
---@async
---@return colibri.ProcResult?
---@return colibri.Error? err
function _Process:wait() end

---whether `wait` would return at once
---@return boolean
function _Process:done() end

---sends a signal (TERM, 15) to its group; whether it was still there
---@param signal? integer
---@return boolean
function _Process:kill(signal) end

---its process id; nil once it ended
---@return integer?
function _Process:pid() end

---what it has written there so far
---@return string
function _Process:stderr() end

---kills the group, unless it ended; again is allowed
function _Process:close() end
