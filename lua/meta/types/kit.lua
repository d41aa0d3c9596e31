-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---how to start a daemon
---@class (exact) colibri.ScratchOptions
---@field backend? string jail launcher; `none` unless told
---@field vault? string adapter; `file` unless told
---@field flags? string[] further words of its command line
---@field files? table see `tree`
---@field log_level? string `debug` unless told
---@field program? string path of the daemon
---@field start? boolean false: do not start it

---@class colibri.Daemon
local _Daemon = {}

---makes files, and directories (`/` at the end): `{ ["vault/a.env"] = "A=1\n", ["jails/a/root/"] = true }`
---@param files table
function _Daemon:tree(files) end

---the text of a file below it
---Fails with @files.
---@param name string
---@return string?
---@return colibri.Error? err
function _Daemon:read(name) end

---facts about a name below it
---Fails with @files.
---@param name string
---@return colibri.Stat?
---@return colibri.Error? err
function _Daemon:stat(name) end

---sends a command; its data, or the daemon's error
---Fails with @client.
---@async
---@param cmd string
---@param args? table
---@return any
---@return colibri.Error? err
function _Daemon:call(cmd, args) end

---a further connection
---Fails with DaemonUnreachable.
---@return colibri.Connection?
---@return colibri.Error? err
function _Daemon:connect() end

---starts it again
---Fails with DaemonFailed.
---@async
---@return colibri.Daemon?
---@return colibri.Error? err
function _Daemon:start() end

---ends it by a signal (TERM); its log is in `stderr`
---@async
---@param signal? integer
---@return colibri.ProcResult?
function _Daemon:stop(signal) end

---ends it by KILL
---@async
---@return colibri.ProcResult?
function _Daemon:crash() end

---ends its agents and it, removes the directory
---@async
function _Daemon:close() end
