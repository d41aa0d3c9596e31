-- completion_fish.lua - the fish script; see completion.lua.

local words = require "colibri.completion_words"

local M = {}

local HEAD = [=[
# fish completion for colibri; made by: colibri completion fish

function __colibri_verb --description 'The verb of the command line, if it has one'
    set -l words (commandline -opc)
    set -l skip
    for word in $words[2..]
        if test -n "$skip"
            set skip
            continue
        end
        switch $word
            case --socket --timeout
                set skip 1
            case '-*'
            case '*'
                echo -- $word
                return 0
        end
    end
    return 1
end

function __colibri_in
    set -l verb (__colibri_verb)
    and contains -- $verb $argv
end

complete -c colibri -f
complete -c colibri -n 'not __colibri_verb >/dev/null' -l socket -rF -d 'socket of the daemon'
complete -c colibri -n 'not __colibri_verb >/dev/null' -l version -d 'version of this program'
complete -c colibri -l timeout -x -d 'give up after so many seconds'
complete -c colibri -l trace -d 'the traceback of an error of a script'
complete -c colibri -l json -d 'one JSON object per line'
complete -c colibri -l help -s h -d 'all verbs; after a verb, its help'
]=]

-- fish knows two escapes within single quotes.
local function quote(s)
  return "'" .. s:gsub("[\\']", "\\%0") .. "'"
end

local function value(what)
  if not what.kind then
    return ""
  elseif what.kind == "path" then
    return " -rF"
  elseif what.kind == "words" then
    return " -xa " .. quote(table.concat(what.words, " "))
  end
  return " -x"
end

local function add_command(out, command)
  local condition = quote("__colibri_in " .. table.concat(command.names, " "))
  for _, flag in ipairs(command.flags) do
    out[#out + 1] = ("complete -c colibri -n %s -l %s%s -d %s"):format(condition, flag.flag:sub(3), value(flag),
      quote(flag.help))
  end
  for _, place in ipairs(command.places) do
    if place.kind == "path" then
      out[#out + 1] = ("complete -c colibri -n %s -F"):format(condition)
    elseif place.kind == "words" then
      out[#out + 1] = ("complete -c colibri -n %s -a %s"):format(condition, quote(table.concat(place.words, " ")))
    end
  end
end

--- See completion.fish.
function M.script(described)
  local commands = words.digest(described)
  local out, names = { HEAD }, {}
  for _, set in ipairs { commands, words.BUILTINS } do
    for _, verb in ipairs(set) do
      out[#out + 1] = ("complete -c colibri -n 'not __colibri_verb >/dev/null' -a %s -d %s"):format(verb.name,
        quote(verb.summary))
      names[#names + 1] = verb.name
    end
  end
  for _, command in ipairs(commands) do
    add_command(out, command)
  end
  out[#out + 1] = "complete -c colibri -n '__colibri_in help' -a " .. quote(table.concat(names, " ") .. " api")
  out[#out + 1] = "complete -c colibri -n '__colibri_in completion' -a " .. quote(table.concat(words.SHELLS, " "))
  return table.concat(out, "\n") .. "\n"
end

return M
