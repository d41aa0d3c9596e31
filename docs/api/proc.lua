-- proc.lua - programs: `ctx.proc` and a running process.
return {
  title = "Programs",
  about = [[
Programs are run from an argument list, never by a shell. A bare name is looked for in
`/usr/local/{s,}bin`, `/usr/{s,}bin`, `/{s,}bin`; program and directories above it must be
changeable by root and the daemon's user only. The environment is what `env` says and
nothing else.]],
  names = {
    proc = { binding = "core.proc", ctx = true, about = "run programs" },
    Process = { class = "colibri.process", about = "a running program; `<close>` kills its process group" },
    Descriptor = { class = "colibri.fd", about = "something a child can read" },
  },
  functions = {
    { "proc.run(spec: ProcSpec): ProcResult", "runs a program to its end", waits = true,
      errors = "ProgramNotFound ProgramNotTrusted SpawnFailed" },
    { "proc.start(spec: ProcSpec): Process", "starts a program and goes on",
      errors = "ProgramNotFound ProgramNotTrusted SpawnFailed" },
    { "proc.find(name: string): string", "absolute path of a program", errors = "ProgramNotFound ProgramNotTrusted" },
    { "proc.fd_of(data: string|Secret): Descriptor",
      "a descriptor for `fds` from which a child can read the bytes, once; at most what a pipe holds (64 KiB on Linux)",
      errors = "SpawnFailed" },
    { "proc.environ(name: string): string?", "a variable of the host's own environment; for programs, not for scripts",
      internal = true },

    { "Process:wait(): ProcResult", "its result; may be called again", waits = true, errors = "Cancelled" },
    { "Process:done(): boolean", "whether `wait` would return at once" },
    { "Process:kill(signal?: integer): boolean", "sends a signal (TERM, 15) to its group; whether it was still there" },
    { "Process:pid(): integer?", "its process id; nil once it ended" },
    { "Process:stderr(): string", "what it has written there so far" },
    { "Process:close()", "kills the group, unless it ended; again is allowed" },

    { "Descriptor:close()", "closes it; again is allowed" },
  },
  types = {
    { "ProcSpec", "what to run: `{ \"/bin/ls\", \"-l\", cwd = \"/\" }`", options = true, array = "string", fields = {
      { "env?: table<string, string|Secret>", "the whole environment of the child" },
      { "cwd?: string", "directory to start in" },
      { "input?: string|Secret", "its standard input; empty unless told" },
      { "timeout?: number", "seconds, then its group is ended" },
      { "grace?: number", "seconds between TERM and KILL" },
      { "max_stdout?: integer", "bytes kept of its output" },
      { "max_stderr?: integer", "bytes kept of its error output" },
      { "kill_on_overflow?: boolean", "end it when it says more than that" },
      { "secret_output?: boolean", "`stdout` becomes a secret" },
      { "fds?: table<integer, Descriptor>", "further descriptors of the child, 3 to 63" },
    } },
    { "ProcResult", "how a program ended", fields = {
      { "code: integer", "exit status; -1 after a death by signal" },
      { "signal: integer", "the signal that killed it; 0 after an exit" },
      { "stdout: string|Secret", "what it said; a secret when `secret_output` was set" },
      { "stderr: string", "what it complained about" },
      { "timed_out: boolean", "the timeout ended it" },
      { "overflow: boolean", "it said more than was kept" },
      { "seconds: number", "how long it ran" },
    } },
  },
}
