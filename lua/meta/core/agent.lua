-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.agent

---@class colibri.agent
local agent = {}

---`{ id, dir, shim, argv, env, cwd, gate, grace, stdin, log_size, log_keep, kill, limits, ready }`; waits until it is held (`gate`: `exec`, `jail`) or runs
---Fails with @agents.
---@async
---@param spec table
---@return colibri.AgentHandle?
---@return colibri.Error? err
function agent.start(spec) end

---`{ id, dir }`: the agent of an earlier daemon, through its living shim
---Fails with AgentStateFailed.
---@param spec table
---@return colibri.AgentHandle?
---@return colibri.Error? err
function agent.attach(spec) end

---`{ found = "alive|exited|gone", shim, pid, started_at }` and how it ended
---Fails with @agents.
---@param dir string
---@return table?
---@return colibri.Error? err
function agent.find(dir) end

---removes the directory of one that has ended
---Fails with AgentStateFailed.
---@param dir string
---@return true?
---@return colibri.Error? err
function agent.remove(dir) end

---ends what a killed shim has left behind, and removes its cgroup; signals sent
---Fails with @agents.
---@param id string
---@param dir string
---@param cgroup? string
---@return integer?
---@return colibri.Error? err
function agent.sweep(id, dir, cgroup) end

---text, next position, bytes missed, `base64` when it is no UTF-8; nil at the end
---Fails with AgentStateFailed.
---@param dir string
---@param stream string
---@param pos integer
---@param max integer
---@return string?
---@return integer
---@return integer
---@return string?
function agent.read_log(dir, stream, pos, max) end

---where the log begins and ends, and from where it is of `since` or later
---Fails with AgentStateFailed.
---@param dir string
---@param stream string
---@param since? integer
---@return integer?
---@return integer
---@return integer
function agent.log_range(dir, stream, since) end

---where the last lines begin
---Fails with AgentStateFailed.
---@param dir string
---@param stream string
---@param lines integer
---@return integer?
---@return colibri.Error? err
function agent.log_tail(dir, stream, lines) end

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
