-- completion_bash.lua - the bash script; see completion.lua.

local words = require "colibri.completion_words"

local M = {}

-- The parts that do not depend on the commands. _colibri_facts sets, for a verb
-- and a word of it, what may follow.
local HEAD = [=[
# bash completion for colibri; made by: colibri completion bash
]=]

local TAIL = [=[
# Words that begin with what was typed, from "$1".
_colibri_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

# A value: path, other, or a list of words behind "words ".
_colibri_value() {
	case $1 in
	path)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames 2>/dev/null
		;;
	words*) _colibri_words "${1#words}" ;;
	esac
}

_colibri() {
	local cur=${COMP_WORDS[COMP_CWORD]} verb='' place=0 ended='' i=1 word kind
	COMPREPLY=()
	while ((i < COMP_CWORD)); do
		word=${COMP_WORDS[i]}
		if [[ -z $ended && $word == -- ]]; then
			ended=1
		elif [[ -z $ended && $word == -?* ]]; then
			_colibri_flag "$verb" "$word"
			if [[ $kind ]]; then
				((i++))
				if ((i < COMP_CWORD)) && [[ ${COMP_WORDS[i]} == = ]]; then
					((i++))
				fi
				if ((i == COMP_CWORD)); then
					[[ $cur == = ]] && cur=''
					_colibri_value "$kind"
					return
				fi
			fi
		elif [[ -z $verb ]]; then
			verb=$word
		else
			((place++))
		fi
		((i++))
	done
	if [[ -z $ended && $cur == -* ]]; then
		_colibri_flags "$verb"
	elif [[ -z $verb ]]; then
		_colibri_words "$verbs"
	else
		_colibri_place "$verb" "$place"
		_colibri_value "$kind"
	fi
}

complete -F _colibri colibri
]=]

local function kind_text(flag)
  return flag.kind == "words" and "words " .. table.concat(flag.words, " ") or flag.kind
end

local function names_pattern(command)
  return table.concat(command.names, "|")
end

-- _colibri_flags VERB: complete with the flags of the verb.
local function flags_function(commands)
  local out = { "# The flags of a verb, or those before it.", "_colibri_flags() {", "\tcase $1 in",
    "\t'') _colibri_words '--socket --timeout --json --trace --version --help' ;;" }
  for _, command in ipairs(commands) do
    local flags = {}
    for i, flag in ipairs(command.flags) do
      flags[i] = flag.flag
    end
    flags[#flags + 1] = "--json --trace --timeout --help"
    out[#out + 1] = ("\t%s) _colibri_words %s ;;"):format(names_pattern(command), words.quote(table.concat(flags, " ")))
  end
  out[#out + 1] = "\tesac\n}\n"
  return table.concat(out, "\n")
end

-- _colibri_flag VERB FLAG: sets kind, empty for a flag without a value.
local function flag_function(commands)
  local out = { "# What the value of a flag is; empty when it takes none.", "_colibri_flag() {", "\tkind=",
    "\tcase $1/$2 in" }
  for _, command in ipairs(commands) do
    for _, flag in ipairs(command.flags) do
      if flag.kind then
        local patterns = {}
        for i, name in ipairs(command.names) do
          patterns[i] = name .. "/" .. flag.flag
        end
        out[#out + 1] = ("\t%s) kind=%s ;;"):format(table.concat(patterns, "|"), words.quote(kind_text(flag)))
      end
    end
  end
  out[#out + 1] = "\t/--socket) kind=path ;;"
  out[#out + 1] = "\t*/--timeout) kind=other ;;"
  out[#out + 1] = "\tesac\n}\n"
  return table.concat(out, "\n")
end

-- _colibri_place VERB N: sets kind for the N-th word after the verb, from 0.
local function place_function(commands, verbs)
  local out = { "# What a word without a flag is.", "_colibri_place() {", "\tkind=", "\tcase $1/$2 in",
    "\thelp/0) kind=" .. words.quote("words " .. verbs .. " api") .. " ;;",
    "\tcompletion/0) kind=" .. words.quote("words " .. table.concat(words.SHELLS, " ")) .. " ;;" }
  for _, command in ipairs(commands) do
    for i, place in ipairs(command.places) do
      local patterns = {}
      for j, name in ipairs(command.names) do
        patterns[j] = name .. "/" .. (place.list and "*" or i - 1)
      end
      out[#out + 1] = ("\t%s) kind=%s ;;"):format(table.concat(patterns, "|"), words.quote(kind_text(place)))
    end
  end
  out[#out + 1] = "\tesac\n}\n"
  return table.concat(out, "\n")
end

--- See completion.bash.
function M.script(described)
  local commands = words.digest(described)
  local verbs = {}
  for i, command in ipairs(commands) do
    verbs[i] = command.name
  end
  for _, builtin in ipairs(words.BUILTINS) do
    verbs[#verbs + 1] = builtin.name
  end
  local all = table.concat(verbs, " ")
  local tail = TAIL:gsub('"%$verbs"', function() return words.quote(all) end)
  return table.concat({ HEAD, flags_function(commands), flag_function(commands), place_function(commands, all), tail },
    "\n")
end

return M
