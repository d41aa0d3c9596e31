-- cli.lua - the socket CLI: ask the daemon what it can, send, show.
--
-- What it knows about verbs is what `describe` told on the same connection;
-- without a daemon the help comes from the shipped command files.

local args = require "colibri.cli_args"
local client = require "core.client"
local clock = require "core.clock"
local cli_stream = require "colibri.cli_stream"
local completion = require "colibri.completion"
local err = require "colibri.err"
local foreground = require "colibri.cli_foreground"
local render = require "colibri.render"
local sys = require "core.sys"
local text = require "colibri.text"
local values = require "colibri.cli_values"

local M = {}

local DONE, FAILED, USAGE, UNREACHABLE, TIMED_OUT = 0, 1, 2, 3, 4

-- Errors of our own and errors in a reply; any other is FAILED.
local EXIT = { Usage = USAGE, UnknownCommand = USAGE, BadPath = USAGE, DaemonUnreachable = UNREACHABLE,
  Disconnected = UNREACHABLE, Timeout = TIMED_OUT }
local REPLY_EXIT = { DeadlineExceeded = TIMED_OUT }

-- Seconds to wait for `describe`, for a command without a limit of its own, and
-- for the reply of the daemon after a command's limit.
local DESCRIBE_SECONDS = 30
local DEFAULT_SECONDS = 300
local GRACE_SECONDS = 30

local Cli = {}
Cli.__index = Cli

-- Nobody reads any more: nothing to say, and nowhere to say it.
function Cli:out(s)
  return self.stdio.out(s) == false and FAILED or DONE
end

function Cli:line(s)
  self.stdio.err("colibri: " .. s .. "\n")
end

local function where_of(e)
  return type(e.where) == "string" and " (" .. text.escape(e.where) .. ")" or ""
end

-- "colibri: VERB: Code: message (file:line)", then what else the error holds.
function Cli:fail(verb, e)
  local prefix = verb and text.escape(verb) .. ": " or ""
  local function say(one)
    self:line(prefix .. text.escape(one.code .. ": " .. one.message) .. where_of(one))
  end
  say(e)
  for _, one in ipairs(type(e.errors) == "table" and e.errors or {}) do
    if err.is(one) then
      say(one)
    end
  end
  if type(e.traceback) == "string" then
    self.stdio.err(("request %s: "):format(tostring(e.request)) .. text.escape_lines(e.traceback) .. "\n")
  end
  if e.is_reply then
    return REPLY_EXIT[e.code] or FAILED
  elseif e.code == "UnknownCommand" then
    self.stdio.err("'colibri help' lists the commands\n")
  elseif e.usage then
    self.stdio.err("usage: colibri " .. e.usage .. "\n")
  end
  return EXIT[e.code] or FAILED
end

-- What is left of --timeout, or the default.
function Cli:remaining(default)
  if not self.deadline then
    return default
  end
  return math.max(self.deadline - clock.monotonic(), 0.001)
end

-- Data of the reply, and the effects of a dry run | nil, err.
function Cli:request(conn, request, timeout)
  local reply, e = conn:request(request, self:remaining(timeout))
  if not reply then
    return nil, e
  elseif type(reply) ~= "table" or (reply.ok ~= true and not err.is(reply.error)) then
    return nil, err.new("BadReply", "what answers there is not colibri-daemon")
  elseif not reply.ok then
    reply.error.is_reply = true
    return nil, reply.error
  end
  return reply.data, nil, type(reply.effects) == "table" and reply.effects or nil
end

-- Commands as the daemon describes them | nil, err.
function Cli:describe(conn)
  local data, e = self:request(conn, { cmd = "describe" }, DESCRIBE_SECONDS)
  if data and type(data.commands) ~= "table" then
    return nil, err.new("BadReply", "'describe' told no commands")
  end
  return data and data.commands, e
end

local function shipped()
  -- Only here: it reads every script.
  local data, e = require("colibri.scripts").describe_shipped()
  return data and data.commands, e
end

-- Commands for help and completion: of the daemon, else the shipped ones.
-- The second result tells that they are the shipped ones.
function Cli:known_commands()
  local conn <close> = client.connect(self.socket)
  local commands = conn and self:describe(conn)
  if commands then
    return commands, false
  end
  local e
  commands, e = shipped()
  return commands, commands and true or e
end

function Cli:overview(commands, is_shipped)
  local note = is_shipped and ("\nno daemon answers at %s; these are the commands on disk\n"):format(self.socket) or ""
  return self:out(args.overview(commands) .. note)
end

-- Help of one verb, or of all (true).
function Cli:explain(verb, commands, is_shipped)
  if verb == true then
    return self:overview(commands, is_shipped)
  end
  local command, e = args.find(verb, commands)
  if not command then
    return self:fail("help", e)
  end
  return self:out(args.help(command))
end

-- `help [VERB]`
function Cli:help(verb)
  local commands, more = self:known_commands()
  if not commands then
    return self:fail("help", more)
  end
  return self:explain(verb, commands, more)
end

-- `help api [NAME]`: from the files, no daemon is asked.
function Cli:help_api(name)
  local model, e = require("colibri.api").load()
  local help = model and require "colibri.api_help"
  local page
  if help and name then
    page, e = help.about(model, name)
  elseif help then
    page = help.overview(model)
  end
  return page and self:out(page) or self:fail("help api", e)
end

-- `top [SECONDS]`
function Cli:top(words)
  local seconds = words[2] and values.seconds(words[2])
  if words[2] == "--help" or words[2] == "-h" then
    return self:out("usage: colibri top [SECONDS]\n")
  elseif words[2] and not seconds or words[3] then
    local e = err.new("Usage", "it takes the seconds between two looks, not '%s'", words[3] or words[2])
    e.usage = "top [SECONDS]"
    return self:fail("top", e)
  end
  local ok, e = require("colibri.cli_top").run(self, require "core.stdio", seconds)
  return ok and DONE or self:fail("top", e)
end

-- `completion SHELL`
function Cli:completion(shell, more)
  if (shell == "--help" or shell == "-h") and not more then
    return self:out("usage: colibri completion bash|zsh|fish\n")
  end
  local make = completion[shell or ""]
  if not make or more then
    local e = err.new("Usage", "the shell is one of bash, zsh, fish")
    e.usage = "completion bash|zsh|fish"
    return self:fail("completion", e)
  end
  local commands, e = self:known_commands()
  if not commands then
    return self:fail("completion", e)
  end
  return self:out(make(commands))
end

-- `console [--write]`
function Cli:console(words)
  local write = false
  for i = 2, #words do
    if words[i] == "--help" or words[i] == "-h" then
      return self:out("usage: colibri console [--write]\n")
    elseif words[i] ~= "--write" then
      local e = err.new("Usage", "unexpected argument: '%s'", words[i])
      e.usage = "console [--write]"
      return self:fail("console", e)
    end
    write = true
  end
  local status, e = require("colibri.cli_console").run { socket = self.socket, write = write, stdio = self.stdio }
  return status or self:fail("console", e)
end

function Cli:version()
  return self:out(("colibri %s (protocol %d, api %d)\n"):format(sys.version, sys.protocol, sys.api))
end

-- Without a daemon a verb can only be explained.
function Cli:unreachable(words, e)
  local commands = shipped()
  local parsed = commands and args.parse(words, commands)
  if parsed and parsed.help then
    return self:explain(parsed.help, commands, true)
  end
  return self:fail(words[1], e)
end

-- Seconds that a command may take, as far as the CLI is concerned; one with a
-- parameter `timeout` of its own takes that long, too.
local function patience(command, request)
  local own = type(request.timeout) == "number" and request.timeout or 0
  return own + (command.timeout and command.timeout + GRACE_SECONDS or DEFAULT_SECONDS)
end

-- The effects of a dry run come behind what the real one would show.
function Cli:show(data, command, effects)
  local options = { tty = self.stdio.is_tty, json = self.json, width = self.stdio.width, iso = clock.iso }
  local shown
  if command.name == "explain" and options.tty and not options.json and type(data) == "table" then
    shown = render.decisions(data)
  else
    shown = render.render(data, command, options)
  end
  if effects then
    shown = shown .. render.effects(effects, options)
  end
  return self:out(shown)
end

-- `explain VERB ARGS...` is the command explain with VERB's own request in it.
local SHORT = { spawn = "spawn-agent", provision = "provision-tenant" }

local function parse(words, commands)
  local explain = words[1] == "explain" and words[2] and words[2]:sub(1, 1) ~= "-" and args.find("explain", commands)
  if not explain then
    return args.parse(words, commands)
  end
  local inner = table.move(words, 2, #words, 1, {})
  inner[1] = SHORT[inner[1]] or inner[1]
  local parsed, e = args.parse(inner, commands)
  if not parsed or parsed.help then
    return parsed, e
  end
  local request = parsed.request
  parsed.request = { cmd = "explain", verb = request.cmd, request = request }
  request.cmd = nil
  parsed.command = explain
  return parsed
end

-- A parameter whose value is `-`: standard input to its end.
function Cli:read_stdin(parsed)
  for _, p in ipairs(parsed.command.params) do
    if p.stdin and parsed.request[p.name] == "-" and self.stdio.read then
      local parts = {}
      for part in function() return self.stdio.read() end do
        parts[#parts + 1] = part
      end
      parsed.request[p.name] = table.concat(parts)
    end
  end
end

-- A verb that goes on: its events were shown, and its reply holds nothing new.
function Cli:stream(verb, conn, parsed)
  local data, e = cli_stream.run(self, verb, conn, parsed.request)
  if e then
    return self:fail(verb, e)
  end
  return data ~= nil and DONE or FAILED
end

-- Any other verb: describe and the command over one connection.
function Cli:verb(words)
  local conn <close>, e = client.connect(self.socket)
  if not conn then
    return self:unreachable(words, e)
  end
  local commands, parsed, data, effects
  commands, e = self:describe(conn)
  if not commands then
    return self:fail(words[1], e)
  end
  parsed, e = parse(words, commands)
  if not parsed then
    return self:fail(words[1], e)
  elseif parsed.help then
    return self:explain(parsed.help, commands, false)
  end
  self.json = self.json or parsed.json
  parsed.request.trace = self.trace or parsed.trace
  self:set_timeout(parsed.timeout)
  self:read_stdin(parsed)
  if parsed.command.stream then
    return self:stream(words[1], conn, parsed)
  end
  if foreground.wants(parsed) then
    return foreground.run(self, conn, parsed)
  end
  data, e, effects = self:request(conn, parsed.request, patience(parsed.command, parsed.request))
  if data == nil then
    return self:fail(words[1], e or err.new("BadReply", "the reply holds no data"))
  end
  return self:show(data, parsed.command, effects)
end

function Cli:set_timeout(timeout)
  if timeout then
    self.deadline = self.started + timeout
  end
end

local function absolute(path)
  return path:sub(1, 1) == "/" and path or sys.cwd .. "/" .. path
end

--- One run of the CLI. Waits.
-- @param argv list of words, without the program's name
-- @param stdio table { out = function(text) -> false when nobody reads, err =
--   function(text), is_tty = boolean, width = columns }
-- @return exit status: 0 done, 1 refused or failed, 2 usage, 3 unreachable, 4 timed out
function M.run(argv, stdio)
  local self = setmetatable({ stdio = stdio, started = clock.monotonic(), socket = sys.conf.socket_path }, Cli)
  local options, words = args.globals(argv)
  if not options then
    words.usage = "[--socket PATH] [--timeout SECONDS] [--json] [--trace] VERB ..."
    return self:fail(nil, words)
  end
  self.json, self.trace = options.json or false, options.trace
  self:set_timeout(options.timeout)
  if options.socket then
    self.socket = absolute(options.socket)
  end
  local verb = words[1]
  if options.version or verb == "version" then
    return self:version()
  elseif options.help then
    return self:help(verb or true)
  elseif verb == "help" and words[2] == "api" then
    return self:help_api(words[3])
  elseif verb == "help" then
    return self:help((words[2] == "--help" or words[2] == "-h") and true or words[2] or true)
  elseif verb == "console" then
    return self:console(words)
  elseif verb == "top" then
    return self:top(words)
  elseif verb == "completion" then
    return self:completion(words[2], words[3])
  elseif verb == nil then
    local e = err.new("Usage", "a verb is missing; 'colibri help' lists them")
    e.usage = "[--socket PATH] [--timeout SECONDS] [--json] [--trace] VERB ..."
    return self:fail(nil, e)
  end
  return self:verb(words)
end

--- What `colibri` runs: the words of its command line, on its own terminal.
function M.main(...)
  return M.run({ ... }, require "core.stdio")
end

return M
