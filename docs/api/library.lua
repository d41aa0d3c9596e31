-- library.lua - the pure modules that a script may `require`.
return {
  title = "Modules for require",
  about = [[
`require` knows these, `colibri.sync` and `core.json`, and nothing else. Each file has an
environment of its own: an undeclared name is an error with file and line, so a typo is never
nil.]],
  names = {
    err = { module = "colibri.err", require = true, about = "error objects" },
    launch = { module = "colibri.launch", require = true, about = "what jail launchers share" },
    params = { module = "colibri.params", require = true, about = "parameters of commands" },
    proof = { module = "colibri.proof", require = true, unchecked = true, about = "the machinery of a proof" },
    spawn_params = { module = "colibri.spawn_params", require = true, about = "what commands that spawn have in common" },
  },
  functions = {
    { "err.new(code: string, fmt: string, ...: any): Error",
      "a new error; `fmt` is for `string.format`, or taken as it is when no values follow" },
    { "err.wrap(e: any, fmt: string, ...: any): Error",
      "a new error that says in front what was being done; keeps the code, and the old one as its cause" },
    { "err.is(v: any): boolean", "whether it is a table with a code and a message" },

    { "launch.privileged(ctx: Ctx, words: string[]): string[], boolean",
      "argv that runs `words` as root by the setting `jail_priv_mode`; whether there is a prefix",
      errors = "ProgramNotFound ProgramNotTrusted BadSetting" },
    { "launch.env_words(env: table<string, string>?, lead?: string): string[]", "`K=V` words of an environment, sorted, each behind `lead`" },
    { "launch.kill_words(ctx: Ctx, backend: string): string[]?",
      "argv of the program that may signal what the launcher started as root; nil when none is needed",
      errors = "ProgramNotFound ProgramNotTrusted BadSetting" },
    { "launch.with_env(argv: string[], env: table<string, string>): string[]", "argv that sets the environment inside the jail by env(1)",
      errors = "BadParameter" },
    { "launch.as_root(ctx: Ctx, words: string[], argv: string[], env: table<string, string>): string[], string[]",
      "`privileged(words)`, and the agent's argv, by `with_env` where a prefix stands in front",
      errors = "ProgramNotFound ProgramNotTrusted BadSetting BadParameter" },
    { "launch.append(list: any[], more: any[]): any[]", "the first list with the second behind it" },
    { "launch.with_cwd(argv: string[], cwd?: string): string[]", "argv that enters a directory first, by the jail's own sh" },
    { "launch.root_of(jail: JailSpec, backend: string): string", "the root of the jail as the host sees it", errors = "JailRootNeeded" },
    { "launch.no_user(jail: JailSpec, backend: string): true", "for backends that cannot change the user in the jail",
      errors = "JailUserUnsupported" },

    { "params.check_spec(list: any): true", "whether a declaration is in order; the error names the parameter", errors = "BadScript" },
    { "params.compile(params: Param[]): function",
      "a function that checks a table of arguments: `clean`, a new table with defaults filled in, or `nil, err`" },
    { "params.validate(params: Param[], args: table): table", "the same in one call", errors = "BadParameter MissingParameter" },
    { "params.flag(param: table): string", "the flag of a parameter, without its dashes" },

    { "spawn_params.list(first: Param[]): Param[]", "the parameters of a command that spawns: `first`, then what all of them take" },
    { "spawn_params.columns(): string[]", "what a terminal shows of a spawn's reply" },

    { "proof.usage(program: string, spec: table[]): string", "the usage text of an option list" },
    { "proof.options(spec: table[], words: string[]): table", "words to options, defaults filled in", errors = "BadParameter" },
    { "proof.note(ctx: ProofCtx, fmt: string, ...: any)", "a comment line of the report" },
    { "proof.request(ctx: ProofCtx, proof: table, request: table): any", "asks the daemon at `proof.socket`", waits = true, errors = "@client" },
    { "proof.program(ctx: ProofCtx, name: string): string", "absolute path of a program of colibri", errors = "ProgramNotFound" },
    { "proof.scratch(ctx: ProofCtx, proof: table): string", "the proof's scratch directory, made when it is first asked for", errors = "@files" },
    { "proof.mkdirs(ctx: ProofCtx, below: string, names: string[], mode?: integer): true", "makes directories below a path, 0700 unless told",
      errors = "@files" },
    { "proof.poll(ctx: ProofCtx, seconds: number, what: string, fn: function, retry?: table<string, boolean>): any",
      "tries `fn` until it gives something true, or an error whose code is not in `retry`", waits = true, errors = "DeadlineExceeded" },
    { "proof.run(ctx: ProofCtx, proof: table, names: string[], cleanup: string, next_signal: function): integer",
      "runs steps in order, then the clean-up, whatever happened; prints TAP; 0 when all went well", waits = true },
    { "proof.main(ctx: ProofCtx, proof: table, names: string[], cleanup: string): integer", "`run` that listens to the process's own signals",
      waits = true },
  },
  values = {
    { "spawn_params.TIMEOUT: integer", "seconds that a spawn may take" },
  },
}
