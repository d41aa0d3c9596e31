-- scripts.lua - the kinds of script: where their files lie, what their tables
-- hold, how their functions are called.
return {
  about = [[
A script is a file that returns a plain table. Loading does no work: what waits or has an
effect belongs into its function. An unknown field is an error, and so is one of the wrong
type.]],
  common = {
    { "api: integer", "API level it is written for: 1" },
    { "summary: string", "one line for a person" },
    { "disabled?: boolean", "true removes the shipped script of this name; nothing else is needed then" },
    { "wraps?: string", "digest of the shipped script that this one was written against; `colibri scripts` tells when it has changed" },
    { "self_check?: fun(ctx: Ctx): boolean?, any",
      "runs before a reload takes effect, with an empty store, no vault and writers that only report; false, `nil, err` or an error keeps the old scripts",
      waits = true },
  },
  kinds = {
    {
      "commands", type = "Command", site = "commands/NAME.lua", stock = "lua/commands/",
      about = "a socket command, and a verb of the CLI",
      fields = {
        { [[access: "read"|"change"]], "whether it changes anything; the authorize hooks decide by it, changes are audited" },
        { "params?: Param[]", "its parameters" },
        { "run: fun(ctx: Ctx, args: table): any, Error?", "returns the data of the reply, or `nil, err`", waits = true },
        { "aliases?: string[]", "other names" },
        { "change_params?: string[]", "names of parameters that make a request a change although `access` is `read`" },
        { "columns?: string[]", "what a terminal shows of each row, in order" },
        { "dry_run?: boolean", "false: it takes no `dry_run`; one that changes things does, unless told" },
        { "timeout?: number", "seconds it may take; 30 unless told, at most 86,400" },
        { "stream?: boolean", "it may send many lines before its reply, through `ctx.stream()`" },
      },
    },
    {
      "hooks", type = "Hook", site = "hooks/EVENT/NAME.lua", stock = "hooks/",
      about = "one decision around an event",
      fields = {
        { "run: fun(ctx: Ctx, event: table): boolean?, Error|string?", "nothing: go on; `false, err`: refuse; `nil, err`: it failed", waits = true },
        { "before?: string[]", "names of hooks of the same event that it must run before" },
        { "after?: string[]", "names of hooks of the same event that it must run after" },
        { [[on_error?: "fail"|"warn"]], "whether a failure ends the event (`fail`, unless told) or is logged only" },
        { "remember?: boolean",
          "for `authorize`: it looks at `peer`, `command` and `access` only; if all hooks say so, a yes holds for the connection" },
      },
    },
    {
      "jail", type = "Launcher", site = "jail/NAME.lua", stock = "lua/colibri/jail/",
      about = "a jail launcher: `--jail-backend NAME`",
      fields = {
        { "launch: fun(ctx: Ctx, jail: JailSpec, argv: string[], env: table<string, string>): string[]?, Error?",
          "the argv that runs `argv` in the jail, or `nil, err`; its first word is an absolute path", waits = true },
        { "hold?: \"exec\"", "`--provision before` holds the agent in front of the launcher; left out: inside the jail, if that has a `/bin/sh`" },
        { "identity?: fun(ctx: Ctx, jail: JailSpec): any",
          "what tells the running jail from another one of its name, such as its id; nil: nothing does, or `nil, err`" },
      },
    },
    {
      "vault", type = "VaultAdapter", site = "vault/NAME.lua", stock = "lua/colibri/vault/",
      about = "a vault adapter: `--vault NAME`",
      fields = {
        { "open: fun(ctx: Ctx): table?, Error?",
          "a session: `:fetch(collection, since)`, a list of `{ key, value, item }` or `nil, err`; `:close()`, allowed twice; `:rest()?`. Or `nil, err`",
          waits = true },
        { "recover?: fun(ctx: Ctx): boolean?, Error?", "at the daemon's start: ends what a crash left behind", waits = true },
        { "stamp?: fun(ctx: Ctx): string?, Error?",
          "another text when the credentials have changed; with it, refused ones (`VaultAuthFailed`) are not tried again before" },
      },
    },
    {
      "providers", type = "Provider", site = "providers/NAME.lua", stock = "lua/providers/",
      about = "how a provider's agents are started: `spawn-agent NAME MODEL`",
      fields = {
        { "command: fun(ctx: Ctx, spawn: SpawnSpec): string[]?, table<string, string>|Error",
          "the agent's argv (a path inside the jail) and environment, or `nil, err`; put no secret into either", waits = true },
        { "input?: boolean", "true: its agents read prompts on stdin; false: never; not given: when the spawn asks for it" },
        { "prompt?: fun(ctx: Ctx, text: string, number: integer): string",
          "a prompt as its agents read it, `number` from 1 on; without one the text and a newline" },
        { "env?: string[]", "variables of provider.env that its agents get, as secrets; never BW_*" },
        { "ready_event?: string", "type of the JSON line by which its agents tell that they are ready" },
        { "ready?: fun(ctx: Ctx, agent: table): boolean",
          "is this agent ready? asked again and again; `agent` has `agent_id`, `run`, `session_id`, `model`, `jail_name`, `jail_root`",
          waits = true },
      },
    },
    {
      "policy", type = "Policy", site = "policy/NAME.lua", stock = "lua/policy/",
      about = "`states`: from an agent's events to its state; `restart`: what follows the end of a run; " ..
        "`refresh`: when a tenant of policy `interval` is due",
      fields = {
        { "decide: fun(...: any): any, any", [[`states`: (state, event_type) gives the next state, for each JSON line with a
`type` that the agent prints; `restart`: (mode, run, memory, options, random) gives { action, delay?, reason?, memory };
`refresh`: ({ tenant_id, interval, failures }, random) gives the earliest and the latest
time of its next refresh, in seconds after the last try, or nil for never]] },
      },
    },
    {
      "steps", type = "Step", site = "steps/NAME.lua", stock = "scripts/steps/",
      about = "a step of a proof; runs in `colibri-run`",
      fields = {
        { "run: fun(ctx: ProofCtx, proof: table): any, any", "true; `\"skip\", why`; or `nil, err`. `proof` holds the options and facts that steps share",
          waits = true },
      },
    },
  },
  types = {
    { "Param", "a parameter of a command: `{ \"name\", \"type\", field = value, ... }`", array = "string", fields = {
      { "positional?: boolean", "given by its place on a command line instead of by a flag" },
      { "required?: boolean", "must be given" },
      { "default?: any", "when absent" },
      { "min?: number", "of a number; of a length for strings; of a count for lists" },
      { "max?: number", "the same" },
      { "values?: string[]", "of an `enum`" },
      { "requires?: string", "name of a parameter without which this one makes no sense" },
      { "flag?: string", "its flag without dashes, when it is not the name with `-` for `_`" },
      { "metavar?: string", "what stands for its value in usage lines" },
      { "help?: string", "a few words" },
      { "hidden?: boolean", "not shown" },
      { "short?: string", "a letter: the CLI takes `-f` for its flag too" },
      { "stdin?: boolean", "the CLI reads the value from standard input when it is `-`" },
      { "rest?: boolean", "a list with a flag: the CLI puts all words behind `--` into it, too" },
    } },
    { "JailSpec", "the jail of a spawn", fields = {
      { "name?: string", "its name" },
      { "root?: string", "its root as the host sees it" },
      { "path?: string", "the same, where the kernel told it" },
      { "user?: string", "who the agent is to be in there" },
      { "cwd?: string", "where it is to begin in there; nil: `/`" },
      { "backend?: string", "the launcher" },
    } },
    { "SpawnSpec", "a spawn as a provider sees it", fields = {
      { "agent_id: string", "made for it" },
      { "model: string", "as asked" },
      { "session_id: string", "as asked, or made up" },
      { "system_prompt?: string", "as asked" },
      { "args: string[]", "further words" },
      { "jail_name?: string", "as asked" },
      { "jail_root?: string", "as asked" },
      { "backend: string", "the launcher" },
      { [[provision: "after"|"before"]], "as asked" },
    } },
  },
  -- The types of parameters (lua/colibri/param_types.lua).
  param_types = {
    { "string", "at most 64 KiB unless `max` says otherwise; no NUL", "a word" },
    { "name", "`[A-Za-z0-9_][A-Za-z0-9_-]{0,63}`", "a word" },
    { "path", "absolute, at most 4,096 bytes", "a word" },
    { "integer", "`1.0` is 1", "a word" },
    { "number", "finite", "a word" },
    { "time", "UNIX seconds", "UNIX seconds, `10m` (ago; s, m, h, d), `2026-11-26`, `2026-11-26T01:02:03` (UTC)" },
    { "boolean", "true, false", "`--flag`, `--no-flag`" },
    { "enum", "one of `values`", "a word" },
    { "list", "of strings, at most 4,096", "the flag repeated, or the rest of the words" },
    { "any", "any JSON value", "JSON" },
  },
}
