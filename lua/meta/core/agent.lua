-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.agent

---@class colibri.agent
local agent = {}

---`{ id, dir, shim, argv, env, cwd, gate, grace }`; waits until it is held or runs
---Fails with @agents.
---@async
---@param spec table
---@return colibri.AgentHandle?
---@return colibri.Error? err
function agent.start(spec) end

---`{ found = "alive|exited|gone", shim, code, signal, ended_at }`
---Fails with @agents.
---@param dir string
---@return table?
---@return colibri.Error? err
function agent.find(dir) end

---the next report of any agent
---@async
---@return table
function agent.next_event() end

---ends an agent of an earlier daemon
---Fails with @agents.
---@async
---@param dir string
---@param grace number
---@return table?
---@return colibri.Error? err
function agent.stop_found(dir, grace) end

---waits for its end
---Fails with @agents.
---@async
---@param dir string
---@return table?
---@return colibri.Error? err
function agent.wait_found(dir) end

return agent
