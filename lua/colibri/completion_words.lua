-- completion_words.lua - what the completion scripts of all shells are made of.

local params = require "colibri.params"

local M = {}

--- Verbs of the CLI itself with their summaries.
M.BUILTINS = {
  { name = "help", summary = "the verbs, the help of one, or what a script may use" },
  { name = "console", summary = "a Lua prompt inside the daemon" },
  { name = "top", summary = "all agents, refreshed as one looks" },
  { name = "completion", summary = "a completion script for a shell" },
  { name = "version", summary = "version of this program" },
}

M.SHELLS = { "bash", "zsh", "fish" }

--- A word in single quotes, for bash and zsh.
function M.quote(s)
  return "'" .. s:gsub("'", "'\\''") .. "'"
end

-- Only words without a meaning for a shell; the daemon's loader lets no others in.
local function is_plain(word)
  return word:find("^[%w_][%w_.:-]*$") ~= nil
end

local function kind(p)
  if p.type == "boolean" then
    return nil
  elseif p.type == "path" then
    return "path"
  elseif p.type == "enum" then
    local words = {}
    for _, value in ipairs(p.values or {}) do
      words[#words + 1] = is_plain(value) and value or nil
    end
    return "words", words
  end
  return "other"
end

local function summary(s)
  return (s or ""):gsub("%c", " ")
end

--- A command as the shells need it.
-- @return { name, names = name and aliases, summary, flags = list of { flag = "--x", kind = nil
--   (takes no value) | "path" | "words" | "other", words =, help =, list = boolean }, places = list of
--   { name, kind, words, list } }
local function digest(command)
  local out = { name = command.name, names = { command.name }, summary = summary(command.summary), flags = {},
    places = {} }
  for _, alias in ipairs(command.aliases or {}) do
    out.names[#out.names + 1] = is_plain(alias) and alias or nil
  end
  for _, p in ipairs(command.params) do
    local what, words = kind(p)
    if p.positional then
      out.places[#out.places + 1] = { name = p.name, kind = what, words = words, list = p.type == "list" }
    elseif not p.hidden then
      local flag = { flag = "--" .. params.flag(p), kind = what, words = words, help = summary(p.help),
        list = p.type == "list" }
      if p.type == "boolean" and p.default == true then
        flag.flag = "--no-" .. params.flag(p)
      end
      out.flags[#out.flags + 1] = flag
    end
  end
  return out
end

--- All commands so, with those left out whose name a shell would not take as it is.
function M.digest(commands)
  local out = {}
  for _, command in ipairs(commands) do
    if is_plain(command.name) then
      out[#out + 1] = digest(command)
    end
  end
  return out
end

return M
