-- Provider "pi": `pi --mode json`, which drives itself; its prompt is an argument.
--
-- MODEL is given as --model, unless it is `default`. A site whose pi wants it
-- otherwise overrides this file.

return {
  api = 1,
  summary = "pi in JSON mode: MODEL is a model's name, or default",
  input = false,
  env = { "ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY" },
  command = function(_, spawn)
    local argv = { "/usr/local/bin/pi", "--mode", "json" }
    if spawn.model ~= "default" then
      table.move({ "--model", spawn.model }, 1, 2, 4, argv)
    end
    for _, word in ipairs(spawn.args or {}) do
      argv[#argv + 1] = word
    end
    argv[#argv + 1] = spawn.prompt
    return argv, { PATH = "/usr/local/bin:/usr/bin:/bin", HOME = "/", LANG = "C.UTF-8",
      COLIBRI_AGENT_ID = spawn.agent_id, COLIBRI_SESSION_ID = spawn.session_id, COLIBRI_JAIL_NAME = spawn.jail_name,
      COLIBRI_SYSTEM_PROMPT = spawn.system_prompt }
  end,
}
