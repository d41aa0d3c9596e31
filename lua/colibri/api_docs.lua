-- api_docs.lua - everything `make docs` writes: file names to texts.
--
-- scripts/docs.lua writes the result, tests/check/api_test.lua compares it with
-- what is committed.

local api = require "colibri.api"
local dirs = require "colibri.dirs"
local err = require "colibri.err"
local luals = require "colibri.api_luals"
local markdown = require "colibri.api_markdown"
local scripts = require "colibri.scripts"

local M = {}

-- Replace what stands between the markers of a page.
local function put(file, text, key, new)
  local open, close = ("<!-- make docs: %s -->\n"):format(key), ("<!-- end of %s -->"):format(key)
  local _, from = text:find(open, 1, true)
  local to = from and text:find(close, from, true)
  if not to then
    error(err.new("BadScript", "%s: the markers '%s' and '%s' are gone", file, open:sub(1, -2), close), 0)
  end
  return text:sub(1, from) .. new .. text:sub(to), text:sub(from + 1, to - 1)
end

-- Rows of a table that are there no more, by their first word in backticks:
-- somebody wrote them by hand, into the page instead of the description.
local function lost_rows(old, new)
  local out = {}
  for line in old:gmatch("[^\n]+") do
    local name = line:match("^| (`[^`]+`)")
    if name and not new:find("| " .. name, 1, true) then
      out[#out + 1] = line
    end
  end
  return out
end

local function hook_names(gen)
  local out = {}
  for event, list in pairs(gen.hooks) do
    out[event] = {}
    for i, hook in ipairs(list) do
      out[event][i] = hook.name
    end
  end
  return out
end

--- What should be there. Waits.
-- @param read function(name) -> text of a file of the tree | nil, err
-- @return { [name] = text }, list of texts about rows that would be lost | nil, err
function M.files(read)
  local model, e = api.load()
  if not model then
    return nil, e
  elseif #model.problems > 0 then
    return nil, err.new("BadScript", "%s", table.concat(model.problems, "; "))
  end
  local gen, errors = scripts.build()
  if not gen then
    return nil, errors[1]
  end
  local hooks = hook_names(gen)
  local files, lost = luals.files(model), {}
  files["docs/API.md"] = markdown.page(model)
  local sections = {
    { "docs/HOOKS.md", "events", markdown.events(model, hooks), "docs/api/events.lua" },
    { "docs/HOOKS.md", "payloads", markdown.payloads(model), "docs/api/events.lua" },
    { "hooks/README.md", "events", markdown.hooks_readme(model, hooks), "docs/api/events.lua" },
    { "docs/PROTOCOL.md", "commands", markdown.commands(scripts.describe(gen).commands), "lua/commands/" },
    { "docs/PROTOCOL.md", "errors", markdown.errors(model), "docs/api/errors.lua" },
  }
  for _, section in ipairs(sections) do
    local file, key, new, source = table.unpack(section)
    local text
    text, e = files[file] or read(file), nil
    if not text then
      return nil, e or err.new("NotFound", "%s is not there", file)
    end
    local old
    files[file], old = put(file, text, key, new)
    for _, row in ipairs(lost_rows(old, new)) do
      lost[#lost + 1] = ("%s has a row that %s does not know; add it there: %s"):format(file, source, row)
    end
  end
  return files, lost
end

--- Write one of them below the open root of the tree.
-- @return change | nil, err
function M.write(root, name, text)
  local ok, e = dirs.above(root, name, 0x1ed) -- 0755
  if not ok then
    return nil, e
  end
  return root:write(name, text, { mode = 0x1a4 }) -- 0644
end

return M
