-- cli_help.lua - usage lines and help, from what `describe` tells.

local params = require "colibri.params"
local text = require "colibri.text"

local M = {}

-- Verbs of the CLI itself.
M.BUILTINS = {
  { "help [VERB]", "this overview, or the help of one verb" },
  { "help api [NAME]", "what a script may use, or one name of that" },
  { "console [--write]", "a Lua prompt inside the daemon" },
  { "top [SECONDS]", "all agents, refreshed as one looks; needs a daemon" },
  { "completion bash|zsh|fish", "a completion script for the shell" },
  { "version", "version of this program" },
}

local GLOBALS = {
  { "--socket PATH", "socket of the daemon (COLIBRI_DAEMON_SOCKET)" },
  { "--timeout SECONDS", "give up after so long; by default a little after the daemon would" },
  { "--trace", "after an error of a script, its traceback" },
  { "--json", "one JSON object per line, on a terminal too" },
  { "--version", "version of this program" },
  { "--help, -h", "this overview; after a verb, its help" },
}

local EXIT_CODES = {
  { "0", "done" },
  { "1", "the daemon refused or failed" },
  { "2", "wrong usage" },
  { "3", "the daemon cannot be reached" },
  { "4", "timed out" },
}

--- What stands for the value of a parameter: "TENANT_ID", "after|before".
function M.metavar(p)
  if p.metavar then
    return p.metavar
  elseif p.values and not p.positional then
    return table.concat(p.values, "|")
  end
  return p.name:upper()
end

--- A flag with its value as it is written: "--jail-name NAME", "--update"; for a
-- boolean that is on by default, what turns it off.
function M.option(p)
  if p.type == "boolean" then
    return (p.default == true and "--no-" or "--") .. params.flag(p)
  end
  return "--" .. params.flag(p) .. " " .. M.metavar(p)
end

-- The positional at its place.
local function positional(p)
  local word = M.metavar(p) .. (p.type == "list" and "..." or "")
  return p.required and word or "[" .. word .. "]"
end

-- Which flags are shown within the brackets of which other one.
local function nest(command)
  local by_name, inside, top = {}, {}, {}
  for _, p in ipairs(command.params) do
    by_name[p.name] = p
  end
  for _, p in ipairs(command.params) do
    if not p.positional and not p.hidden then
      local outer = p.requires and not p.required and by_name[p.requires]
      if outer and not outer.positional and not outer.hidden and not outer.required then
        inside[outer.name] = inside[outer.name] or {}
        table.insert(inside[outer.name], p)
      else
        top[#top + 1] = p
      end
    end
  end
  return top, inside
end

local function bracket(p, inside)
  local word = M.option(p)
  if p.required then
    return p.type == "list" and word .. " [" .. word .. "]..." or word
  end
  for _, inner in ipairs(inside[p.name] or {}) do
    word = word .. " " .. bracket(inner, inside)
  end
  return "[" .. word .. "]" .. (p.type == "list" and "..." or "")
end

--- One usage line: "register-tenant TENANT_ID JAIL_ROOT_PATH COLLECTION_ID [--update]".
-- A flag that requires another one stands in its brackets.
-- @param command table of describe
function M.usage(command)
  local words = { command.name }
  for _, p in ipairs(command.params) do
    if p.positional and not p.hidden then
      words[#words + 1] = positional(p)
    end
  end
  local top, inside = nest(command)
  for _, p in ipairs(top) do
    words[#words + 1] = bracket(p, inside)
  end
  for _, p in ipairs(command.params) do
    words[#words + 1] = p.rest and "[-- " .. M.metavar(p) .. "...]" or nil
  end
  return table.concat(words, " ")
end

local function range(p)
  local length = p.type ~= "integer" and p.type ~= "number"
  if length then
    return nil -- limits of lengths are seldom met and only in the way here
  elseif p.min and p.max then
    return ("%s to %s"):format(p.min, p.max)
  elseif p.min then
    return ("at least %s"):format(p.min)
  end
  return p.max and ("at most %s"):format(p.max)
end

-- What the declaration says besides its help.
local function facts(p, by_name)
  local out = {}
  if p.positional and p.values then
    out[#out + 1] = "one of " .. table.concat(p.values, ", ")
  end
  out[#out + 1] = range(p)
  if p.default ~= nil and type(p.default) ~= "table" and p.type ~= "boolean" then
    out[#out + 1] = "default " .. tostring(p.default)
  end
  local other = p.requires and by_name[p.requires]
  if other then
    out[#out + 1] = "needs " .. (other.positional and M.metavar(other) or "--" .. params.flag(other))
  end
  if p.required and not p.positional then
    out[#out + 1] = "required"
  end
  return #out > 0 and " (" .. table.concat(out, "; ") .. ")" or ""
end

local function add(lines, more)
  table.move(more, 1, #more, #lines + 1, lines)
end

local function finish(lines)
  return table.concat(lines, "\n") .. "\n"
end

--- The help of one verb.
-- @param command table of describe
-- @return text that ends in a newline
function M.help(command)
  local lines = { "usage: colibri " .. M.usage(command), "" }
  add(lines, text.wrap(command.summary or "", 80))
  local by_name, rows = {}, {}
  for _, p in ipairs(command.params) do
    by_name[p.name] = p
  end
  for _, first in ipairs { true, false } do
    for _, p in ipairs(command.params) do
      if not p.hidden and (p.positional or false) == first then
        local short = p.short and "-" .. p.short .. ", " or ""
        rows[#rows + 1] = { first and M.metavar(p) or short .. M.option(p), (p.help or "") .. facts(p, by_name) }
      end
    end
  end
  if #rows > 0 then
    lines[#lines + 1] = ""
    add(lines, text.two_columns(rows))
  end
  if command.aliases and #command.aliases > 0 then
    add(lines, { "", "other names: " .. table.concat(command.aliases, ", ") })
  end
  return finish(lines)
end

--- All verbs with their summaries, the options of every verb, the exit codes.
-- @param commands list of describe
-- @return text that ends in a newline
function M.overview(commands)
  local lines = { "usage: colibri [--socket PATH] [--timeout SECONDS] [--json] VERB ...", "", "verbs:" }
  local rows = {}
  for _, command in ipairs(commands) do
    rows[#rows + 1] = { command.name, command.summary or "" }
  end
  add(lines, text.two_columns(rows))
  add(lines, { "", "without a daemon too:" })
  add(lines, text.two_columns(M.BUILTINS))
  add(lines, { "", "options:" })
  add(lines, text.two_columns(GLOBALS))
  add(lines, { "", "exit status:" })
  add(lines, text.two_columns(EXIT_CODES))
  return finish(lines)
end

return M
