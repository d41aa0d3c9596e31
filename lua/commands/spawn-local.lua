return {
  api = 1,
  summary = "short for spawn-agent local EXECUTABLE",
  access = "change",
  timeout = 300,
  params = {
    { "model", "string", positional = true, required = true, min = 1, max = 4096, metavar = "EXECUTABLE",
      help = "path of an executable in the jail" },
    { "session_id", "string", min = 1, max = 128, help = "session of the agent; made up when absent" },
    { "system_prompt", "string", metavar = "TEXT", help = "system prompt, in COLIBRI_SYSTEM_PROMPT" },
    { "jail_name", "name", metavar = "NAME", help = "jail to start it in; also the tenant" },
    { "jail_root", "path", metavar = "PATH", requires = "jail_name",
      help = "root of the jail as the host sees it; with it .env is provisioned" },
    { "provision", "enum", values = { "after", "before" }, default = "after",
      help = "write .env after the start, or before the agent may run" },
    { "arg", "list", metavar = "WORD", help = "argument for the agent; may be repeated" },
  },
  columns = { "agent_id", "status", "state", "pid", "provider", "model", "session_id", "jail_name", "jail_root_path",
    "provision" },
  run = function(ctx, args)
    args.provider = "local"
    return ctx.agents:spawn(args)
  end,
}
