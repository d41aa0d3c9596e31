-- systemd-nspawn over the jail root (Linux); needs root, so jail_priv_mode counts.
--
-- nspawn starts its payload with an environment of its own: the agent's is
-- given word by word. It locks the root, so there is one agent at a time in it.

local launch = require "colibri.launch"

-- A machine name is a host name: letters, digits, inner hyphens.
local function machine_name(name)
  name = name:gsub("_", "-"):gsub("^%-+", ""):gsub("%-+$", "")
  return name ~= "" and name or "jail"
end

return {
  api = 1,
  summary = "systemd-nspawn over the jail root (Linux)",
  launch = function(ctx, jail, argv, env)
    local root, e = launch.root_of(jail, "nspawn")
    if not root then
      return nil, e
    end
    local words = { "systemd-nspawn", "--directory=" .. root, "--quiet", "--register=no", "--keep-unit",
      "--as-pid2", "--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
      "--no-new-privileges=yes" }
    if jail.name then
      words[#words + 1] = "--machine=" .. machine_name(jail.name)
    end
    if jail.user then
      words[#words + 1] = "--user=" .. jail.user
    end
    if jail.cwd then
      words[#words + 1] = "--chdir=" .. jail.cwd
    end
    launch.append(words, launch.env_words(env, "--setenv="))
    words[#words + 1] = "--"
    local out
    out, e = launch.privileged(ctx, words)
    if not out then
      return nil, e
    end
    return launch.append(out, argv)
  end,
}
