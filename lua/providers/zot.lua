-- Provider "zot": `zot rpc`, which takes prompts as JSON lines on stdin.
--
-- MODEL is given as --model, unless it is `default`. A site whose zot wants it
-- otherwise overrides this file.

return {
  api = 1,
  summary = "zot in RPC mode: MODEL is a model's name, or default",
  input = true,
  env = { "ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY" },
  prompt = function(ctx, text, number)
    return ctx.json.encode { id = tostring(number), type = "prompt", message = text }
  end,
  command = function(_, spawn)
    local argv = { "/usr/local/bin/zot", "rpc" }
    if spawn.model ~= "default" then
      table.move({ "--model", spawn.model }, 1, 2, 3, argv)
    end
    for _, word in ipairs(spawn.args or {}) do
      argv[#argv + 1] = word
    end
    return argv, { PATH = "/usr/local/bin:/usr/bin:/bin", HOME = "/", LANG = "C.UTF-8",
      COLIBRI_AGENT_ID = spawn.agent_id, COLIBRI_SESSION_ID = spawn.session_id, COLIBRI_JAIL_NAME = spawn.jail_name,
      COLIBRI_SYSTEM_PROMPT = spawn.system_prompt }
  end,
}
