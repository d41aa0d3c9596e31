-- api_markdown.lua - docs/API.md, and the tables in other pages, from the
-- description of the script API.

local M = {}

local function add(out, fmt, ...)
  out[#out + 1] = select("#", ...) > 0 and fmt:format(...) or fmt
end

-- In a cell of a table a bar must be escaped, in code too.
local function cell(text)
  return (text:gsub("|", "\\|"))
end

local function code(text)
  return "`" .. text .. "`"
end

-- How a heading is linked to.
local function anchor(title)
  return (title:lower():gsub("[^%w%- ]", ""):gsub(" ", "-"))
end

-- "`A`, `B` or any of [Files](...)"
local function failures(model, f)
  local out = {}
  for _, word in ipairs(f.errors) do
    local group = word:match("^@(.+)$")
    local title = group and model.groups[group].title
    out[#out + 1] = group and ("any of [%s](PROTOCOL.md#%s)"):format(title, anchor(title)) or code(word)
  end
  return table.concat(out, ", ")
end

--- A signature as it is written by a caller.
function M.signature(f)
  local params = {}
  for _, p in ipairs(f.params) do
    params[#params + 1] = p.name .. (p.optional and "?" or "") .. ": " .. p.type
  end
  if f.rest then
    params[#params + 1] = "..."
  end
  local returns = table.concat(f.returns, ", ")
  return ("%s(%s)%s"):format(f.shown, table.concat(params, ", "), returns ~= "" and ": " .. returns or "")
end

local function add_function(out, model, f)
  add(out, "### %s", f.shown)
  add(out, "")
  add(out, "    %s", (M.signature(f):gsub("%%", "%%%%")))
  add(out, "")
  local text = f.text:sub(1, 1):upper() .. f.text:sub(2) .. "."
  if f.waits then
    text = text .. " **Waits.**"
  end
  if f.fails then
    text = text .. " Fails with " .. failures(model, f) .. "."
  end
  if f.since > 1 then
    text = text .. (" Since level %d."):format(f.since)
  end
  out[#out + 1] = text
  add(out, "")
end

local function add_fields(out, fields)
  add(out, "| field | type | |")
  add(out, "|---|---|---|")
  for _, f in ipairs(fields) do
    out[#out + 1] = ("| `%s` | `%s` | %s |"):format(f.name .. (f.optional and "?" or ""), cell(f.type),
      cell(f.text) .. (f.waits and "; may wait" or ""))
  end
  add(out, "")
end

local function add_type(out, record)
  add(out, "### %s", record.name)
  add(out, "")
  local text = record.text:sub(1, 1):upper() .. record.text:sub(2) .. "."
  if record.alias then
    text = text .. " " .. code(record.alias)
  elseif record.options then
    text = text .. " An unknown field raises."
  end
  out[#out + 1] = text
  add(out, "")
  if #record.fields > 0 then
    add_fields(out, record.fields)
  end
end

-- "`Root`: an open directory", how to come by it.
local function heading(record)
  if record.ctx then
    return "`ctx." .. record.name .. "`" .. (record.require and (', `require "%s"`'):format(record.binding) or "")
  elseif record.module or record.binding then
    return ('`require "%s"`'):format(record.module or record.binding)
  end
  return "`" .. record.type .. "`"
end

-- Names of a part in the order of their first functions.
local function spaces(model, part)
  local out, seen = {}, {}
  for _, entry in ipairs(part.functions) do
    local name = entry[1]:match("^(.+)[.:][%w_]+%(")
    if name and not seen[name] and model.names[name] then
      seen[name] = true
      out[#out + 1] = model.names[name]
    end
  end
  return out
end

local function add_space(out, model, record, internal)
  local functions, values = {}, {}
  for _, f in ipairs(record.functions) do
    if (f.internal or false) == internal then
      functions[#functions + 1] = f
    end
  end
  for _, v in ipairs(record.values) do
    if (record.internal or record.part.internal or false) == internal then
      values[#values + 1] = v
    end
  end
  if #functions == 0 and #values == 0 then
    return
  end
  out[#out + 1] = ("%s: %s.%s\n"):format(heading(record), record.about and record.about:gsub("%s*\n%s*", " ") or "objects",
    record.unchecked and " Arguments are not checked." or "")
  if #values > 0 then
    add_fields(out, values)
  end
  for _, f in ipairs(functions) do
    add_function(out, model, f)
  end
end

local function add_part(out, model, part)
  add(out, "## %s", part.title)
  add(out, "")
  out[#out + 1] = part.about .. (part.unchecked and " Arguments are not checked." or "") .. "\n"
  for _, record in ipairs(spaces(model, part)) do
    add_space(out, model, record, part.internal or false)
  end
  for _, entry in ipairs(part.types or {}) do
    add_type(out, model.types[entry[1]])
  end
end

local function add_scripts(out, model)
  add(out, "## Scripts")
  add(out, "")
  out[#out + 1] = model.scripts.about .. "\n"
  local first = model.types[model.scripts.kinds[1].type]
  add_fields(out, table.move(first.fields, 1, first.common, 1, {}))
  for _, kind in ipairs(model.scripts.kinds) do
    local record = model.types[kind.type]
    add(out, "### %s", record.name)
    add(out, "")
    out[#out + 1] = ("`%s`, shipped in `%s`: %s.\n"):format(kind.site, kind.stock, kind.about)
    add_fields(out, table.move(record.fields, record.common + 1, #record.fields, 1, {}))
  end
  add(out, "### Types of parameters")
  add(out, "")
  out[#out + 1] = M.param_types(model) .. "\n"
  for _, entry in ipairs(model.scripts.types) do
    add_type(out, model.types[entry[1]])
  end
end

local function add_internal(out, model)
  add(out, "## Not for scripts")
  add(out, "")
  add(out, "What library modules and tests use besides; no part of the API, changes without notice.")
  add(out, "")
  for _, part in ipairs(model.parts) do
    if not part.internal then
      for _, record in ipairs(spaces(model, part)) do
        add_space(out, model, record, true)
      end
    end
  end
end

--- The table of parameter types.
function M.param_types(model)
  local out = { "| type | values | on the command line |", "|---|---|---|" }
  for _, row in ipairs(model.scripts.param_types) do
    out[#out + 1] = ("| `%s` | %s | %s |"):format(row[1], cell(row[2]), cell(row[3]))
  end
  return table.concat(out, "\n")
end

--- docs/API.md.
function M.page(model)
  local out = { "<!-- Made by `make docs` from docs/api.lua and docs/api/: edit those. -->", "# The script API", "" }
  out[#out + 1] = ("API level %d. `colibri help api NAME` shows the same on a terminal; [SCRIPTING.md](SCRIPTING.md) is the\n" ..
    "way in.\n"):format(model.level)
  out[#out + 1] = [[
- A name with `?` may be left out. Results stand behind the colon; where a line says *fails
  with*, `nil, err` may come instead, and `err.code` is one of these.
- Misuse raises with file and line: a wrong type, a surplus argument, an unknown option.
- Durations are seconds, sizes bytes, times UNIX seconds.
- **Waits**: other tasks run meanwhile. Where Lua cannot wait the call raises.
]]
  add_scripts(out, model)
  add(out, "## Events")
  add(out, "")
  out[#out + 1] = "[HOOKS.md](HOOKS.md) has the events, their payloads and what a hook may answer.\n"
  for _, part in ipairs(model.parts) do
    if not part.internal then
      add_part(out, model, part)
    end
  end
  add_internal(out, model)
  for _, part in ipairs(model.parts) do
    if part.internal then
      add_part(out, model, part)
    end
  end
  return (table.concat(out, "\n"):gsub("\n+$", "")) .. "\n"
end

--- The table of events, for docs/HOOKS.md.
-- @param hooks { event = list of the shipped hooks, in order }
function M.events(model, hooks)
  local out = { "| event | when | payload | stock hooks, in order | may refuse? |", "|---|---|---|---|---|" }
  for _, event in ipairs(model.event_list) do
    local names = {}
    for i, hook in ipairs(hooks[event[1]] or {}) do
      names[i] = code(hook)
    end
    out[#out + 1] = ("| `%s` | %s | [%s](#payloads) | %s | %s |"):format(event[1], cell(event.when), event.type,
      #names > 0 and table.concat(names, ", ") or "none", cell(event.refuse))
  end
  return table.concat(out, "\n") .. "\n"
end

--- The payloads, for docs/HOOKS.md.
function M.payloads(model)
  local out, seen = {}, {}
  for _, event in ipairs(model.event_list) do
    if not seen[event.type] then
      seen[event.type] = true
      local names = {}
      for _, other in ipairs(model.event_list) do
        names[#names + 1] = other.type == event.type and code(other[1]) or nil
      end
      out[#out + 1] = ("`%s`, of %s:\n"):format(event.type, table.concat(names, ", "))
      add_fields(out, model.types[event.type].fields)
    end
  end
  return (table.concat(out, "\n"):gsub("\n+$", "")) .. "\n"
end

--- The table of hooks/README.md.
function M.hooks_readme(model, hooks)
  local out = { "| event | payload | order of the shipped hooks | may refuse? |", "|---|---|---|---|" }
  for _, event in ipairs(model.event_list) do
    local fields, names = {}, {}
    for _, f in ipairs(model.types[event.type].fields) do
      fields[#fields + 1] = code(f.name)
    end
    for i, hook in ipairs(hooks[event[1]] or {}) do
      names[i] = code(hook)
    end
    out[#out + 1] = ("| `%s` | %s | %s | %s |"):format(event[1], table.concat(fields, ", "),
      #names > 0 and table.concat(names, ", ") or "none", event.refuse:match("^%w+"))
  end
  return table.concat(out, "\n") .. "\n"
end

local function parameter(p)
  local words = { ("`%s` %s"):format(p.name, p.type == "enum" and cell(table.concat(p.values, "|")) or p.type) }
  if p.default ~= nil then
    words[#words + 1] = "= " .. tostring(p.default)
  end
  if p.required then
    words[#words + 1] = "(required)"
  end
  if p.requires then
    words[#words + 1] = ("(needs `%s`)"):format(p.requires)
  end
  local number = p.type == "integer" or p.type == "number"
  if number and (p.min or p.max) then
    words[#words + 1] = p.min and p.max and ("(%s to %s)"):format(p.min, p.max) or
      p.min and ("(at least %s)"):format(p.min) or ("(at most %s)"):format(p.max)
  end
  return table.concat(words, " ")
end

--- The table of commands, for docs/PROTOCOL.md.
-- @param commands list, as `describe` tells it
function M.commands(commands)
  local out = { "| command | access | parameters | time | |", "|---|---|---|---|---|" }
  for _, command in ipairs(commands) do
    local names, params = {}, {}
    for i, alias in ipairs(command.aliases) do
      names[i] = code(alias)
    end
    for _, p in ipairs(command.params) do
      params[#params + 1] = parameter(p)
    end
    out[#out + 1] = ("| `%s`%s | %s | %s | %g s | %s |"):format(command.name,
      #names > 0 and " (also " .. table.concat(names, ", ") .. ")" or "", command.access,
      #params > 0 and table.concat(params, ", ") or "none", command.timeout or 30, cell(command.summary))
  end
  return table.concat(out, "\n") .. "\n"
end

--- The tables of error codes, for docs/PROTOCOL.md.
function M.errors(model)
  local out = {}
  for _, group in ipairs(model.group_list) do
    add(out, "### %s", group.title)
    add(out, "")
    add(out, "| code | what happened | what to do |")
    add(out, "|---|---|---|")
    for _, name in ipairs(group.codes) do
      local row = model.codes[name]
      out[#out + 1] = ("| `%s` | %s | %s |"):format(name, cell(row.what), cell(row.todo))
    end
    add(out, "")
  end
  return (table.concat(out, "\n"):gsub("\n+$", "")) .. "\n"
end

return M
