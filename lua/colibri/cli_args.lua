-- cli_args.lua - words of a command line become a request.
--
-- The grammar comes from `describe`, so a command that a site adds is a verb at
-- once. Names, paths and ranges are the daemon's to check: it says more.

local err = require "colibri.err"
local help = require "colibri.cli_help"
local json = require "core.json"
local nearest = require "colibri.nearest"
local params = require "colibri.params"
local values = require "colibri.cli_values"

local M = {}

M.usage, M.help, M.overview = help.usage, help.help, help.overview

-- @return nil, err(Usage) with `usage`, the line to show below it
local function fail(command, fmt, ...)
  local e = err.new("Usage", fmt, ...)
  e.usage = command and help.usage(command)
  return nil, e
end

-- Put the value of one word into the request; `shown` names it in errors.
local function set(state, p, word, shown)
  local request = state.request
  local v, why, hint = values.convert(p, word)
  if why then
    return fail(state.command, "%s %s, not '%s'%s", shown, why, word, hint or "")
  elseif p.type == "list" then
    request[p.name] = request[p.name] or json.array {}
    table.insert(request[p.name], v)
  elseif request[p.name] ~= nil then
    return fail(state.command, "option given twice: %s", shown)
  else
    request[p.name] = v
  end
  return true
end

-- Flags and positionals of a command, and the words of its flags for hints.
local function grammar(command)
  local g = { flags = {}, positionals = {}, words = { "--help", "--json", "--timeout", "--trace" } }
  for _, p in ipairs(command.params) do
    if p.positional then
      g.positionals[#g.positionals + 1] = p
    else
      local flag = "--" .. params.flag(p)
      g.flags[flag] = { param = p }
      g.words[#g.words + 1] = flag
      g.rest = p.rest and p or g.rest
      if p.short then
        g.flags["-" .. p.short] = g.flags[flag]
      end
      if p.type == "boolean" then
        g.flags["--no-" .. params.flag(p)] = { param = p, off = true }
      end
    end
  end
  return g
end

-- The value of a flag: behind "=", or the next word.
local function take_value(state, flag, value)
  if value == nil then
    state.at = state.at + 1
    value = state.argv[state.at]
  end
  if value == nil then
    return fail(state.command, "option %s needs a value", flag)
  end
  return value
end

-- Options of the CLI itself; they may follow the verb too, but for --socket.
local function global_option(state, flag, value)
  if flag == "--json" and value == nil then
    state.options.json = true
    return true
  elseif flag == "--trace" and value == nil then
    state.options.trace = true
    return true
  elseif flag == "--timeout" then
    local word, e = take_value(state, flag, value)
    if not word then
      return nil, e
    end
    state.options.timeout = values.seconds(word)
    if not state.options.timeout then
      return fail(state.command, "option --timeout must be a number of seconds, not '%s'", word)
    end
    return true
  elseif flag == "--socket" and state.command then
    return fail(state.command, "option --socket goes before the verb")
  end
  return fail(state.command, "unknown option: %s%s", flag, nearest.hint(flag, state.grammar.words))
end

local function parse_flag(state, word)
  local flag, value = word:match("^(%-%-[^=]+)=(.*)$")
  flag = flag or word
  local known = state.grammar.flags[flag]
  if not known then
    return global_option(state, flag, value)
  elseif known.off and value ~= nil then
    return fail(state.command, "option %s takes no value", flag)
  elseif known.param.type == "boolean" then
    return set(state, known.param, value or (known.off and "false" or "true"), flag)
  end
  local e
  value, e = take_value(state, flag, value)
  if not value then
    return nil, e
  end
  return set(state, known.param, value, flag)
end

-- Behind "--" a command may take all that follows its positionals.
local function parse_positional(state, word, ended)
  local p, rest = state.grammar.positionals[state.place], state.grammar.rest
  if not p and rest and ended then
    return set(state, rest, word, help.metavar(rest))
  elseif not p then
    return fail(state.command, "unexpected argument: '%s'%s", word,
      rest and ("; %s goes behind --"):format(help.metavar(rest)) or "")
  end
  if p.type ~= "list" then
    state.place = state.place + 1
  end
  return set(state, p, word, help.metavar(p))
end

local function shown_name(p)
  return p.positional and help.metavar(p) or "--" .. params.flag(p)
end

-- Required parameters and `requires`.
local function check_complete(state)
  local by_name = {}
  for _, p in ipairs(state.command.params) do
    by_name[p.name] = p
    if p.required and state.request[p.name] == nil then
      return fail(state.command, "%s is missing", shown_name(p))
    end
  end
  for _, p in ipairs(state.command.params) do
    local other = p.requires and by_name[p.requires]
    if other and state.request[p.name] and not state.request[other.name] and not other.default then
      return fail(state.command, "%s needs %s too", shown_name(p), shown_name(other))
    end
  end
  return true
end

-- Is it a word and no flag? "-" and numbers such as -5 are words.
local function is_word(word)
  return word:sub(1, 1) ~= "-" or word == "-" or word:find("^%-[%d.]") ~= nil
end

-- All words after the verb. Returns "help" when help was asked for.
local function parse_words(state)
  local ended = false
  while state.at <= #state.argv do
    local word = state.argv[state.at]
    local ok, e = true, nil
    if ended or is_word(word) then
      ok, e = parse_positional(state, word, ended)
    elseif word == "--" then
      ended = true
    elseif word == "--help" or word == "-h" then
      return "help"
    else
      ok, e = parse_flag(state, word)
    end
    if not ok then
      return nil, e
    end
    state.at = state.at + 1
  end
  return check_complete(state)
end

--- The command of a verb.
-- @param verb string: name or alias
-- @param commands list of describe
-- @return command | nil, err(UnknownCommand) that suggests others
function M.find(verb, commands)
  local names = { "help", "console", "top", "completion", "version" }
  for _, command in ipairs(commands) do
    names[#names + 1] = command.name
    if command.name == verb then
      return command
    end
  end
  for _, command in ipairs(commands) do
    for _, alias in ipairs(command.aliases or {}) do
      if alias == verb then
        return command
      end
    end
  end
  return nil, err.new("UnknownCommand", "no command '%s'%s", verb, nearest.hint(verb, names, 3))
end

--- A command line without the options before the verb.
-- @param argv list of words: verb, arguments
-- @param commands list of describe
-- @return { verb = name, request = { cmd = name, ... }, command =, json =, timeout = seconds|nil, trace = true|nil }, or
--   { help = verb | true }, or nil, err: Usage (with `usage`, a line) or UnknownCommand
function M.parse(argv, commands)
  local verb = argv[1]
  if verb == nil then
    return fail(nil, "a verb is missing")
  elseif verb == "--help" or verb == "-h" then
    return { help = true }
  elseif verb == "help" then
    return { help = argv[2] or true }
  elseif verb:sub(1, 1) == "-" then
    return fail(nil, "unknown option: %s", verb)
  end
  local command, e = M.find(verb, commands)
  if not command then
    return nil, e
  end
  local state = { argv = argv, at = 2, place = 1, command = command, grammar = grammar(command),
    request = { cmd = command.name }, options = {} }
  local ok
  ok, e = parse_words(state)
  if not ok then
    return nil, e
  elseif ok == "help" then
    return { help = command.name }
  end
  return { verb = command.name, request = state.request, command = command, json = state.options.json or false,
    timeout = state.options.timeout, trace = state.options.trace }
end

--- The options before the verb.
-- @param argv list of words
-- @return { socket =, timeout =, json =, trace =, version =, help = }, rest: the words from
--   the verb on; or nil, err(Usage)
function M.globals(argv)
  local state = { argv = argv, at = 1, options = {},
    grammar = { words = { "--socket", "--timeout", "--json", "--trace", "--version", "--help" } } }
  local options = state.options
  while argv[state.at] and argv[state.at]:sub(1, 1) == "-" do
    local word = argv[state.at]
    local flag, value = word:match("^(%-%-[^=]+)=(.*)$")
    local ok, e = true, nil
    if word == "--" then
      state.at = state.at + 1
      break
    elseif word == "--help" or word == "-h" then
      options.help = true
    elseif word == "--version" then
      options.version = true
    elseif (flag or word) == "--socket" then
      options.socket, e = take_value(state, "--socket", value)
      ok = options.socket
      if ok == "" then
        ok, e = fail(nil, "option --socket needs a path")
      end
    else
      ok, e = global_option(state, flag or word, value)
    end
    if not ok then
      return nil, e
    end
    state.at = state.at + 1
  end
  return options, table.move(argv, state.at, #argv, 1, {})
end

return M
