-- err.lua - error objects: what an expected failure returns after nil.
--
-- { code = "CamelCase", message = "...", op =, cause =, where =, errors = }; the
-- C side makes the same with its own metatable, and a script may return a plain
-- table with code and message.

local M = {}

local meta = {
  __name = "error",
  __tostring = function(e) return e.code .. ": " .. e.message end,
  __metatable = false,
}

local MESSAGE_MAX = 4000 -- bytes; a message is for a person

-- One line without control bytes, as the texts of the C side, and not too long.
local function one_line(text)
  if #text > MESSAGE_MAX then
    text = text:sub(1, MESSAGE_MAX):gsub("[\xC2-\xFD][\x80-\xBF]*$", "") .. "..."
  end
  if text:find("%c") then
    text = text:gsub("[\r\n]+%s*", "; "):gsub("%c", "?")
  end
  return text
end

local function format(fmt, ...)
  if select("#", ...) == 0 then
    return fmt
  end
  return fmt:format(...)
end

--- A new error object.
-- @param code string: stable CamelCase code, listed in docs/PROTOCOL.md
-- @param fmt string for string.format; taken as it is when no values follow
-- @return err
function M.new(code, fmt, ...)
  if type(code) ~= "string" or not code:find("^%u%w*$") then
    error("an error code is CamelCase, not " .. tostring(code), 2)
  end
  return setmetatable({ code = code, message = one_line(format(fmt, ...)) }, meta)
end

--- Is v an error object: any table with a code and a message?
function M.is(v, ...)
  if ... ~= nil then
    error("too many arguments to 'err.is': expected at most 1", 2)
  end
  return type(v) == "table" and type(rawget(v, "code")) == "string" and type(rawget(v, "message")) == "string"
end

--- A new error that says in front what was being done; keeps the code (and op,
-- where, errors, traceback), and the old error as its cause.
-- @param e err; anything else becomes a ScriptError
-- @return err
function M.wrap(e, fmt, ...)
  if type(fmt) ~= "string" then
    error("bad argument #2 to 'err.wrap' (string expected, got " .. type(fmt) .. ")", 2)
  end
  local context = format(fmt, ...)
  if not M.is(e) then
    e = M.new("ScriptError", "%s", tostring(e))
  end
  local out = { code = e.code, message = one_line(context .. ": " .. e.message), op = e.op, where = e.where,
    errors = e.errors, traceback = e.traceback, cause = e }
  return setmetatable(out, meta)
end

return M
