-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---a parameter of a command: `{ "name", "type", field = value, ... }`
---@class (exact) colibri.Param: { [integer]: any }
---@field positional? boolean given by its place on a command line instead of by a flag
---@field required? boolean must be given
---@field default? any when absent
---@field min? number of a number; of a length for strings; of a count for lists
---@field max? number the same
---@field values? string[] of an `enum`
---@field requires? string name of a parameter without which this one makes no sense
---@field flag? string its flag without dashes, when it is not the name with `-` for `_`
---@field metavar? string what stands for its value in usage lines
---@field help? string a few words
---@field hidden? boolean not shown
---@field short? string a letter: the CLI takes `-f` for its flag too

---the jail of a spawn
---@class (exact) colibri.JailSpec
---@field name? string its name
---@field root? string its root as the host sees it
---@field path? string the same, where the kernel told it
---@field user? string who the agent is to be in there
---@field cwd? string where it is to begin in there; nil: `/`

---a spawn as a provider sees it
---@class (exact) colibri.SpawnSpec
---@field agent_id string made for it
---@field model string as asked
---@field session_id string as asked, or made up
---@field system_prompt? string as asked
---@field args string[] further words
---@field jail_name? string as asked
---@field jail_root? string as asked
---@field backend string the launcher
---@field provision "after"|"before" as asked

---a socket command, and a verb of the CLI
---@class (exact) colibri.Command
---@field api integer API level it is written for: 1
---@field summary string one line for a person
---@field disabled? boolean true removes the shipped script of this name; nothing else is needed then
---@field wraps? string digest of the shipped script that this one was written against; `colibri scripts` tells when it has changed
---@field self_check? async fun(ctx: colibri.Ctx): boolean?, any runs before a reload takes effect, with an empty store, no vault and writers that only report; false, `nil, err` or an error keeps the old scripts
---@field access "read"|"change" whether it changes anything; the authorize hooks decide by it, changes are audited
---@field params? colibri.Param[] its parameters
---@field run async fun(ctx: colibri.Ctx, args: table): any, colibri.Error? returns the data of the reply, or `nil, err`
---@field aliases? string[] other names
---@field change_params? string[] names of parameters that make a request a change although `access` is `read`
---@field columns? string[] what a terminal shows of each row, in order
---@field dry_run? boolean false: it takes no `dry_run`; one that changes things does, unless told
---@field timeout? number seconds it may take; 30 unless told, at most 86,400
---@field stream? boolean it may send many lines before its reply, through `ctx.stream()`

---one decision around an event
---@class (exact) colibri.Hook
---@field api integer API level it is written for: 1
---@field summary string one line for a person
---@field disabled? boolean true removes the shipped script of this name; nothing else is needed then
---@field wraps? string digest of the shipped script that this one was written against; `colibri scripts` tells when it has changed
---@field self_check? async fun(ctx: colibri.Ctx): boolean?, any runs before a reload takes effect, with an empty store, no vault and writers that only report; false, `nil, err` or an error keeps the old scripts
---@field run async fun(ctx: colibri.Ctx, event: table): boolean?, colibri.Error|string? nothing: go on; `false, err`: refuse; `nil, err`: it failed
---@field before? string[] names of hooks of the same event that it must run before
---@field after? string[] names of hooks of the same event that it must run after
---@field on_error? "fail"|"warn" whether a failure ends the event (`fail`, unless told) or is logged only
---@field remember? boolean for `authorize`: it looks at `peer`, `command` and `access` only; if all hooks say so, a yes holds for the connection

---a jail launcher: `--jail-backend NAME`
---@class (exact) colibri.Launcher
---@field api integer API level it is written for: 1
---@field summary string one line for a person
---@field disabled? boolean true removes the shipped script of this name; nothing else is needed then
---@field wraps? string digest of the shipped script that this one was written against; `colibri scripts` tells when it has changed
---@field self_check? async fun(ctx: colibri.Ctx): boolean?, any runs before a reload takes effect, with an empty store, no vault and writers that only report; false, `nil, err` or an error keeps the old scripts
---@field launch async fun(ctx: colibri.Ctx, jail: colibri.JailSpec, argv: string[], env: table<string, string>): string[]?, colibri.Error? the argv that runs `argv` in the jail, or `nil, err`; its first word is an absolute path

---a vault adapter: `--vault NAME`
---@class (exact) colibri.VaultAdapter
---@field api integer API level it is written for: 1
---@field summary string one line for a person
---@field disabled? boolean true removes the shipped script of this name; nothing else is needed then
---@field wraps? string digest of the shipped script that this one was written against; `colibri scripts` tells when it has changed
---@field self_check? async fun(ctx: colibri.Ctx): boolean?, any runs before a reload takes effect, with an empty store, no vault and writers that only report; false, `nil, err` or an error keeps the old scripts
---@field open async fun(ctx: colibri.Ctx): table?, colibri.Error? a session: `:fetch(collection, since)`, a list of `{ key, value, item }` or `nil, err`; `:close()`, allowed twice; `:rest()?`. Or `nil, err`
---@field recover? async fun(ctx: colibri.Ctx): boolean?, colibri.Error? at the daemon's start: ends what a crash left behind
---@field stamp? fun(ctx: colibri.Ctx): string?, colibri.Error? another text when the credentials have changed; with it, refused ones (`VaultAuthFailed`) are not tried again before

---how a provider's agents are started: `spawn-agent NAME MODEL`
---@class (exact) colibri.Provider
---@field api integer API level it is written for: 1
---@field summary string one line for a person
---@field disabled? boolean true removes the shipped script of this name; nothing else is needed then
---@field wraps? string digest of the shipped script that this one was written against; `colibri scripts` tells when it has changed
---@field self_check? async fun(ctx: colibri.Ctx): boolean?, any runs before a reload takes effect, with an empty store, no vault and writers that only report; false, `nil, err` or an error keeps the old scripts
---@field command async fun(ctx: colibri.Ctx, spawn: colibri.SpawnSpec): string[]?, table<string, string>|colibri.Error the agent's argv (a path inside the jail) and environment, or `nil, err`; put no secret into either
---@field ready_event? string type of the JSON line by which its agents tell that they are ready
---@field ready? async fun(ctx: colibri.Ctx, agent: table): boolean is this agent ready? asked again and again; `agent` has `agent_id`, `run`, `session_id`, `model`, `jail_name`, `jail_root`

---`states`: from an agent's events to its state; `restart`: what follows the end of a run; `refresh`: when a tenant of policy `interval` is due
---@class (exact) colibri.Policy
---@field api integer API level it is written for: 1
---@field summary string one line for a person
---@field disabled? boolean true removes the shipped script of this name; nothing else is needed then
---@field wraps? string digest of the shipped script that this one was written against; `colibri scripts` tells when it has changed
---@field self_check? async fun(ctx: colibri.Ctx): boolean?, any runs before a reload takes effect, with an empty store, no vault and writers that only report; false, `nil, err` or an error keeps the old scripts
---@field decide fun(...: any): any, any `states`: (state, event_type) gives the next state, for each JSON line with a `type` that the agent prints; `restart`: (mode, run, memory, options, random) gives { action, delay?, reason?, memory }; `refresh`: ({ tenant_id, interval, failures }, random) gives the earliest and the latest time of its next refresh, in seconds after the last try, or nil for never

---a step of a proof; runs in `colibri-run`
---@class (exact) colibri.Step
---@field api integer API level it is written for: 1
---@field summary string one line for a person
---@field disabled? boolean true removes the shipped script of this name; nothing else is needed then
---@field wraps? string digest of the shipped script that this one was written against; `colibri scripts` tells when it has changed
---@field self_check? async fun(ctx: colibri.Ctx): boolean?, any runs before a reload takes effect, with an empty store, no vault and writers that only report; false, `nil, err` or an error keeps the old scripts
---@field run async fun(ctx: colibri.ProofCtx, proof: table): any, any true; `"skip", why`; or `nil, err`. `proof` holds the options and facts that steps share

---What stock() returns: the shipped script that this file shadows.
---@return any
function stock() end
