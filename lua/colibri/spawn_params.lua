-- spawn_params.lua - the parameters of the commands that spawn, in one place.

local checked = require "colibri.checked"

local M = {}

M.TIMEOUT = 300 -- seconds that a spawn may take

-- Of every spawn, behind who and what to start.
local COMMON = {
  { "session_id", "string", min = 1, max = 128, help = "session of the agent; made up when absent" },
  { "system_prompt", "string", metavar = "TEXT", help = "system prompt, for providers that take one" },
  { "prompt", "string", min = 1, max = 131072, metavar = "TEXT", stdin = true,
    help = "first prompt; - reads it from standard input" },
  { "input", "boolean", help = "give it a pipe as stdin, for send-agent; providers that take prompts do so anyway" },
  { "jail_name", "name", metavar = "NAME", help = "jail to start it in; also the tenant" },
  { "jail_root", "path", metavar = "PATH", requires = "jail_name",
    help = "root of the jail as the host sees it; with it .env is provisioned" },
  { "provision", "enum", values = { "after", "before" }, default = "after",
    help = "write .env after the start, or before the agent may run" },
  { "ephemeral", "boolean", requires = "jail_root", help = "remove .env when the agent has ended" },
  { "cwd", "path", metavar = "PATH", help = "working directory, inside the jail; default /" },
  { "user", "string", min = 1, max = 32, metavar = "NAME", requires = "jail_name",
    help = "user inside the jail, where the backend can change it" },
  { "env", "list", max = 64, metavar = "NAME",
    help = "a variable of the daemon's environment that the agent gets too; may be repeated" },
  { "limit", "list", max = 32, metavar = "NAME=VALUE",
    help = "nofile, nproc, as, cpu, fsize, ..., nice, umask, memory.max, pids.max, cpu.max; may be repeated" },
  { "restart", "enum", values = { "never", "on-failure", "always" }, default = "never",
    help = "start it again when it has ended" },
  { "restart_delay", "number", min = 0.01, max = 3600, metavar = "SECONDS", requires = "restart",
    help = "before the first restart, then doubled up to a minute; default 1" },
  { "restart_tries", "integer", min = 1, max = 1000, metavar = "N", requires = "restart",
    help = "give it up after so many failures; default 10" },
  { "restart_window", "number", min = 1, max = 604800, metavar = "SECONDS", requires = "restart",
    help = "within so long; default 600" },
  { "stable_after", "number", min = 0, max = 604800, metavar = "SECONDS", requires = "restart",
    help = "a run of this length makes up for earlier failures; default 60" },
  { "ready", "string", min = 1, max = 128, metavar = "start|fd|probe|event:TYPE",
    help = "what tells that it is ready; default: what the provider knows, else its start" },
  { "wait", "enum", values = { "provisioned", "ready", "exit" },
    help = "wait until .env is written, until it is ready, or until it has ended" },
  { "timeout", "number", min = 0.1, max = 86400, metavar = "SECONDS", requires = "wait",
    help = "wait no longer than this" },
  { "arg", "list", metavar = "WORD", rest = true,
    help = "argument for the agent; may be repeated, or all of them behind --" },
}

local function copy(list)
  local out = {}
  for key, value in pairs(list) do
    out[key] = type(value) == "table" and copy(value) or value
  end
  return out
end

--- The declaration of a command that spawns: `first`, then what they all take.
-- @param first list of parameters
-- @return a new list
function M.list(first)
  local out = copy(first)
  for _, p in ipairs(COMMON) do
    out[#out + 1] = copy(p)
  end
  return out
end

--- What a terminal shows of a spawn's reply, and of one agent.
-- @return a new list
function M.columns()
  return { "agent_id", "status", "state", "pid", "provider", "model", "session_id", "jail_name", "jail_root_path",
    "provision" }
end

checked.functions(M, "spawn_params", { list = "table", columns = "" })

return M
