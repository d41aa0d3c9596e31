-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---how a world begins
---@class (exact) colibri.WorldOptions
---@field now? number UNIX seconds; a Monday noon (UTC) unless told
---@field clock? string `manual`: time passes by `advance` only; `auto`: by itself too, while a call waits for it
---@field conf? table settings, by the names of `ctx.conf`

---how to start a daemon
---@class (exact) colibri.ScratchOptions
---@field backend? string jail launcher; `none` unless told
---@field vault? string adapter; `file` unless told
---@field flags? string[] further words of its command line
---@field files? table see `tree`
---@field env? table<string, string> further variables of its environment
---@field log_level? string `debug` unless told
---@field program? string path of the daemon
---@field start? boolean false: do not start it

---@class colibri.Pending
local _Pending = {}

---whether the reply is there
---@return boolean
function _Pending:done() end

---data of the reply, or its error
---@async
---@return any
function _Pending:wait() end

---the whole reply
---@async
---@return table
function _Pending:reply() end

---@class colibri.Daemon
---@field dir string the scratch directory
---@field base string the jail-root base below it
---@field socket string its socket
---@field log? string its log, once it ended
local _Daemon = {}

---makes files, and directories (`/` at the end): `{ ["vault/a.env"] = "A=1\n", ["jails/a/root/"] = true }`
---@param files table
function _Daemon:tree(files) end

---the text of a file below it
---Fails with @files.
---@param name string
---@return string?
---@return colibri.Error? err
function _Daemon:read(name) end

---facts about a name below it
---Fails with @files.
---@param name string
---@return colibri.Stat?
---@return colibri.Error? err
function _Daemon:stat(name) end

---puts a shell and further programs into a jail root below it
---@async
---@param name string
---@param ... any
function _Daemon:furnish(name, ...) end

---sends a command; its data, or the daemon's error
---Fails with @client.
---@async
---@param cmd string
---@param args? table
---@return any
---@return colibri.Error? err
function _Daemon:call(cmd, args) end

---a further connection
---Fails with DaemonUnreachable.
---@return colibri.Connection?
---@return colibri.Error? err
function _Daemon:connect() end

---starts it again
---Fails with DaemonFailed.
---@async
---@return colibri.Daemon?
---@return colibri.Error? err
function _Daemon:start() end

---ends it by a signal (TERM); its log is in `stderr`
---@async
---@param signal? integer
---@return colibri.ProcResult?
function _Daemon:stop(signal) end

---ends it by KILL
---@async
---@return colibri.ProcResult?
function _Daemon:crash() end

---ends its agents and it, removes the directory
---@async
function _Daemon:close() end

---@class colibri.World
---@field dir string the scratch directory
---@field base string the jail-root base below it
---@field clock colibri.Clock its time
---@field agents colibri.Agents its agents
---@field proc colibri.Proc its programs
---@field vault colibri.Vault its vault
---@field db colibri.db its store
---@field log table[] log lines: `{ level, topic, message, fields }`
---@field out string[] what the last step printed
---@field err string[] what it printed to the error stream
local _World = {}

---a command through the real dispatch: its data, or the error, as a client sees them; `peer` is `{ uid, gid, pid }`
---@async
---@param cmd string
---@param args? table
---@param peer? table
---@return any
function _World:call(cmd, args, peer) end

---the same beside the test
---@param cmd string
---@param args? table
---@param peer? table
---@return colibri.Pending
function _World:start(cmd, args, peer) end

---the same from a whole request
---@param request table
---@param peer? table
---@return colibri.Pending
function _World:send(request, peer) end

---runs the hooks of an event; the error has `hook` and `refused`
---@async
---@param event string
---@param payload? table
---@return true
function _World:hooks(event, payload) end

---runs one step of a proof; `out` and `err` are lists of what it printed
---@async
---@param name string
---@param proof? table
---@return any
function _World:step(name, proof) end

---a session of a vault adapter
---Fails with @vault.
---@async
---@param name string
---@return table?
---@return colibri.Error? err
function _World:open_vault(name) end

---a ctx, as commands and hooks get it
---@param name? string
---@return colibri.Ctx
function _World:ctx(name) end

---runs a function as a task while time passes
---@async
---@param fn function
---@param ... any
---@return any
function _World:run(fn, ...) end

---makes a jail root and registers it; its path
---@async
---@param name string
---@return string
function _World:tenant(name) end

---a collection of the fake vault: `{ KEY = "value" }`; nil takes it away
---@param name string
---@param values? table
function _World:collection(name, values) end

---makes files, and directories (`/` at the end), below `dir`; jail roots are below `jails/`
---@param files table
function _World:tree(files) end

---the text of a file below `dir`
---Fails with @files.
---@param name string
---@return string?
---@return colibri.Error? err
function _World:read(name) end

---facts about a name below `dir`
---Fails with @files.
---@param name string
---@return colibri.Stat?
---@return colibri.Error? err
function _World:stat(name) end

---what went through `ctx`, in order: `{ name = "proc.run", args... }`
---@param name? string
---@return table[]
function _World:effects(name) end

---the first log line that contains it: `{ level, topic, message, fields }`
---@param text string
---@return table?
function _World:logged(text) end

---ends it, as a daemon ends; removes the directory
---@async
function _World:close() end

---the generation of scripts
---@return table
function _World:gen() end

---lets tasks and time run until `done()`
---@async
---@param done function
function _World:drive(done) end

---@class colibri.Agent
---@field argv string[] its words
---@field env table<string, string> its environment
---@field running boolean whether it runs
---@field held boolean whether it waits to be let go
local _Agent = {}

---it prints a JSON line; `event.type` is its type
---@param event table
function _Agent:emit(event) end

---it ends by itself
---@param code? integer
function _Agent:exit(code) end

---only KILL ends it, after the grace
function _Agent:ignore_term() end

---as of its handle; never, when `w.agents.enter` is false
---@async
---@return true
function _Agent:inside() end

---as of its handle
---@async
---@param signal? integer
---@param grace? number
---@return table
function _Agent:stop(signal, grace) end

---to its stdin, as of core.agent; `agent.input` has all of it
---@param text string
---@return integer
function _Agent:send(text) end

---a signal that is no stop
---@param signal? integer
function _Agent:signal(signal) end

---as of its handle
---@async
---@return table
function _Agent:wait() end

---as of its handle
---@return integer
function _Agent:go() end

---as of its handle
---@return integer
function _Agent:pid() end

---as of its handle
---@return string
function _Agent:id() end

---@class colibri.Agents
---@field list colibri.Agent[] those that were started
local _Agents = {}

---the one started last
---@return colibri.Agent?
function _Agents:last() end

---`fn(spec)` decides about starts: true, or `nil, err`
---@param fn? function
function _Agents:on_start(fn) end

---the fake of `core.agent`
---@param now function
---@return table
function _Agents:module(now) end

---@class colibri.Clock
local _Clock = {}

---time passes; sleepers wake in order, until all is at rest
---@async
---@param seconds number
function _Clock:advance(seconds) end

---UNIX seconds
---@return number
function _Clock:now() end

---seconds that never go back
---@return number
function _Clock:monotonic() end

---sets the UNIX time; sleepers do not care
---@param now number
function _Clock:set(now) end

---lets everything run that can, in no time
---@async
function _Clock:settle() end

---seconds until the next sleeper wakes
---@return number?
function _Clock:next() end

---wakes the next sleeper
---@async
---@return boolean
function _Clock:step() end

---a sleeper
---@param seconds number
---@param wake function
---@return table
function _Clock:add(seconds, wake) end

---takes it away
---@param sleeper table
function _Clock:remove(sleeper) end

---the fake of `core.clock`
---@return table
function _Clock:module() end

---the fake of `core.task`
---@param hooks table
---@return table
function _Clock:task_module(hooks) end

---@class colibri.Proc
---@field runs table[] the calls so far
local _Proc = {}

---what a program does: `{ code?, signal?, stdout?, stderr?, timed_out?, overflow? }`, or a function of the call; one without an outcome raises
---@param program string
---@param outcome any
function _Proc:on(program, outcome) end

---`proc.find` does not find it
---@param name string
function _Proc:missing(name) end

---the fake of `core.proc`
---@return table
function _Proc:module() end

---@class colibri.Vault
---@field fetched string[] what was asked for
---@field opened integer sessions opened
---@field closed integer sessions closed
local _Vault = {}

---as `World:collection`
---@param collection string
---@param values? table
function _Vault:set(collection, values) end

---fetches fail so, of one collection or all, until `ok`
---@param code string
---@param collection? string
function _Vault:fail(code, collection) end

---sessions cannot be opened, until `ok`
---@param code string
function _Vault:fail_open(code) end

---no more failures
function _Vault:ok() end

---the adapter's script
---@return table
function _Vault:adapter() end
