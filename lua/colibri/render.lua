-- render.lua - the data of a reply as text: tables and `key: value` lines for
-- people, one JSON object per line for programs.

local json = require "core.json"
local text = require "colibri.text"

local M = {}

local GAP = 2 -- blanks between columns
local NARROWEST = 6 -- what a column may shrink to
local NARROW = 12 -- what the others shrink to before the first, the row's name, does
local TIME_MAX = 253402300800 -- year 10000

local function is_object(v)
  return type(v) == "table" and not json.is_array(v)
end

-- Keys in the order in which they are shown: the columns of the command, its
-- parameters, the rest by name.
local function key_order(command)
  local order, seen = {}, {}
  local function add(name)
    if type(name) == "string" and not seen[name] then
      seen[name] = true
      order[#order + 1] = name
    end
  end
  for _, name in ipairs(command and command.columns or {}) do
    add(name)
  end
  for _, p in ipairs(command and command.params or {}) do
    add(p.name)
  end
  return order, seen
end

-- The keys that objects have, in that order.
local function keys_of(objects, command)
  local order, seen = key_order(command)
  local there, rest, out = {}, {}, {}
  for _, object in ipairs(objects) do
    for key in pairs(object) do
      if not there[key] then
        there[key] = true
        if not seen[key] then
          rest[#rest + 1] = key
        end
      end
    end
  end
  table.sort(rest)
  for _, key in ipairs(order) do
    if there[key] then
      out[#out + 1] = key
    end
  end
  return table.move(rest, 1, #rest, #out + 1, out)
end

local function encode(v)
  return json.encode(v) or "?"
end

-- Fields named at or ending in _at are UNIX seconds.
local function is_time(key, v)
  return (key == "at" or key:find("_at$")) and v >= 0 and v < TIME_MAX
end

-- One value as escaped text for a person; "-" for what is absent.
local function cell(key, v, iso)
  if v == nil or v == json.null then
    return "-"
  elseif type(v) == "number" and iso and is_time(key, v) then
    return iso(v)
  elseif type(v) == "string" then
    return text.escape(v)
  elseif type(v) ~= "table" then
    return math.type(v) == "float" and encode(v) or tostring(v)
  end
  if is_object(v) then
    return text.escape(encode(v))
  end
  local parts = {}
  for i, element in ipairs(v) do
    parts[i] = cell(key, element, iso)
  end
  return #parts > 0 and table.concat(parts, ", ") or "-"
end

-- Take `excess` from the widest columns from `first` on, down to `narrowest`
-- each; what could not be taken is returned.
local function shrink(widths, first, narrowest, excess)
  while excess > 0 and widths[first] do
    local widest = first
    for i = first, #widths do
      if widths[i] > widths[widest] then
        widest = i
      end
    end
    if widths[widest] <= narrowest then
      break
    end
    widths[widest] = widths[widest] - 1
    excess = excess - 1
  end
  return excess
end

local function sum_of(widths)
  local sum = GAP * (#widths - 1)
  for _, w in ipairs(widths) do
    sum = sum + w
  end
  return sum
end

-- Times without year and seconds: cut off they would tell nothing.
local function short_times(columns, rows, widths)
  for i, name in ipairs(columns) do
    if name == "at" or name:find("_at$") then
      widths[i] = text.width(rows[1][i])
      for at = 2, #rows do
        rows[at][i] = rows[at][i]:gsub("^%d%d%d%d%-(%d%d%-%d%d)T(%d%d:%d%d):%d%dZ$", "%1 %2")
        widths[i] = math.max(widths[i], text.width(rows[at][i]))
      end
    end
  end
end

local function fit(widths, width)
  for i, w in ipairs(widths) do
    widths[i] = math.min(w, width)
  end
  local sum = sum_of(widths)
  shrink(widths, 1, NARROWEST, shrink(widths, 2, NARROW, sum - width))
end

local function row_line(cells, widths)
  local parts = {}
  for i, value in ipairs(cells) do
    local shown = text.shorten(value, widths[i])
    parts[i] = i < #cells and text.pad(shown, widths[i] + GAP) or shown
  end
  return (table.concat(parts):gsub("%s+$", ""))
end

local function is_empty(v)
  return v == nil or v == json.null or type(v) == "table" and next(v) == nil
end

-- The columns that a table shows: those of the command, or every key; without
-- those that have no value in any row, unless that is all of them.
local function table_columns(list, command)
  local columns = command and command.columns and #command.columns > 0 and command.columns or keys_of(list, command)
  local filled = {}
  for _, name in ipairs(columns) do
    for _, object in ipairs(list) do
      if not is_empty(object[name]) then
        filled[#filled + 1] = name
        break
      end
    end
  end
  return #filled > 0 and filled or columns
end

local function render_table(list, command, opts)
  local columns = table_columns(list, command)
  local rows, widths = { {} }, {}
  for i, name in ipairs(columns) do
    rows[1][i] = text.escape(name):upper()
  end
  for _, object in ipairs(list) do
    local row = {}
    for i, name in ipairs(columns) do
      row[i] = cell(name, object[name], opts.iso)
    end
    rows[#rows + 1] = row
  end
  for _, row in ipairs(rows) do
    for i, value in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, text.width(value))
    end
  end
  if opts.width and opts.width > 0 then
    if sum_of(widths) > opts.width then
      short_times(columns, rows, widths)
    end
    fit(widths, opts.width)
  end
  local lines = {}
  for i, row in ipairs(rows) do
    lines[i] = row_line(row, widths)
  end
  return lines
end

local function is_list_of_objects(v)
  if type(v) ~= "table" or is_object(v) or #v == 0 then
    return false
  end
  for _, element in ipairs(v) do
    if not is_object(element) then
      return false
    end
  end
  return true
end

-- `key: value` pairs; an object within becomes `outer.inner: value`, a list of
-- objects goes to `tables`.
local function flatten(object, command, opts, prefix, out, tables)
  for _, key in ipairs(keys_of({ object }, command)) do
    local v, name = object[key], prefix .. text.escape(key)
    if is_object(v) and next(v) ~= nil then
      flatten(v, nil, opts, name .. ".", out, tables)
    elseif is_list_of_objects(v) then
      tables[#tables + 1] = { name, v }
    else
      out[#out + 1] = { name, cell(key, v, opts.iso) }
    end
  end
  return out
end

local function render_object(object, command, opts)
  local tables = {}
  local pairs_ = flatten(object, command, opts, "", {}, tables)
  local width = 0
  for _, pair in ipairs(pairs_) do
    width = math.max(width, text.width(pair[1]))
  end
  local lines = {}
  for i, pair in ipairs(pairs_) do
    lines[i] = (text.pad(pair[1] .. ":", width + 2) .. pair[2]):gsub("%s+$", "")
  end
  for _, one in ipairs(tables) do
    if #lines > 0 then
      lines[#lines + 1] = ""
    end
    lines[#lines + 1] = one[1] .. ":"
    table.move(render_table(one[2], nil, opts), 1, #one[2] + 1, #lines + 1, lines)
  end
  return lines
end

local function render_tty(data, command, opts)
  if not json.is_array(data) then
    if not is_object(data) then
      return { cell("", data, opts.iso) }
    end
    return next(data) ~= nil and render_object(data, command, opts) or { "done" }
  elseif #data == 0 then
    return { "none" }
  end
  if is_list_of_objects(data) then
    return render_table(data, command, opts)
  end
  local lines = {}
  for i, v in ipairs(data) do
    lines[i] = cell("", v, opts.iso)
  end
  return lines
end

-- The same order of keys in each line; only objects that have none yet.
local function json_line(v, order)
  if is_object(v) and getmetatable(v) == nil then
    setmetatable(v, order)
  end
  return encode(v)
end

local function render_json(data, command)
  local order = json.ordered((key_order(command)))
  if not json.is_array(data) then
    return { json_line(data, order) }
  end
  local lines = {}
  for i, element in ipairs(data) do
    lines[i] = json_line(element, order)
  end
  return lines
end

--- The data of a reply as text that ends in a newline; "" for an empty list as
-- JSON.
-- @param data any decoded JSON value
-- @param command table|nil: as `describe` tells it; columns and params order the keys
-- @param opts table|nil { tty = boolean, json = boolean, width = columns, iso =
--   function(UNIX seconds) -> text }: JSON unless tty and not json
-- @return string
function M.render(data, command, opts)
  opts = opts or {}
  local lines
  if opts.tty and not opts.json then
    lines = render_tty(data, command, opts)
  else
    lines = render_json(data, command)
  end
  return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

-- "update tenants tenant_id=a", "write /jails/a/root/.env (K)", "run /bin/x y"
local function effect_line(effect)
  local words = { text.escape(tostring(effect.action or effect.effect)) }
  local function add(v)
    words[#words + 1] = text.escape(type(v) == "table" and encode(v) or tostring(v))
  end
  for _, name in ipairs { "table", "path", "agent_id" } do
    if effect[name] ~= nil then
      add(effect[name])
    end
  end
  for _, name in ipairs { "argv", "keys" } do
    if type(effect[name]) == "table" then
      add(table.concat(effect[name], " "))
    end
  end
  if effect.rows then
    add(("(%s rows)"):format(tostring(effect.rows)))
  elseif is_object(effect.row) then
    add(effect.row.tenant_id or effect.row.agent_id or effect.row)
    if effect.row.status ~= nil and effect.action ~= "delete" then
      add("(" .. tostring(effect.row.status) .. ")")
    end
  end
  return "  " .. table.concat(words, " ")
end

--- What a dry run told as text: for people under a heading, one a line.
-- @param effects list of objects: docs/PROTOCOL.md, Dry run
-- @param opts as for render
function M.effects(effects, opts)
  if not opts.tty or opts.json then
    return M.render(effects, nil, opts)
  end
  local lines = { #effects > 0 and "would change:" or "would change nothing" }
  for _, effect in ipairs(effects) do
    lines[#lines + 1] = effect_line(is_object(effect) and effect or { effect = "?" })
  end
  return table.concat(lines, "\n") .. "\n"
end

-- "jail_name=a keys=2", sorted.
local function inputs_line(inputs)
  local keys = {}
  for key in pairs(inputs) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    keys[i] = text.escape(key) .. "=" .. cell("", inputs[key])
  end
  return table.concat(keys, " ")
end

--- What `explain` replied, for people: a decision a line, what it looked at below.
-- @param steps list of objects: docs/PROTOCOL.md, Dry run
function M.decisions(steps)
  local lines = {}
  for i, step in ipairs(steps) do
    if not is_object(step) then
      step = { verdict = step }
    end
    local line = ("%3d  %s %s: %s"):format(i, cell("", step.kind), cell("", step.name), cell("", step.verdict))
    if step.code then
      line = line .. ": " .. cell("", step.code) .. (step.message and ": " .. cell("", step.message) or "")
    end
    lines[#lines + 1] = line .. (step.where and "  (" .. cell("", step.where) .. ")" or "")
    if is_object(step.inputs) and next(step.inputs) ~= nil then
      lines[#lines + 1] = "     " .. inputs_line(step.inputs)
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
