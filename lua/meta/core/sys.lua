-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.sys

---@class colibri.sys
---@field version string of colibri
---@field protocol integer of the socket
---@field api integer API level of scripts
---@field platform "linux"|"freebsd" the system
---@field uid integer effective user of this process
---@field gid integer its group
---@field pid integer its process id
---@field cwd string directory it was started in
---@field conf table<string, string|number> the settings in force; scripts see them as `ctx.conf`
local sys = {}

---name of the host
---@return string
function sys.hostname() end

---a user of the host; nil when there is none
---@param name string
---@return colibri.User?
function sys.lookup_user(name) end

---a running jail
---Fails with JailNotFound, JailUnsupported.
---@param name string
---@return colibri.Jail?
---@return colibri.Error? err
function sys.jail_lookup(name) end

---path of a program of colibri, by its bare name
---@param name string
---@return string?
function sys.program(name) end

---counters of this process
---@return colibri.SysStats
function sys.stats() end

---a random UUID (version 4)
---@return string
function sys.uuid() end

return sys
