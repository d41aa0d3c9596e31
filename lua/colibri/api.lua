-- api.lua - the description of the script API (docs/api.lua), read and checked.
--
-- Used by `make docs`, by `colibri help api` and by the tests; a running daemon
-- never needs it.

local err = require "colibri.err"
local script = require "core.script"
local sys = require "core.sys"

local M = {}

-- Types that need no description.
local PLAIN = { string = true, integer = true, number = true, boolean = true, table = true, ["function"] = true,
  any = true, ["true"] = true, ["nil"] = true, lightuserdata = true }

local OPEN = { ["<"] = ">", ["("] = ")", ["{"] = "}" }

--- Split a text at a separator that stands outside of brackets and quotes.
-- @return list of trimmed texts
function M.split(text, separator)
  local out, start, stack, quote = {}, 1, {}, false
  for i = 1, #text do
    local c = text:sub(i, i)
    if c == '"' then
      quote = not quote
    elseif not quote and OPEN[c] then
      stack[#stack + 1] = OPEN[c]
    elseif not quote and c == stack[#stack] then
      stack[#stack] = nil
    elseif not quote and c == separator and #stack == 0 then
      out[#out + 1] = text:sub(start, i - 1):match("^%s*(.-)%s*$")
      start = i + 1
    end
  end
  out[#out + 1] = text:sub(start):match("^%s*(.-)%s*$")
  return out
end

--- "name?: type" as { name, type, optional } | nil.
function M.field(text)
  local name, mark, kind = text:match("^([%w_.]+)(%??):%s*(.+)$")
  if not name then
    return nil
  end
  local bare = not kind:find("^fun%(") and kind:match("^(.*)%?$") or nil
  return { name = name, type = bare or kind, optional = mark == "?" or bare ~= nil }
end

--- A signature as { name, space, short, method, params, rest, returns } | nil, why.
function M.signature(text)
  local name, inside, after = text:match("^([%w_.:]+)(%b())(.*)$")
  local space, sep, short
  if name then
    space, sep, short = name:match("^(.+)([.:])([%w_]+)$")
  end
  local returns = after and after:match("^:%s*(.+)$")
  if not short or (after ~= "" and not returns) then
    return nil, "not of the form 'space.name(param: type, ...): type'"
  end
  local out = { name = name, space = space, short = short, method = sep == ":", params = {},
    returns = returns and M.split(returns, ",") or {} }
  inside = inside:sub(2, -2)
  for _, piece in ipairs(inside:find("%S") and M.split(inside, ",") or {}) do
    local param = piece:match("^%.%.%.") and { name = "...", type = "any" } or M.field(piece)
    if not param then
      return nil, ("'%s' is not of the form 'name: type'"):format(piece)
    elseif param.name == "..." then
      out.rest = true
    else
      out.params[#out.params + 1] = param
    end
  end
  return out
end

--- The names of types in a type: "table<string, Root[]>|nil" gives table, string, Root, nil.
function M.type_names(text)
  local out = {}
  local bare = text:gsub('"[^"]*"', ""):gsub("([%w_]+)%??:", "") -- literals, names of parameters of fun()
  for name in bare:gmatch("[%a_][%w_.]*") do
    if name ~= "fun" then
      out[#out + 1] = name
    end
  end
  return out
end

--- Reading it ---------------------------------------------------------------

local function one_line(text)
  return (text:gsub("%s*\n%s*", " "))
end

-- What is wrong with the description, each with the file to mend.
local function problem(model, file, fmt, ...)
  model.problems[#model.problems + 1] = file .. ": " .. fmt:format(...)
end

local function add_type(model, file, entry)
  local name = entry[1]
  if model.types[name] then
    problem(model, file, "type '%s' is described twice", name)
  end
  local record = { name = name, text = one_line(entry[2]), alias = entry.alias, options = entry.options,
    array = entry.array, common = entry.common, fields = {}, file = file }
  local also = entry.also and model.types[entry.also]
  if entry.also and not also then
    problem(model, file, "type '%s': '%s' must be described in front of it", name, entry.also)
  end
  table.move(also and also.fields or {}, 1, also and #also.fields or 0, 1, record.fields)
  for _, item in ipairs(entry.fields or {}) do
    local f = M.field(item[1])
    if f then
      f.text, f.waits = one_line(item[2]), item.waits
      record.fields[#record.fields + 1] = f
    else
      problem(model, file, "field '%s' of type '%s' is not of the form 'name: type'", item[1], name)
    end
  end
  model.types[name] = record
  model.type_list[#model.type_list + 1] = record
end

local function add_errors(model, list)
  for _, group in ipairs(list) do
    local codes = {}
    for _, row in ipairs(group) do
      if model.codes[row[1]] then
        problem(model, list.file, "code '%s' is there twice", row[1])
      end
      model.codes[row[1]] = { code = row[1], what = row[2], todo = row[3], group = group.title }
      codes[#codes + 1] = row[1]
    end
    model.groups[group.key] = { key = group.key, title = group.title, codes = codes }
    model.group_list[#model.group_list + 1] = model.groups[group.key]
  end
end

-- "TargetMissing @files" as a list of words, each of them known.
local function check_codes(model, file, name, text)
  local out = {}
  for word in (text or ""):gmatch("%S+") do
    local group = word:match("^@(.+)$")
    if group and not model.groups[group] or not group and not model.codes[word] then
      problem(model, file, "%s fails with '%s', which is not in docs/api/errors.lua: add it there", name, word)
    end
    out[#out + 1] = word
  end
  return out
end

local function add_function(model, part, entry)
  local f, why = M.signature(entry[1])
  if not f then
    return problem(model, part.file, "'%s': %s", entry[1], why)
  end
  local space = model.names[f.space]
  if not space then
    return problem(model, part.file, "'%s': put '%s' into `names` first", entry[1], f.space)
  elseif model.functions[f.name] then
    return problem(model, part.file, "'%s' is described twice", f.name)
  end
  f.text, f.waits, f.since, f.file = one_line(entry[2]), entry.waits, entry.since or 1, part.file
  f.errors = check_codes(model, part.file, f.name, entry.errors)
  f.fails = #f.errors > 0
  f.internal = entry.internal or space.internal or part.internal
  f.shown = (space.ctx and "ctx." or "") .. f.name
  model.functions[f.name] = f
  space.functions[#space.functions + 1] = f
end

local function add_names(model, part)
  for name, record in pairs(part.names) do
    record.name, record.functions, record.values, record.part = name, {}, {}, part
    record.type = record.class and not record.class:find("%.") and record.class or name
    model.names[name] = record
  end
end

local function add_values(model, part)
  for _, item in ipairs(part.values or {}) do
    local f = M.field(item[1])
    local space = f and f.name:match("^(.+)%.[^.]+$")
    if not space or not model.names[space] then
      problem(model, part.file, "'%s' is not of the form 'space.name: type'", item[1])
    else
      f.text, f.short, f.space = one_line(item[2]), f.name:match("[^.]+$"), space
      f.shown = (model.names[space].ctx and "ctx." or "") .. f.name
      table.insert(model.names[space].values, f)
    end
  end
end

local function check_types(model, file, where, text)
  for _, name in ipairs(M.type_names(text)) do
    if not PLAIN[name] and not model.types[name] and not model.classes[name] then
      problem(model, file, "%s: there is no type '%s'; describe it in `types`", where, name)
    end
  end
end

local function check_all_types(model)
  for name, f in pairs(model.functions) do
    for _, param in ipairs(f.params) do
      check_types(model, f.file, name, param.type)
    end
    for _, kind in ipairs(f.returns) do
      check_types(model, f.file, name, kind)
    end
  end
  for _, record in ipairs(model.type_list) do
    for _, f in ipairs(record.fields) do
      check_types(model, record.file, record.name .. "." .. f.name, f.type)
    end
  end
end

local function joined(...)
  local out = {}
  for _, list in ipairs { ... } do
    table.move(list, 1, #list, #out + 1, out)
  end
  return out
end

-- Kinds of script and events are tables with fields, too.
local function add_scripts(model, scripts, events)
  for _, entry in ipairs(scripts.types) do
    add_type(model, scripts.file, entry)
  end
  for _, kind in ipairs(scripts.kinds) do
    add_type(model, scripts.file, { kind.type, kind.about, fields = joined(scripts.common, kind.fields),
      common = #scripts.common })
  end
  for _, event in ipairs(events) do
    if not model.types[event.type] then
      add_type(model, events.file, { event.type, "what a hook is told", fields = event.fields })
    end
    model.events[event[1]] = event
  end
end

--- Make the model of a description.
-- @return { level, parts, names, functions, types, type_list, groups, group_list, codes, events,
--   event_list, scripts, problems = list of texts }
function M.build(description)
  local model = { level = description.level, parts = description.parts, names = {}, functions = {}, types = {},
    classes = {}, type_list = {}, groups = {}, group_list = {}, codes = {}, events = {},
    event_list = description.events, scripts = description.scripts, problems = {} }
  add_errors(model, description.errors)
  for _, part in ipairs(description.parts) do
    add_names(model, part)
  end
  for name, record in pairs(model.names) do
    model.classes[name], model.classes[record.type] = record, record
  end
  for _, part in ipairs(description.parts) do
    for _, entry in ipairs(part.functions) do
      add_function(model, part, entry)
    end
    for _, entry in ipairs(part.types or {}) do
      add_type(model, part.file, entry)
    end
    add_values(model, part)
  end
  add_scripts(model, description.scripts, description.events)
  check_all_types(model)
  table.sort(model.problems)
  return model
end

--- Read docs/api.lua and what it loads.
-- @param dir string|nil: the tree; the shipped one unless told
-- @return model | nil, err
function M.load(dir)
  dir = dir or sys.conf.share_dir
  local function run(file, ...)
    local fn, e = script.load(dir .. "/" .. file, "@" .. file, { ipairs = ipairs })
    if not fn then
      return nil, e
    end
    return script.call(fn, ...)
  end
  local description, e = run("docs/api.lua", function(name)
    local file = "docs/api/" .. name .. ".lua"
    local part, why = run(file)
    if type(part) ~= "table" then
      error(why or err.new("BadScript", "%s returned no table", file), 0)
    end
    part.file, part.name = file, name
    return part
  end)
  if not description then
    return nil, e
  end
  return M.build(description)
end

return M
