-- Provider "local": MODEL is the agent itself, an absolute path inside the jail
-- (on the host for an agent without one).

local err = require "colibri.err"

local PATH = "/usr/local/bin:/usr/bin:/bin"

-- Descriptive facts an agent may want; nothing secret belongs here, launchers
-- may put the environment on a command line.
local function environment(spawn)
  return {
    PATH = PATH,
    HOME = "/",
    LANG = "C.UTF-8",
    COLIBRI_AGENT_ID = spawn.agent_id,
    COLIBRI_SESSION_ID = spawn.session_id,
    COLIBRI_JAIL_NAME = spawn.jail_name,
    COLIBRI_SYSTEM_PROMPT = spawn.system_prompt,
  }
end

return {
  api = 1,
  summary = "run an executable of the jail: MODEL is its absolute path",
  command = function(_, spawn)
    local program = spawn.model
    if program:sub(1, 1) ~= "/" or program:find("\0", 1, true) then
      return nil, err.new("BadParameter", "model of provider 'local' is the absolute path of a program, not '%s'",
        program)
    end
    local argv = { program }
    if program:match("[^/]*$") == "colibri-test-agent" and spawn.session_id then
      argv[2], argv[3] = "--session-id", spawn.session_id
    end
    for _, word in ipairs(spawn.args or {}) do
      argv[#argv + 1] = word
    end
    return argv, environment(spawn)
  end,
}
