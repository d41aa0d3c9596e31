-- kit.lua - what a test file may use: `colibri-run test FILE...`.
return {
  title = "Tests",
  about = [[
`colibri-run test FILE...` runs each case as a task, prints TAP, and fails a case that leaves a
task or a wait behind. Test files are no overlay scripts: they may `require` the library and
the bindings.]],
  names = {
    test = { module = "colibri.test", about = "cases and checks" },
    scratch = { module = "colibri.scratch", about = "real daemons in scratch directories" },
    ScratchDaemon = { source = "lua/colibri/scratch.lua", class = "Daemon",
      about = "a daemon below a scratch directory with `jails/`, `vault/`, `site/`, `state/`; `<close>` ends it" },
  },
  functions = {
    { "test.test(name: string, fn: function)", "declares a case" },
    { "test.eq(got: any, want: any, message?: string)", "deep equality" },
    { "test.ok(v: any, message?: any): any", "truth; returns `v`" },
    { "test.err(code: string, v: any, e: any): any", "`nil, err` with this code: `t.err(\"NotFound\", f())`; returns the error" },
    { "test.raises(fn: function, pattern: string): string", "`fn` raises a text that matches; returns it" },
    { "test.eventually(fn: function, seconds?: number): any", "polls until `fn()` is true, 10 s unless told", waits = true },
    { "test.run(out: function): integer", "runs the declared cases; how many failed", waits = true, internal = true },

    { "scratch.daemon(options?: ScratchOptions): ScratchDaemon", "a new one; raises when it does not start", waits = true },
    { "ScratchDaemon:tree(files: table)", "makes files, and directories (`/` at the end): `{ [\"vault/a.env\"] = \"A=1\\n\", [\"jails/a/root/\"] = true }`" },
    { "ScratchDaemon:read(name: string): string", "the text of a file below it", errors = "@files" },
    { "ScratchDaemon:stat(name: string): Stat", "facts about a name below it", errors = "@files" },
    { "ScratchDaemon:call(cmd: string, args?: table): any", "sends a command; its data, or the daemon's error", waits = true, errors = "@client" },
    { "ScratchDaemon:connect(): Connection", "a further connection", errors = "DaemonUnreachable" },
    { "ScratchDaemon:start(): ScratchDaemon", "starts it again", waits = true, errors = "DaemonFailed" },
    { "ScratchDaemon:stop(signal?: integer): ProcResult?", "ends it by a signal (TERM); its log is in `stderr`", waits = true },
    { "ScratchDaemon:crash(): ProcResult?", "ends it by KILL", waits = true },
    { "ScratchDaemon:close()", "ends its agents and it, removes the directory", waits = true },
  },
  types = {
    { "ScratchOptions", "how to start a daemon", fields = {
      { "backend?: string", "jail launcher; `none` unless told" },
      { "vault?: string", "adapter; `file` unless told" },
      { "flags?: string[]", "further words of its command line" },
      { "files?: table", "see `tree`" },
      { "log_level?: string", "`debug` unless told" },
      { "program?: string", "path of the daemon" },
      { "start?: boolean", "false: do not start it" },
    } },
  },
}
