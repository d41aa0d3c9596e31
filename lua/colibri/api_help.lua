-- api_help.lua - `colibri help api [NAME]`: the description of the script API on
-- a terminal, without a daemon.

local err = require "colibri.err"
local markdown = require "colibri.api_markdown"
local nearest = require "colibri.nearest"
local text = require "colibri.text"

local M = {}

local WIDTH = 80

local function add(out, list)
  table.move(list, 1, #list, #out + 1, out)
end

local function finish(out)
  return table.concat(out, "\n") .. "\n"
end

-- Backticks are for the pages.
local function plain(s)
  return (s:gsub("`", ""):gsub("%*%*", ""):gsub("%[(.-)%]%(.-%)", "%1"))
end

local function paragraph(out, s)
  add(out, text.wrap(plain(s), WIDTH))
end

local function fields(list)
  local rows = {}
  for i, f in ipairs(list) do
    rows[i] = { (f.short or f.name) .. (f.optional and "?" or "") .. ": " .. f.type, plain(f.text) }
  end
  return text.two_columns(rows, WIDTH)
end

-- "A, B, or any of a group", each code with what to do below.
local function failures(model, f)
  local rows = {}
  for _, word in ipairs(f.errors) do
    local group = word:match("^@(.+)$")
    if group then
      rows[#rows + 1] = { "any of " .. group, table.concat(model.groups[group].codes, ", ") }
    else
      rows[#rows + 1] = { word, plain(model.codes[word].what .. ": " .. model.codes[word].todo) }
    end
  end
  return text.two_columns(rows, WIDTH)
end

local function show_function(model, f)
  local out = { markdown.signature(f), "" }
  paragraph(out, f.text .. "." .. (f.waits and " Waits." or "") ..
    (f.since > 1 and " Since API level " .. f.since .. "." or "") ..
    (f.internal and " For the library and tests, not for scripts." or ""))
  if f.fails then
    add(out, { "", "fails with nil, err:" })
    add(out, failures(model, f))
  end
  local seen = {}
  local function types_of(kind)
    for name in kind:gmatch("[%a_][%w_]*") do
      local record = model.types[name]
      if record and not seen[name] and #record.fields > 0 then
        seen[name] = true
        add(out, { "", name .. ":" })
        add(out, fields(record.fields))
      end
    end
  end
  for _, p in ipairs(f.params) do
    types_of(p.type)
  end
  for _, kind in ipairs(f.returns) do
    types_of(kind)
  end
  return finish(out)
end

local function show_type(record)
  local out = { record.name, "" }
  paragraph(out, record.text .. (record.alias and ": " .. record.alias or "") .. ".")
  if #record.fields > 0 then
    out[#out + 1] = ""
    add(out, fields(record.fields))
  end
  return finish(out)
end

local function space_name(record)
  local module = record.module or (record.require or not record.ctx) and record.binding
  return (record.ctx and "ctx." .. record.name or record.type) .. (module and (' (require "%s")'):format(module) or "")
end

local function about_space(record)
  return plain((record.about or "objects"):gsub("%s*\n%s*", " "))
end

local function show_space(record)
  local out = { space_name(record), "" }
  paragraph(out, about_space(record) .. ".")
  out[#out + 1] = ""
  local rows = {}
  for _, f in ipairs(record.functions) do
    if not f.internal or record.internal or record.part.internal then
      rows[#rows + 1] = { f.name:sub(#record.name + 1) .. (f.waits and " (waits)" or ""), plain(f.text) }
    end
  end
  add(out, text.two_columns(rows, WIDTH))
  if #record.values > 0 then
    out[#out + 1] = ""
    add(out, fields(record.values))
  end
  return finish(out)
end

local function show_event(model, event)
  local out = { "event " .. event[1], "" }
  paragraph(out, "When: " .. event.when .. ".")
  paragraph(out, "May refuse: " .. event.refuse .. ".")
  add(out, { "", "payload:" })
  add(out, fields(model.types[event.type].fields))
  return finish(out)
end

local function show_kind(model, kind)
  local out = { kind[1] .. ": " .. kind.site, "" }
  paragraph(out, kind.about .. "; shipped in " .. kind.stock .. ".")
  out[#out + 1] = ""
  add(out, fields(model.types[kind.type].fields))
  return finish(out)
end

local function show_code(row)
  local out = { row.code .. " (" .. plain(row.group) .. ")", "" }
  paragraph(out, row.what .. ".")
  paragraph(out, "What to do: " .. row.todo .. ".")
  return finish(out)
end

--- Every name that can be asked for, with what shows it.
-- @return { name = function() -> text }
function M.topics(model)
  local out = {}
  local function put(name, fn, ...)
    local args = table.pack(...)
    out[name] = out[name] or function() return fn(table.unpack(args, 1, args.n)) end
  end
  for name, f in pairs(model.functions) do
    put(name, show_function, model, f)
  end
  for name, record in pairs(model.names) do
    put(name, show_space, record)
    for _, v in ipairs(record.values) do
      put(v.name, show_type, { name = v.shown .. ": " .. v.type, text = v.text, fields = {} })
    end
  end
  for _, event in ipairs(model.event_list) do
    put(event[1], show_event, model, event)
  end
  for _, kind in ipairs(model.scripts.kinds) do
    put(kind[1], show_kind, model, kind)
  end
  for name, record in pairs(model.types) do
    put(name, show_type, record)
  end
  for name, row in pairs(model.codes) do
    put(name, show_code, row)
  end
  for _, row in ipairs(model.scripts.param_types) do
    put(row[1], show_type, { name = row[1] .. ", a type of parameters", text = row[2] .. "; on the command line: " .. row[3],
      fields = {} })
  end
  put("ctx", show_type, model.types.Ctx)
  return out
end

-- "ctx.fs.open", "root.read" and "FS.OPEN" are meant well, too.
local function simple(name)
  return (name:gsub("^ctx%.", ""):gsub(":", "."):lower())
end

--- The text about one name.
-- @return text | nil, err(Usage)
function M.about(model, name)
  local topics = M.topics(model)
  if topics[name] then
    return topics[name]()
  end
  local known, found = {}, {}
  for topic in pairs(topics) do
    known[#known + 1] = topic
    if simple(topic) == simple(name) then
      found[#found + 1] = topic
    end
  end
  table.sort(found)
  if found[1] then
    return topics[found[1]]()
  end
  return nil, err.new("Usage", "the script API has no '%s'%s", text.escape(name), nearest.hint(name, known))
end

--- What there is to ask about.
function M.overview(model)
  local out = { "colibri help api NAME shows one of these. API level " .. model.level .. ".", "", "scripts:" }
  local rows = {}
  for i, kind in ipairs(model.scripts.kinds) do
    rows[i] = { kind[1], plain(kind.about) }
  end
  add(out, text.two_columns(rows, WIDTH))
  add(out, { "", "events:" })
  rows = {}
  for i, event in ipairs(model.event_list) do
    rows[i] = { event[1], plain(event.when) }
  end
  add(out, text.two_columns(rows, WIDTH))
  for _, part in ipairs(model.parts) do
    if not part.internal then
      add(out, { "", part.title .. ":" })
      rows = {}
      for _, record in pairs(part.names) do
        if not record.internal then
          rows[#rows + 1] = { record.ctx and "ctx." .. record.name or record.name, about_space(record) }
        end
      end
      table.sort(rows, function(a, b) return a[1] < b[1] end)
      add(out, text.two_columns(rows, WIDTH))
    end
  end
  add(out, { "", "Also: a function (fs.open), a type (WriteOptions), an error code (TargetMissing)." })
  return finish(out)
end

return M
