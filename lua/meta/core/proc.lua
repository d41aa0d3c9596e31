-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.proc

---@class colibri.proc
local proc = {}

---runs a program to its end
---Fails with ProgramNotFound, ProgramNotTrusted, SpawnFailed.
---@async
---@param spec colibri.ProcSpec
---@return colibri.ProcResult?
---@return colibri.Error? err
function proc.run(spec) end

---starts a program and goes on
---Fails with ProgramNotFound, ProgramNotTrusted, SpawnFailed.
---@param spec colibri.ProcSpec
---@return colibri.Process?
---@return colibri.Error? err
function proc.start(spec) end

---absolute path of a program
---Fails with ProgramNotFound, ProgramNotTrusted.
---@param name string
---@return string?
---@return colibri.Error? err
function proc.find(name) end

---a descriptor for `fds` from which a child can read the bytes, once; at most what a pipe holds (64 KiB on Linux)
---Fails with SpawnFailed.
---@param data string|colibri.Secret
---@return colibri.Descriptor?
---@return colibri.Error? err
function proc.fd_of(data) end

---a variable of the host's own environment; for programs, not for scripts
---@param name string
---@return string?
function proc.environ(name) end

return proc
