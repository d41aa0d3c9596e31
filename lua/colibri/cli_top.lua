-- cli_top.lua - `colibri top`: all agents, refreshed as one looks.
--
-- It asks for `snapshot` again and again; keys act through the commands that
-- everybody has. The terminal is as it was before on every way out: the screen
-- by a <close> variable, its mode by stdio.raw and at the program's exit.

local cli_stream = require "colibri.cli_stream"
local client = require "core.client"
local clock = require "core.clock"
local err = require "colibri.err"
local server = require "core.server"
local task = require "core.task"
local view = require "colibri.top_view"

local M = {}

local INTERVAL = 1 -- seconds between two snapshots
local KEY_SECONDS = 0.04 -- between two looks at the keyboard
local ASK_SECONDS = 30
local ENTER, LEAVE = "\27[?1049h\27[?25l", "\27[?25h\27[?1049l"
local HOME, CLEAR_LINE, CLEAR_BELOW = "\27[H", "\27[K", "\27[J"

local Top = {}
Top.__index = Top

-- One request on a connection that is kept | nil, err.
local function ask(self, request)
  local e
  if not self.conn then
    self.conn, e = client.connect(self.cli.socket)
  end
  local data
  if self.conn then
    data, e = self.cli:request(self.conn, request, ASK_SECONDS)
    if not data and not e.is_reply then
      self.conn:close()
      self.conn = nil
    end
  end
  return data, e
end

local function draw(self)
  local width, height = self.stdio.size()
  local lines = view.render(self.snapshot, self.ui, width, height)
  if self.cli.stdio.out(HOME .. table.concat(lines, CLEAR_LINE .. "\r\n") .. CLEAR_LINE .. CLEAR_BELOW) == false then
    self.done = true
  end
end

local function refresh(self)
  local data, e = ask(self, { cmd = "snapshot" })
  if data then
    self.snapshot = data
    if self.is_away then
      self.is_away, self.ui.message = false, nil
    end
  else
    self.is_away, self.ui.message = true, e.code .. ": " .. e.message
  end
  self.next_at = clock.monotonic() + self.interval
  self.dirty = true
end

-- Not what was drawn last: keys may come faster than screens.
local function selected(self)
  local panes = view.select(self.snapshot, self.ui.filter)
  return panes[math.max(1, math.min(self.ui.selected, #panes))]
end

-- Stop the selected agent, beside the screen.
local function stop(self, pane)
  self.ui.message = "stopping " .. pane.id
  self.children[#self.children + 1] = task.go(function()
    local conn <close>, e = client.connect(self.cli.socket)
    local row
    if conn then
      row, e = self.cli:request(conn, { cmd = "stop-agent", agent_id = pane.id }, 120)
    end
    self.ui.message = row and ("stopped " .. pane.id) or e.code .. ": " .. e.message
    self.next_at, self.dirty = 0, true
  end)
end

-- Show what the agent writes until a key is pressed.
local function follow(self, pane)
  local out = self.cli.stdio.out
  out(LEAVE .. ("--- what %s writes; any key goes back ---\n"):format(pane.id))
  local conn = client.connect(self.cli.socket)
  local reader = conn and task.go(cli_stream.run, self.cli, "logs", conn,
    { cmd = "logs", agent_id = pane.id, follow = true, tail = 20 })
  while not self.done and not self.stdio.ready() do
    task.sleep(KEY_SECONDS)
  end
  if reader then
    reader:cancel()
  end
  out(ENTER)
  self.next_at, self.skip = 0, 1 -- the key is not for the list
end

-- Keys while a filter is typed, or a question is asked; else those of the list.
local modes = {}

function modes.filter(self, key)
  local ui = self.ui
  if key == "\r" or key == "\n" then
    self.mode, ui.prompt = "list", nil
    return
  elseif key == "\27" then
    self.mode, ui.prompt, ui.filter = "list", nil, ""
    return
  elseif key == "\127" or key == "\8" then
    ui.filter = ui.filter:sub(1, (utf8.offset(ui.filter, -1) or 1) - 1)
  elseif #key == 1 and key:byte() >= 32 then
    ui.filter = ui.filter .. key
  end
  ui.prompt = "/" .. ui.filter .. "_"
end

function modes.confirm(self, key)
  self.mode, self.ui.prompt = "list", nil
  if key == "y" or key == "x" then
    stop(self, self.asked)
  end
end

local LIST = {
  q = function(self) self.done = true end,
  ["\3"] = function(self) self.done = true end,
  j = function(self) self.ui.selected = self.ui.selected + 1 end,
  k = function(self) self.ui.selected = self.ui.selected - 1 end,
  x = function(self)
    self.asked = selected(self)
    if self.asked then
      self.mode, self.ui.prompt = "confirm", ("stop %s and everything it started? y/n"):format(self.asked.id)
    end
  end,
  l = function(self)
    local pane = selected(self)
    if pane then
      follow(self, pane)
    end
  end,
  ["/"] = function(self) self.mode, self.ui.prompt = "filter", "/" .. self.ui.filter .. "_" end,
}
LIST["\27[B"], LIST["\27[A"], LIST["\27OB"], LIST["\27OA"] = LIST.j, LIST.k, LIST.j, LIST.k

function modes.list(self, key)
  local action = LIST[key]
  if action then
    self.ui.message = nil
    action(self)
  end
end

--- The keys in what a terminal sent: an escape sequence is one.
function M.keys(bytes)
  local out, at = {}, 1
  while at <= #bytes do
    local key = bytes:match("^\27[%[O][%d;]*[%a~]", at) or bytes:sub(at, at)
    out[#out + 1] = key
    at = at + #key
  end
  return out
end

local function read_keys(self)
  while not self.done and self.stdio.ready() do
    local bytes = self.stdio.read()
    if not bytes then
      self.done = true
      return
    end
    for _, key in ipairs(M.keys(bytes)) do
      if self.skip then
        self.skip = nil
      else
        modes[key == "\3" and "list" or self.mode](self, key)
      end
      self.dirty = true
    end
  end
end

-- Signals end it as q does; the size of the terminal is asked for each screen.
local function watch_signals(self)
  server.next_signal()
  self.done = true
end

local screen = { __close = function(self)
  self.cli.stdio.out(LEAVE)
  self.stdio.raw(false)
  if self.conn then
    self.conn:close()
  end
end }

local function loop(self)
  local watcher = task.go(watch_signals, self)
  while not self.done do
    if clock.monotonic() >= self.next_at then
      refresh(self)
    end
    read_keys(self)
    if self.dirty and not self.done then
      self.dirty = false
      draw(self)
    end
    task.sleep(KEY_SECONDS)
  end
  watcher:cancel()
end

--- Run it. Waits.
-- @param cli the run of the CLI
-- @param stdio core.stdio: raw, ready, read, size
-- @param interval number|nil: seconds between two snapshots
-- @return true | nil, err
function M.run(cli, stdio, interval)
  local self = setmetatable({ cli = cli, stdio = stdio, interval = interval or INTERVAL, next_at = 0, mode = "list",
    ui = { filter = "", selected = 1 }, children = {} }, Top)
  local data, e = ask(self, { cmd = "snapshot" })
  if not data then
    return nil, e
  end
  self.snapshot = data
  if not (cli.stdio.is_tty and stdio.stdin_is_tty) then
    self.ui.plain = true
    local lines = view.render(data, self.ui, 132)
    self.conn:close()
    return cli.stdio.out(table.concat(lines, "\n") .. "\n") ~= false or
      nil, err.new("Disconnected", "nobody reads the output")
  end
  server.watch_signals()
  local guard <close> = setmetatable({ cli = cli, stdio = stdio }, screen)
  stdio.raw(true)
  cli.stdio.out(ENTER)
  loop(self)
  guard.conn = self.conn
  return true
end

return M
