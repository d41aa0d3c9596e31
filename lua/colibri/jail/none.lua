-- No jail: the agent runs on the host as the daemon's user.

local launch = require "colibri.launch"

return {
  api = 1,
  summary = "no jail: run the agent on the host",
  hold = "exec",
  launch = function(_, jail, argv)
    local ok, e = launch.no_user(jail, "none")
    if not ok then
      return nil, e
    end
    return argv
  end,
}
