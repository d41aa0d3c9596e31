-- host.lua - bindings for library modules (lua/colibri) and tests: not for
-- scripts, and without a promise.
return {
  title = "Bindings of the library",
  internal = true,
  about = [[
Modules for `require` in `lua/colibri/` and in test files. They are no part of the script API and
change without notice.]],
  names = {
    agent = { binding = "core.agent", about = "shims of agents" },
    AgentHandle = { class = "colibri.agent", about = "an agent of this daemon" },
    bw = { binding = "core.bw", about = "checks around `bw`" },
    BwLock = { class = "colibri.bw.lock", about = "a data directory that is held" },
    fingerprint = { binding = "core.fingerprint", about = "what a secret was, without saying what it is" },
    FingerprintKey = { class = "colibri.fingerprint.key", about = "the key of the hash" },
    script = { binding = "core.script", about = "names and texts of the overlay" },
    server = { binding = "core.server", about = "the socket's other end" },
    Server = { class = "colibri.server", about = "a listening socket" },
    stdio = { binding = "core.stdio", about = "the terminal" },
  },
  functions = {
    { "agent.start(spec: table): AgentHandle", "`{ id, dir, shim, argv, env, cwd, gate, grace }`; waits until it is held or runs", waits = true,
      errors = "@agents" },
    { "agent.find(dir: string): table", "`{ found = \"alive|exited|gone\", shim, code, signal, ended_at }`", errors = "@agents" },
    { "agent.next_event(): table", "the next report of any agent", waits = true },
    { "agent.stop_found(dir: string, grace: number): table", "ends an agent of an earlier daemon", waits = true, errors = "@agents" },
    { "agent.wait_found(dir: string): table", "waits for its end", waits = true, errors = "@agents" },
    { "AgentHandle:go(): integer", "lets a held agent run; its pid", waits = true, errors = "ExecFailed AgentLost" },
    { "AgentHandle:stop(signal?: integer, grace?: number): table", "ends all of it", waits = true, errors = "AgentLost" },
    { "AgentHandle:wait(): table", "`{ code, signal }`", waits = true, errors = "ExecFailed AgentLost" },
    { "AgentHandle:pid(): integer", "of its first process" },
    { "AgentHandle:id(): string", "its id" },

    { "bw.decode(text: string|Secret): table", "one JSON object whose strings are secrets", errors = "VaultProtocol" },
    { "bw.check_server(url: string|Secret): string", "the URL as bw keeps it", errors = "VaultNotConfigured" },
    { "bw.is_session(text: string|Secret): boolean", "whether it has the shape of a session's key" },
    { "bw.dir_name(server: string, account: string|Secret): string", "name of the account's data directory" },
    { "bw.lock_dir(path: string): BwLock", "takes a data directory, or fails at once", errors = "VaultBusy VaultNotConfigured" },
    { "BwLock:release()", "gives it back; again is allowed" },

    { "fingerprint.key(dir: string, name: string): FingerprintKey", "the key in a file, made if there is none",
      errors = "KeyDamaged NotTrusted @files" },
    { "FingerprintKey:of(tenant: string, key: string, value: string|Secret): string", "32 hex digits" },
    { "FingerprintKey:env(root: Root, name: string, tenant: string): table<string, string>",
      "those of a `.env` that stands there", errors = "InvalidLine InvalidKey DuplicateKey @files" },

    { "script.scan(): table[], string[]", "every script of both layers; texts about files that cannot be used" },
    { "script.load(path: string, chunkname: string, env: table): function", "the text of a trusted file, as a function",
      errors = "NotFound NotTrusted TooLarge ScriptSyntax" },
    { "script.call(fn: function, ...: any): any", "a protected call in which nothing can wait", errors = "ScriptError" },
    { "script.where(fn: function): string", "`file:line` where it is defined" },
    { "script.traceback(e: any): Error", "message handler for `xpcall`" },

    { "server.listen(spec: table): Server", "`{ handle, failed }`: the functions that answer", errors = "@client" },
    { "server.watch_signals(): true", "from here on TERM, INT and HUP are ours", errors = "LoopFailed" },
    { "server.next_signal(): string", "`TERM`, `INT`, `HUP`", waits = true },
    { "Server:serve()", "begins to accept" },
    { "Server:counts(): integer, integer", "open connections, requests ever" },
    { "Server:stats(): table", "`{ connections, requests, open, in_flight }`" },
    { "Server:close()", "ends all connections" },

    { "stdio.out(text: string): boolean", "false when nobody reads any more" },
    { "stdio.err(text: string): boolean", "the same on the error stream" },
  },
  values = {
    { "stdio.is_tty: boolean", "whether stdout is a terminal" },
    { "stdio.width: integer", "its columns" },
  },
}
