-- script_extract.lua - a starting point for an override: a site script that wraps
-- the shipped one and does what that does.

local dirs = require "colibri.dirs"
local err = require "colibri.err"
local nearest = require "colibri.nearest"
local script_kinds = require "colibri.script_kinds"

local M = {}

-- What the functions of each kind are called with.
local ARGUMENTS = {
  commands = { run = "ctx, args" }, hooks = { run = "ctx, event" }, jail = { launch = "ctx, jail, argv, env" },
  policy = { decide = "state, event_type" }, providers = { command = "ctx, spawn" }, steps = { run = "ctx, proof" },
  vault = { open = "ctx" },
}

-- In this order; others follow by name.
local FIRST = { "summary", "access", "aliases", "params", "change_params", "columns", "timeout", "before", "after", "on_error" }

-- Not carried over: the stock's own, and what is written anyway.
local LEFT_OUT = { api = true, wraps = true, disabled = true, self_check = true }

local function field_names(kind, def)
  local fields, names, done = script_kinds.fields(kind), {}, {}
  for _, name in ipairs(FIRST) do
    done[name] = true
    if fields[name] and def[name] ~= nil then
      names[#names + 1] = name
    end
  end
  local rest = {}
  for name in pairs(fields) do
    if not done[name] and not LEFT_OUT[name] and def[name] ~= nil then
      rest[#rest + 1] = name
    end
  end
  table.sort(rest)
  return table.move(rest, 1, #rest, #names + 1, names)
end

--- The text of an override.
-- @param name string: "hooks/spawn_after/provision"
-- @param digest string: of the shipped file
-- @param def table: the shipped script
function M.text(name, digest, def)
  local kind = name:match("^[^/]+")
  local lines = {
    ("-- %s: wraps the shipped script; see docs/SCRIPTING.md."):format(name),
    "local shipped = stock()", "", "return {", "  api = 1,",
    ('  wraps = "%s", -- `colibri scripts` tells when that one changes'):format(digest),
  }
  for _, field in ipairs(field_names(kind, def)) do
    if type(def[field]) == "function" then
      local arguments = ARGUMENTS[kind] and ARGUMENTS[kind][field] or "..."
      lines[#lines + 1] = ("  %s = function(%s)"):format(field, arguments)
      lines[#lines + 1] = ("    return shipped.%s(%s)"):format(field, arguments)
      lines[#lines + 1] = "  end,"
    else
      lines[#lines + 1] = ("  %s = shipped.%s,"):format(field, field)
    end
  end
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n") .. "\n"
end

local function find(gen, name)
  local names = {}
  for i, entry in ipairs(gen.entries) do
    if entry.name == name then
      return entry
    end
    names[i] = entry.name
  end
  return nil, err.new("NotFound", "no script '%s'%s", name, nearest.hint(name, names))
end

--- Write the override of one script into the site directory; never over a file
-- that is there. May wait.
-- @param ctx table: of the request; its files are used
-- @param name string: "commands/list-tenants"
-- @param stock function(entry) -> the shipped script | nil, err
-- @return { name, path, wraps } | nil, err
function M.extract(ctx, name, stock)
  local entry, e = find(ctx.gen, name)
  if not entry then
    return nil, e
  elseif entry.site then
    return nil, err.new("Exists", "%s is there already", entry.site)
  end
  local def
  def, e = stock(entry)
  if not def then
    return nil, e
  end
  local root <close>, why = ctx.fs.open_trusted(ctx.conf.site_dir)
  if not root then
    return nil, err.wrap(why, "site directory %s", ctx.conf.site_dir)
  end
  local ok
  ok, e = dirs.above(root, name, 0x1ed) -- 0755
  if ok then
    ok, e = root:write(name .. ".lua", M.text(name, entry.digest, def), { mode = 0x1a4, exclusive = true }) -- 0644
  end
  if not ok then
    return nil, e
  end
  return { name = name, path = ctx.conf.site_dir .. "/" .. name .. ".lua", wraps = entry.digest }
end

return M
