-- Completion scripts: what is in them, and that nothing breaks their quoting.
local completion = require "colibri.completion"
local t = require "colibri.test"

local COMMANDS = {
  { name = "delete-tenant", summary = "forget it: the tenant's [row]", aliases = { "unregister-tenant" }, params = {
    { name = "tenant_id", type = "name", positional = true, required = true },
    { name = "purge_env", type = "boolean", help = "remove it's $(env) `too`" } } },
  { name = "spawn-agent", params = {
    { name = "provider", type = "enum", values = { "local", "other" }, positional = true, required = true },
    { name = "model", type = "path", positional = true },
    { name = "jail_root", type = "path", help = "root" },
    { name = "provision", type = "enum", values = { "after", "before", "bad word" } },
    { name = "secret_flag", type = "string", hidden = true },
    { name = "full", type = "boolean", default = true },
    { name = "arg", type = "list" } } },
  { name = "bad;name", params = {} },
}

local function has(script, ...)
  for _, want in ipairs { ... } do
    t.ok(script:find(want, 1, true), "no " .. want)
  end
end

t.test("bash", function()
  local script = completion.bash(COMMANDS)
  has(script, "_colibri_words 'delete-tenant spawn-agent help console top completion version'",
    "delete-tenant|unregister-tenant) _colibri_words '--purge-env --json --trace --timeout --help' ;;",
    "spawn-agent/--jail-root) kind='path' ;;", "spawn-agent/--provision) kind='words after before' ;;",
    "spawn-agent/0) kind='words local other' ;;", "spawn-agent/1) kind='path' ;;", "--no-full",
    "complete -F _colibri colibri\n")
  t.ok(not script:find("purge-env) kind", 1, true), "a boolean takes no value")
end)

t.test("zsh", function()
  local script = completion.zsh(COMMANDS)
  has(script, "#compdef colibri\n", "'delete-tenant:forget it\\: the tenant'\\''s \\[row\\]'",
    "'--purge-env[remove it'\\''s $(env) `too`]'", "'--jail-root=[root]:jail-root:_files'",
    "'--provision=[]:provision:(after before)'", "'*--arg=[]:arg: '", "'1:provider:(local other)'",
    "'2:model:_files'", "delete-tenant|unregister-tenant) _arguments")
end)

t.test("fish", function()
  local script = completion.fish(COMMANDS)
  has(script, "-a delete-tenant -d 'forget it: the tenant\\'s [row]'",
    "-n '__colibri_in delete-tenant unregister-tenant' -l purge-env -d 'remove it\\'s $(env) `too`'",
    "-l jail-root -rF -d 'root'", "-l provision -xa 'after before'", "-l arg -x", "-a 'local other'")
end)

t.test("all", function()
  for _, shell in ipairs { "bash", "zsh", "fish" } do
    local script = completion[shell](COMMANDS)
    for _, never in ipairs { "bad;name", "bad word", "secret-flag", "secret_flag" } do
      t.ok(not script:find(never, 1, true), shell .. " has " .. never)
    end
    t.eq(script, completion[shell](COMMANDS), shell)
    t.ok(#completion[shell] {} > 0)
  end
end)
