-- line_edit.lua - one line on a terminal: bytes of keys in, what to draw out.
--
-- Pure: the caller reads keys (raw) and writes what is to be drawn, so tests
-- need no terminal. Arrows, Home, End, Delete, ^A ^B ^D ^E ^F ^K ^L ^N ^P ^U ^W.

local text = require "colibri.text"

local M = {}

local Editor = {}
Editor.__index = Editor

local KEYS = {
  ["\1"] = "home", ["\2"] = "left", ["\3"] = "interrupt", ["\4"] = "delete_or_end", ["\5"] = "last", ["\6"] = "right",
  ["\8"] = "backspace", ["\10"] = "enter", ["\11"] = "kill", ["\12"] = "clear", ["\13"] = "enter", ["\14"] = "down",
  ["\16"] = "up", ["\21"] = "kill_all", ["\23"] = "kill_word", ["\127"] = "backspace", ["\t"] = "tab",
}
local SEQUENCES = {
  A = "up", B = "down", C = "right", D = "left", H = "home", F = "last", ["1~"] = "home", ["7~"] = "home",
  ["4~"] = "last", ["8~"] = "last", ["3~"] = "delete",
}

local HISTORY_MAX = 1000

-- @param options { width = columns, history = list of lines (kept) }
function M.new(options)
  return setmetatable({ width = options.width or 80, history = options.history or {}, bytes = "", prompt = "",
    chars = {}, at = 0 }, Editor)
end

--- Begin a line.
-- @return what to draw
function Editor:start(prompt)
  self.prompt, self.chars, self.at, self.place, self.draft = prompt, {}, 0, #self.history + 1, nil
  return self:draw()
end

local function line_of(self)
  return table.concat(self.chars)
end

local function set_line(self, line)
  self.chars = {}
  for char in line:gmatch("[%z\1-\127\194-\244][\128-\191]*") do
    self.chars[#self.chars + 1] = char
  end
  self.at = #self.chars
end

--- The prompt and as much of the line as fits, with the cursor in it.
function Editor:draw()
  local room = math.max(10, self.width - text.width(self.prompt) - 1)
  local from, used = self.at, 0
  while from > 0 and used + text.width(self.chars[from]) < room do
    used = used + text.width(self.chars[from])
    from = from - 1
  end
  local to, total = self.at, used
  while to < #self.chars and total + text.width(self.chars[to + 1]) < room do
    to = to + 1
    total = total + text.width(self.chars[to])
  end
  local column = text.width(self.prompt) + used
  return "\r" .. self.prompt .. text.escape(table.concat(self.chars, "", from + 1, to)) .. "\27[K\r" ..
    (column > 0 and ("\27[%dC"):format(column) or "")
end

local function recall(self, step)
  local place = self.place + step
  if place < 1 or place > #self.history + 1 then
    return
  end
  if self.place == #self.history + 1 then
    self.draft = line_of(self)
  end
  self.place = place
  set_line(self, self.history[place] or self.draft or "")
end

local actions = {}

function actions.left(self) self.at = math.max(0, self.at - 1) end
function actions.right(self) self.at = math.min(#self.chars, self.at + 1) end
function actions.home(self) self.at = 0 end
function actions.last(self) self.at = #self.chars end
function actions.up(self) recall(self, -1) end
function actions.down(self) recall(self, 1) end

function actions.backspace(self)
  if self.at > 0 then
    table.remove(self.chars, self.at)
    self.at = self.at - 1
  end
end

function actions.delete(self)
  if self.at < #self.chars then
    table.remove(self.chars, self.at + 1)
  end
end

function actions.kill(self)
  for i = #self.chars, self.at + 1, -1 do
    self.chars[i] = nil
  end
end

function actions.kill_all(self)
  self.chars, self.at = {}, 0
end

function actions.kill_word(self)
  while self.at > 0 and self.chars[self.at] == " " do
    actions.backspace(self)
  end
  while self.at > 0 and self.chars[self.at] ~= " " do
    actions.backspace(self)
  end
end

function actions.tab(self)
  for _ = 1, 2 do
    table.insert(self.chars, self.at + 1, " ")
    self.at = self.at + 1
  end
end

-- Take one key from the front of the bytes: its action or character; nil when
-- more bytes are needed.
local function next_key(self)
  local bytes = self.bytes
  if bytes:sub(1, 1) == "\27" then
    local sequence = bytes:match("^\27[%[O]([%d;]*[%a~])")
    if sequence then
      self.bytes = bytes:sub(#sequence + 3)
      return SEQUENCES[sequence] or "nothing"
    elseif #bytes == 1 or bytes:find("^\27[%[O][%d;]*$") then
      return nil
    end
    self.bytes = bytes:sub(2)
    return "nothing"
  end
  local first = bytes:byte()
  local need = first < 0x80 and 1 or first >= 0xf0 and 4 or first >= 0xe0 and 3 or first >= 0xc2 and 2 or 1
  if #bytes < need then
    return nil
  end
  local char = bytes:sub(1, need)
  self.bytes = bytes:sub(need + 1)
  if KEYS[char] then
    return KEYS[char]
  elseif first < 0x20 or not utf8.len(char) then
    return "nothing"
  end
  return "char", char
end

-- The line is complete.
local function finish(self)
  local line = line_of(self)
  if line:find("%S") and self.history[#self.history] ~= line then
    self.history[#self.history + 1] = line
    if #self.history > HISTORY_MAX then
      table.remove(self.history, 1)
    end
  end
  return line
end

--- Take bytes of keys (more may follow later; "" goes on with what is left).
-- @return what to draw, and "line", text | "end" | "interrupt" | nil: not yet
function Editor:feed(bytes)
  self.bytes = self.bytes .. bytes
  while #self.bytes > 0 do
    local key, char = next_key(self)
    if key == nil then
      break
    elseif key == "char" then
      table.insert(self.chars, self.at + 1, char)
      self.at = self.at + 1
    elseif key == "enter" then
      return self:draw() .. "\r\n", "line", finish(self)
    elseif key == "interrupt" then
      return "^C\r\n", "interrupt"
    elseif key == "delete_or_end" and #self.chars == 0 then
      return "\r\n", "end"
    elseif key == "clear" then
      return "\27[H\27[2J" .. self:draw()
    else
      local action = actions[key == "delete_or_end" and "delete" or key]
      if action then
        action(self)
      end
    end
  end
  return self:draw()
end

return M
