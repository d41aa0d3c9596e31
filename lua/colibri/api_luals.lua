-- api_luals.lua - type files for lua-language-server (lua/meta/), from the
-- description of the script API. A site's .luarc.json names the directory in
-- `workspace.library`; see docs/examples/luarc.json.

local M = {}

local HEAD = "-- Made by `make docs` from docs/api.lua: edit that.\n"

-- Types of ours get a prefix of their own: "Root[]" is "colibri.Root[]".
local function qualify(model, text)
  local out = text:gsub('("[^"]*")', function(literal)
    return "\0" .. literal:gsub(".", function(c) return ("%02x"):format(c:byte()) end) .. "\0"
  end)
  -- Not the names of parameters within fun(...), which a colon follows.
  out = out:gsub("([%a_][%w_.]*)(%s*:?)", function(name, colon)
    if colon:find(":") then
      return name .. colon
    elseif model.types[name] then
      return "colibri." .. name .. colon
    elseif model.classes[name] then
      return "colibri." .. model.classes[name].type .. colon
    end
    return name .. colon
  end)
  return (out:gsub("%z(%x*)%z", function(hex)
    return (hex:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
  end))
end

local RESERVED = { ["end"] = true, ["for"] = true, ["function"] = true, ["repeat"] = true, ["until"] = true }

-- The comment and the empty body of one function.
local function add_function(out, model, holder, f)
  out[#out + 1] = "---" .. f.text
  if f.fails then
    out[#out + 1] = "---Fails with " .. table.concat(f.errors, ", ") .. "."
  end
  if f.waits then
    out[#out + 1] = "---@async"
  end
  local words = {}
  for _, p in ipairs(f.params) do
    local name = RESERVED[p.name] and p.name .. "_" or p.name
    out[#out + 1] = ("---@param %s%s %s"):format(name, p.optional and "?" or "", qualify(model, p.type))
    words[#words + 1] = name
  end
  if f.rest then
    out[#out + 1] = "---@param ... any"
    words[#words + 1] = "..."
  end
  for i, kind in ipairs(f.returns) do
    local mark = f.fails and i == 1 and kind ~= "any" and not kind:find("%?$") and "?" or ""
    out[#out + 1] = "---@return " .. qualify(model, kind) .. mark
  end
  if f.fails and #f.returns < 2 then
    out[#out + 1] = "---@return colibri.Error? err"
  end
  out[#out + 1] = ("function %s%s%s(%s) end\n"):format(holder, f.method and ":" or ".", f.short,
    table.concat(words, ", "))
end

local function add_fields(out, model, fields)
  for _, f in ipairs(fields) do
    out[#out + 1] = ("---@field %s%s %s%s %s"):format(f.short or f.name, f.optional and "?" or "",
      f.waits and "async " or "", qualify(model, f.type), f.text)
  end
end

-- A class of functions as a local table.
local function add_space(out, model, record, holder)
  out[#out + 1] = ("---@class colibri.%s"):format(record.type)
  add_fields(out, model, record.values)
  out[#out + 1] = ("local %s = {}\n"):format(holder)
  for _, f in ipairs(record.functions) do
    add_function(out, model, holder, f)
  end
end

local function finish(out)
  return table.concat(out, "\n") .. "\n"
end

-- A module for require: lua/meta/core/fs.lua is `core.fs`.
local function module_file(model, record)
  local name = record.binding or record.module
  local holder = record.name:match("[%w_]+$")
  local out = { HEAD .. "---@meta " .. name .. "\n" }
  add_space(out, model, record, holder)
  out[#out + 1] = "return " .. holder
  return "lua/meta/" .. name:gsub("%.", "/") .. ".lua", finish(out)
end

local function by_name(t)
  local out = {}
  for name in pairs(t) do
    out[#out + 1] = name
  end
  table.sort(out)
  return out
end

local function add_type(out, model, record)
  out[#out + 1] = "---" .. record.text
  if record.alias then
    out[#out + 1] = ("---@alias colibri.%s %s\n"):format(record.name, record.alias)
  else
    out[#out + 1] = ("---@class (exact) colibri.%s%s"):format(record.name,
      record.array and ": { [integer]: any }" or "")
    add_fields(out, model, record.fields)
    out[#out + 1] = ""
  end
end

-- What no require gives, one file for each file of the description.
local function types_file(model, file)
  local out = { HEAD .. "---@meta _\n" }
  for _, record in ipairs(model.type_list) do
    if record.file == file then
      add_type(out, model, record)
    end
  end
  for _, name in ipairs(by_name(model.names)) do
    local record = model.names[name]
    if not record.binding and not record.module and record.part.file == file then
      add_space(out, model, record, "_" .. record.type)
    end
  end
  return #out > 1 and table.concat(out, "\n"):gsub("\n+$", "") .. "\n" or nil
end

local STOCK = [[

---What stock() returns: the shipped script that this file shadows.
---@return any
function stock() end
]]

--- All type files.
-- @return { ["lua/meta/core/fs.lua"] = text, ... }
function M.files(model)
  local out = {}
  for _, name in ipairs(by_name(model.names)) do
    local record = model.names[name]
    if record.binding or record.module then
      local file, text = module_file(model, record)
      out[file] = text
    end
  end
  local sources = { model.scripts.file, model.event_list.file }
  for _, part in ipairs(model.parts) do
    sources[#sources + 1] = part.file
  end
  for _, source in ipairs(sources) do
    out["lua/meta/types/" .. source:match("([^/]+)$")] = types_file(model, source)
  end
  local scripts = "lua/meta/types/" .. model.scripts.file:match("([^/]+)$")
  out[scripts] = out[scripts] .. STOCK
  return out
end

return M
