-- completion_zsh.lua - the zsh script; see completion.lua.

local words = require "colibri.completion_words"

local M = {}

local HEAD = [=[
#compdef colibri
# zsh completion for colibri; made by: colibri completion zsh

]=]

-- Sourced by eval it registers itself; on fpath zsh calls it as _colibri.
local TAIL = [=[

if [[ ${funcstack[1]} == _colibri ]]; then
	_colibri "$@"
elif (( $+functions[compdef] )); then
	compdef _colibri colibri
fi
]=]

-- Text inside the [..] and :..: of an _arguments specification.
local function plain(s)
  return (s:gsub("[%[%]:\\]", "\\%0"))
end

local function action(what)
  if what.kind == "path" then
    return "_files"
  elseif what.kind == "words" then
    return "(" .. table.concat(what.words, " ") .. ")"
  end
  return " "
end

local function flag_spec(flag)
  local spec = (flag.list and "*" or "") .. flag.flag .. (flag.kind and "=" or "") .. "[" .. plain(flag.help) .. "]"
  if flag.kind then
    spec = spec .. ":" .. plain(flag.flag:sub(3)) .. ":" .. action(flag)
  end
  return words.quote(spec)
end

local function place_spec(i, place)
  return words.quote((place.list and "*" or i) .. ":" .. plain(place.name) .. ":" .. action(place))
end

local function command_case(command)
  local specs = { "'--json[one JSON object per line]'", "'--trace[the traceback of an error of a script]'",
    "'--timeout=[give up after so many seconds]:seconds: '",
    "'(- *)--help[help of this verb]'" }
  for _, flag in ipairs(command.flags) do
    specs[#specs + 1] = flag_spec(flag)
  end
  for i, place in ipairs(command.places) do
    specs[#specs + 1] = place_spec(i, place)
  end
  return ("\t\t%s) _arguments -s %s ;;"):format(table.concat(command.names, "|"), table.concat(specs, " \\\n\t\t\t"))
end

--- See completion.zsh.
function M.script(described)
  local commands = words.digest(described)
  local list, names, cases = {}, {}, {}
  for _, set in ipairs { commands, words.BUILTINS } do
    for _, verb in ipairs(set) do
      list[#list + 1] = "\t\t" .. words.quote(plain(verb.name) .. ":" .. plain(verb.summary))
      names[#names + 1] = verb.name
    end
  end
  for i, command in ipairs(commands) do
    cases[i] = command_case(command)
  end
  cases[#cases + 1] = "\t\thelp) _arguments " .. words.quote("1:verb:(" .. table.concat(names, " ") .. " api)") .. " ;;"
  cases[#cases + 1] = "\t\tcompletion) _arguments " ..
    words.quote("1:shell:(" .. table.concat(words.SHELLS, " ") .. ")") .. " ;;"
  return HEAD .. "_colibri() {\n\tlocal curcontext=\"$curcontext\" state line\n\tlocal -a verbs\n" ..
    "\ttypeset -A opt_args\n\tverbs=(\n" .. table.concat(list, "\n") .. "\n\t)\n" .. [=[
	_arguments -C \
		'--socket=[socket of the daemon]:socket:_files' \
		'--timeout=[give up after so many seconds]:seconds: ' \
		'--json[one JSON object per line]' \
		'--trace[the traceback of an error of a script]' \
		'(- *)--version[version of this program]' \
		'(- *)--help[all verbs]' \
		'1: :->verb' '*:: :->words'
	case $state in
	verb) _describe -t commands verb verbs ;;
	words)
		case ${words[1]} in
]=] .. table.concat(cases, "\n") .. "\n\t\tesac\n\t\t;;\n\tesac\n}\n" .. TAIL
end

return M
