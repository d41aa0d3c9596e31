-- console.lua - a line of Lua inside the daemon: what `console-eval` does.
--
-- The environment is a script's, but names may be assigned: they live as long as
-- the connection. `ctx` is that of a dry run, unless writing was asked for.

local effects_dry = require "colibri.effects_dry"
local err = require "colibri.err"
local json = require "core.json"
local sandbox = require "colibri.sandbox"
local script = require "core.script"
local sys = require "core.sys"
local task = require "core.task"

local M = {}

local DATA = json.ordered { "values", "output", "incomplete", "effects" }
local NAME = "=console"
local DEPTH_MAX, ENTRIES_MAX, TEXT_MAX = 4, 100, 65536

-- Sessions by connection: a connection has one view of its peer.
local sessions = setmetatable({}, { __mode = "k" })

local function is_name(key)
  return type(key) == "string" and key:find("^[%a_][%w_]*$")
end

-- A value as Lua would write it, as far as that makes sense.
local function show(v, depth, seen)
  if type(v) == "string" then
    return (("%q"):format(v):gsub("\\\n", "\\n"))
  elseif type(v) ~= "table" or depth > DEPTH_MAX or seen[v] then
    return type(v) == "table" and "{...}" or tostring(v)
  end
  if err.is(v) then
    return v.code .. ": " .. v.message
  end
  seen[v] = true
  local parts, keys, n = {}, {}, 0
  for key in pairs(v) do
    n = n + 1
    if n > ENTRIES_MAX then
      break
    end
    keys[n] = key
  end
  table.sort(keys, function(a, b)
    if math.type(a) == "integer" and math.type(b) == "integer" then
      return a < b
    end
    return tostring(a) < tostring(b)
  end)
  for i, key in ipairs(keys) do
    local value = show(v[key], depth + 1, seen)
    if key == i then
      parts[i] = value
    else
      parts[i] = (is_name(key) and key or "[" .. show(key, depth + 1, seen) .. "]") .. " = " .. value
    end
  end
  parts[#parts + 1] = n > ENTRIES_MAX and "..." or nil
  seen[v] = nil
  return "{" .. (#parts > 0 and " " .. table.concat(parts, ", ") .. " " or "") .. "}"
end

local function shown(v)
  local text = show(v, 1, {})
  return #text > TEXT_MAX and text:sub(1, TEXT_MAX) .. "..." or text
end

-- A script's environment below names of the session's own.
local function new_session()
  local session = { output = {} }
  local base = sandbox.env { print = function(...)
    local words = table.pack(...)
    for i = 1, words.n do
      words[i] = type(words[i]) == "string" and words[i] or shown(words[i])
    end
    session.output[#session.output + 1] = table.concat(words, "\t")
  end }
  session.env = setmetatable({}, { __index = base, __metatable = false })
  return session
end

local function compile(chunk, env)
  local fn = script.compile("return " .. chunk, NAME, env)
  if fn then
    return fn
  end
  return script.compile(chunk, NAME, env)
end

local function run(session, ctx, fn)
  session.output = {}
  session.env.ctx = ctx
  task.arm("console")
  local results = table.pack(xpcall(fn, script.traceback))
  if not results[1] then
    return nil, results[2]
  end
  local values = json.array {}
  for i = 2, results.n do
    values[i - 1] = shown(results[i])
  end
  return setmetatable({ values = values, output = #session.output > 0 and table.concat(session.output, "\n") or nil },
    DATA)
end

--- Run one chunk for a connection. Waits as the chunk does.
-- @param ctx table: of the request
-- @param chunk string: Lua text; an expression gives its values
-- @param write boolean|nil: with the effects of ctx, instead of telling them
-- @return { values = texts, output?, effects? }, or { incomplete = true } when more text is needed | nil,
--   err(Forbidden, ScriptSyntax, ScriptError, ...)
function M.eval(ctx, chunk, write)
  local uid = ctx.peer.uid
  if uid ~= 0 and uid ~= sys.uid then
    return nil, err.new("Forbidden", "the console is for root and the daemon's user")
  end
  ctx.audit:subject("console", { line = chunk, write = write or nil })
  local session = sessions[ctx.peer]
  if not session then
    session = new_session()
    sessions[ctx.peer] = session
  end
  local fn, e = compile(chunk, session.env)
  if not fn then
    if e.message:find("<eof>$") then
      return setmetatable({ values = json.array {}, incomplete = true }, DATA)
    end
    return nil, e
  end
  if write then
    return run(session, ctx, fn)
  end
  -- `host` is the daemon itself: nothing of it is for looking only.
  local dry <close> = effects_dry.new(ctx, { host = false })
  local data
  data, e = run(session, dry.ctx, fn)
  if data then
    data.effects = #dry.effects > 0 and dry.effects or nil
  end
  return data, e
end

return M
