-- cli_console.lua - `colibri console`: a Lua prompt inside the daemon.
--
-- On a terminal lines can be edited and recalled; from a pipe chunks are run one
-- by one, and the first that fails ends it.

local client = require "core.client"
local err = require "colibri.err"
local line_edit = require "colibri.line_edit"
local render = require "colibri.render"
local sys = require "core.sys"
local text = require "colibri.text"

local M = {}

local DONE, FAILED = 0, 1
local SECONDS = 330 -- the command's own time, and some

local Console = {}
Console.__index = Console

-- A reply's data. When the old connection was given up while nobody typed, once
-- more on a new one; a line that may have changed something is not sent twice.
local function eval(self, chunk)
  local request = { cmd = "console-eval", chunk = chunk, write = self.write or nil }
  local reply, e = self.conn:request(request, SECONDS)
  if not reply and e.code == "Disconnected" and self.used then
    self.conn:close()
    local conn, why = client.connect(self.socket)
    if not conn then
      return nil, why
    end
    self.conn = conn
    self.stdio.err("colibri: console: connected anew; what was defined is gone\n")
    if not self.write then
      reply, e = conn:request(request, SECONDS)
    end
  end
  if not reply then
    return nil, e
  elseif reply.ok ~= true then
    return nil, err.is(reply.error) and reply.error or err.new("BadReply", "what answers there is not colibri-daemon")
  end
  self.used = true
  return reply.data
end

-- Control bytes of what the daemon printed do not reach the terminal.
local function lines(s)
  local out = {}
  for line in (s .. "\n"):gmatch("([^\n]*)\n") do
    out[#out + 1] = text.escape(line)
  end
  return table.concat(out, "\n") .. "\n"
end

local function show(self, data)
  local out = type(data.output) == "string" and lines(data.output) or ""
  for _, value in ipairs(type(data.values) == "table" and data.values or {}) do
    out = out .. lines(tostring(value))
  end
  if type(data.effects) == "table" then
    out = out .. render.effects(data.effects, { tty = true })
  end
  if out ~= "" then
    self.stdio.out(out)
  end
end

local function fail(self, e)
  local where = type(e.where) == "string" and " (" .. text.escape(e.where) .. ")" or ""
  self.stdio.err("colibri: console: " .. text.escape(e.code .. ": " .. e.message) .. where .. "\n")
end

-- Add a line to what waits, and run it when it is complete.
-- @return "more" | "ok" | "failed"
local function take(self, line)
  self.pending = self.pending and self.pending .. "\n" .. line or line
  if not self.pending:find("%S") then
    self.pending = nil
    return "ok"
  end
  local data, e = eval(self, self.pending)
  if data and data.incomplete then
    return "more"
  end
  self.pending = nil
  if not data then
    fail(self, e)
    return "failed", e
  end
  show(self, data)
  return "ok"
end

local function from_terminal(self)
  local stdio = self.stdio
  local editor = line_edit.new { width = stdio.width }
  stdio.out(("colibri %s at %s; %s; ^D ends\n"):format(sys.version, text.escape(self.socket), self.write and
    "ctx changes things" or "ctx only tells what would change (--write)"))
  while true do
    stdio.raw(true)
    stdio.out(editor:start(self.pending and ">> " or "> "))
    local keys = ""
    local what, line
    repeat
      local draw
      draw, what, line = editor:feed(keys)
      stdio.out(draw)
      if not what then
        keys = stdio.read()
      end
    until what or not keys
    stdio.raw(false)
    if what == "line" then
      take(self, line)
    elseif what == "interrupt" then
      self.pending = nil
    else
      return DONE
    end
  end
end

local function from_pipe(self)
  local rest = ""
  while true do
    local bytes = self.stdio.read()
    rest = rest .. (bytes or "")
    if not bytes and rest ~= "" then
      rest = rest .. "\n"
    end
    for line in rest:gmatch("([^\n]*)\n") do
      if take(self, line) == "failed" then
        return FAILED
      end
    end
    rest = rest:match("[^\n]*$")
    if not bytes then
      break
    end
  end
  if self.pending then
    fail(self, err.new("ScriptSyntax", "the input ends in the middle of a statement"))
    return FAILED
  end
  return DONE
end

--- Run a console until its input ends.
-- @param options { socket = path, write = boolean, stdio = core.stdio }
-- @return exit status, or nil, err when no daemon answers
function M.run(options)
  local self = setmetatable({ socket = options.socket, write = options.write, stdio = options.stdio }, Console)
  local e
  self.conn, e = client.connect(self.socket)
  if not self.conn then
    return nil, e
  end
  local status
  if self.stdio.stdin_is_tty and self.stdio.is_tty then
    status = from_terminal(self)
  else
    status = from_pipe(self)
  end
  if self.conn then
    self.conn:close()
  end
  return status
end

return M
