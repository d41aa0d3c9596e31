-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---what every `ctx` has
---@class (exact) colibri.BaseCtx
---@field fs colibri.fs files
---@field proc colibri.proc programs
---@field task colibri.task waiting
---@field clock colibri.clock time
---@field json colibri.json JSON
---@field sys colibri.sys facts
---@field conf table<string, string|number> the settings in force, by the names of `colibri status --full`; read-only
---@field log colibri.log the log

---the door to effects, in the daemon
---@class (exact) colibri.Ctx
---@field fs colibri.fs files
---@field proc colibri.proc programs
---@field task colibri.task waiting
---@field clock colibri.clock time
---@field json colibri.json JSON
---@field sys colibri.sys facts
---@field conf table<string, string|number> the settings in force, by the names of `colibri status --full`; read-only
---@field log colibri.log the log
---@field tenants colibri.Tenants tenants
---@field agents colibri.Agents agents
---@field jail colibri.Jails jails
---@field vault colibri.Vault the vault
---@field audit colibri.Audit the audit
---@field db colibri.db the store
---@field peer colibri.Peer who asked
---@field stream fun(): colibri.Stream in a command with `stream`: lines before the reply; ends the request's deadline
---@field command string name of the command
---@field access "read"|"change" what the command may
---@field request_id integer number of the request
---@field gen table the generation of scripts that serves this request: for the shipped commands, may change
---@field host table the daemon itself: for the shipped commands, may change
---@field bw? table what `vault/bw` is made of: in vault adapters only, may change
---@field dry_run? boolean true in a dry run

---the same in proofs and their steps
---@class (exact) colibri.ProofCtx
---@field fs colibri.fs files
---@field proc colibri.proc programs
---@field task colibri.task waiting
---@field clock colibri.clock time
---@field json colibri.json JSON
---@field sys colibri.sys facts
---@field conf table<string, string|number> the settings in force, by the names of `colibri status --full`; read-only
---@field log colibri.log the log
---@field out fun(text: string): boolean writes to the terminal
---@field err fun(text: string): boolean writes to the terminal's error stream
---@field is_tty boolean whether there is a terminal
---@field client colibri.client connections to a daemon
---@field script fun(kind: string, name: string): table?, colibri.Error? a script of the overlay, else `nil, err`

---an expected failure: the second result after nil. A plain table with `code` and `message` will do
---@class (exact) colibri.Error
---@field code string stable, in `CamelCase`
---@field message string one line for a person
---@field op? string what was being done
---@field cause? any the failure behind this one
---@field where? string `file:line` in the script at fault
---@field errno? integer the system's number

---who is at the other end, from the kernel
---@class (exact) colibri.Peer
---@field uid integer user
---@field gid integer group
---@field pid integer process

---a tenant's row
---@class (exact) colibri.Tenant
---@field tenant_id string also the name of jail and collection
---@field jail_root_path string without a slash at the end
---@field collection_id string equals `tenant_id`
---@field status "provisioned"|"active"|"orphaned" active: its `.env` is written; orphaned: the root is gone
---@field env_owner? string `UID`, `UID:GID` or a user of the jail
---@field created_at integer UNIX seconds
---@field updated_at integer UNIX seconds
---@field provisioned_at? integer UNIX seconds
---@field last_result? string of the last provision
---@field last_error? string of the last provision
---@field policy "on-spawn"|"interval"|"manual" when `.env` is written
---@field interval? integer seconds, of policy `interval`
---@field refresh_at? integer UNIX seconds: when it is refreshed at the latest, of policy `interval` while active
---@field on_change "none"|"signal"|"restart"|"hook" what happens when values have changed
---@field signal? string its name, of `on_change` `signal`
---@field change? "created"|"updated"|"unchanged" after `register` and `set_policy`

---what to set
---@class (exact) colibri.TenantPolicy
---@field tenant_id string its name
---@field policy? "on-spawn"|"interval"|"manual" when `.env` is written
---@field interval? integer seconds, with policy `interval`
---@field on_change? "none"|"signal"|"restart"|"hook" what happens when values have changed
---@field signal? "HUP"|"INT"|"QUIT"|"TERM"|"USR1"|"USR2" of `on_change` `signal`

---what a tenant's agents got to know of a change
---@class (exact) colibri.ChangeAction
---@field action string the tenant's `on_change`
---@field agents integer that ran in its jail
---@field failed integer how many could not be told; 1 when the hook failed
---@field code? string of the last failure
---@field message? string of the last failure

---a tenant to register
---@class (exact) colibri.TenantSpec
---@field tenant_id string its name
---@field jail_root_path string absolute, strictly below the base
---@field collection_id string equals `tenant_id`
---@field env_owner? string who owns `.env`; the daemon's user unless told
---@field update? boolean replace what is registered

---a tenant that is gone
---@class (exact) colibri.TenantDeleted
---@field tenant_id string its name
---@field deleted boolean false: it was not there
---@field env "kept"|"removed"|"absent" what became of its `.env`

---what became of a `.env`
---@class (exact) colibri.Unprovisioned
---@field tenant_id string its name
---@field result "unprovisioned"|"unchanged"|"dry-run" in a word
---@field env "removed"|"absent"|"present" what became of the file, or in a dry run whether it is there
---@field status "provisioned"|"active" of the tenant now

---whether a `.env` stands as it was written
---@class (exact) colibri.Drift
---@field tenant_id string its name
---@field drift boolean whether there is any finding
---@field findings string[] a word each: see `check-tenant` in PROTOCOL.md
---@field detail? string the same for a person
---@field added? string[] keys that were not written
---@field removed? string[] keys that are gone
---@field changed? string[] keys with another value
---@field status string of the tenant

---what became of a provision
---@class (exact) colibri.Provision
---@field tenant_id? string of many
---@field result "provisioned"|"unchanged"|"skipped"|"refused"|"failed"|"dry-run" in a word
---@field code string|lightuserdata error code; `ctx.json.null` when all is well
---@field keys integer how many
---@field change? colibri.Change whether the file is another one now
---@field message? string of the error
---@field names? string[] names of the keys
---@field added? string[] keys that the last write did not have
---@field removed? string[] keys that only the last write had
---@field changed? string[] keys with another value than in the last write
---@field action? colibri.ChangeAction what followed, when the tenant has an `on_change`

---an agent's row
---@class (exact) colibri.Agent
---@field agent_id string made by the daemon
---@field status "starting"|"running"|"waiting"|"exited"|"failed"|"lost" where it is in its life; `waiting`: for its restart
---@field run integer which run of this agent, from 1
---@field restart "never"|"on-failure"|"always" when it is started again
---@field restarts integer by the policy, since the spawn or the last `restart-agent`
---@field restart_at? integer while it waits; UNIX seconds
---@field ready_at? integer when this run was ready; UNIX seconds
---@field reason? string why it was given up, could not start, or waits
---@field usage? colibri.Usage what it said it used, over all runs
---@field provider string who started it
---@field model string what was started
---@field session_id string as asked, or made up
---@field jail_name? string its jail
---@field jail_root_path? string the jail's root
---@field backend string the launcher
---@field pid? integer of its first process
---@field exit_code? integer once it ended
---@field exit_signal? integer once it ended
---@field provision_result? string see `Provision`
---@field provision_code? string see `Provision`
---@field started_at integer UNIX seconds
---@field ended_at? integer UNIX seconds
---@field state? string while it runs: what `policy/states` makes of its events
---@field last_event? string while it runs
---@field last_event_at? integer while it runs; UNIX seconds
---@field adopted? boolean started by an earlier daemon
---@field ready? boolean while it runs
---@field limits? string[] as asked; only with `more`
---@field cwd? string as asked; only with `more`
---@field user? string as asked; only with `more`
---@field used? table while it runs, with `more`: of its cgroup `memory`, `pids`, `cpu_usec`; of its first process `rss`, `threads`; once it has ended `user_usec`, `sys_usec`, `max_rss_kb`, `oom_killed`
---@field stalled? boolean while it runs: no event for `stall_after` seconds

---sums of an agent's `usage` events
---@class (exact) colibri.Usage
---@field input integer tokens
---@field output integer tokens
---@field cache_read integer tokens
---@field cache_write integer tokens
---@field cost_micros integer millionths of a dollar

---an agent that has just started
---@class (exact) colibri.Spawned
---@field agent_id string made for it
---@field status string `running`; where it is when it was waited for
---@field run integer which run of this agent
---@field pid integer of its first process
---@field provider string as asked
---@field model string as asked
---@field session_id string as asked, or made up
---@field jail_name? string as asked
---@field jail_root_path? string as asked
---@field provision colibri.Provision what became of its `.env`

---one key of a collection
---@class (exact) colibri.VaultPair
---@field key string `[A-Za-z_][A-Za-z0-9_]*`
---@field value colibri.Secret its value
---@field item string name of the item it is from

---the vault in numbers
---@class (exact) colibri.VaultStatus
---@field adapter string name of its script
---@field open boolean whether a session is open
---@field pending integer requests that wait
---@field sessions integer opened so far
---@field last_error? table `{ code, message, at }`

---@class colibri.Agents
local _Agents = {}

---one agent; with `more` its limits and what it uses
---Fails with AgentNotFound, @store.
---@param agent_id string
---@param more? boolean
---@return colibri.Agent?
---@return colibri.Error? err
function _Agents:get(agent_id, more) end

---agents that have not ended for good, newest first; true: every one; or `{ all?, state?, jail?, limit? }`; `failed` is a state, too
---Fails with @store.
---@param filter? boolean|table
---@return colibri.Agent[]?
---@return colibri.Error? err
function _Agents:list(filter) end

---starts one; `args` are the parameters of the command `spawn-agent`
---Fails with Refused, ProvisionFailed, DeadlineExceeded, @agents, @store.
---@async
---@param args table
---@return colibri.Spawned?
---@return colibri.Error? err
function _Agents:spawn(args) end

---the next run of an agent that has ended or waits; one that runs is stopped first; what the restart policy remembered is forgotten
---Fails with Refused, ProvisionFailed, @agents, @store.
---@async
---@param agent_id string
---@param grace? number
---@return colibri.Spawned?
---@return colibri.Error? err
function _Agents:restart(agent_id, grace) end

---its row once it is `ready`, or has ended for good (`exit`)
---Fails with AgentNotFound, AgentEnded, DeadlineExceeded, @store.
---@async
---@param agent_id string
---@param what string
---@param seconds? number
---@return colibri.Agent?
---@return colibri.Error? err
function _Agents:wait(agent_id, what, seconds) end

---a prompt to one that reads its stdin, as its provider puts it; `{ agent_id, bytes, waiting }`
---Fails with AgentNotFound, AgentNotRunning, AgentNoInput, AgentNotReading, @store.
---@async
---@param agent_id string
---@param text string
---@return table?
---@return colibri.Error? err
function _Agents:send(agent_id, text) end

---the same for all agents, side by side; `{ grace, signal }`
---Fails with @store.
---@async
---@param options? table
---@return colibri.Agent[]?
---@return colibri.Error? err
function _Agents:stop_all(options) end

---TERM (or `signal`) to all of it, KILL after `grace` seconds; its row once nothing of it is left, with how many processes were `signalled`, `killed` and which (`victims`); `options` is the grace or `{ grace, signal }`
---Fails with AgentNotFound, AgentNotRunning, AgentLost, @store.
---@async
---@param agent_id string
---@param options? number|table
---@return colibri.Agent?
---@return colibri.Error? err
function _Agents:stop(agent_id, options) end

---sends what one wrote to the peer; `args` are the parameters of `logs`
---Fails with AgentNotFound, Disconnected, AgentStateFailed, @store.
---@async
---@param args table
---@return table?
---@return colibri.Error? err
function _Agents:logs(args) end

---sends what happens to the peer until it goes away
---Fails with AgentNotFound, Disconnected, @store.
---@async
---@param agent_id? string
---@return colibri.Error? err
function _Agents:watch(agent_id) end

---@class colibri.Audit
local _Audit = {}

---what this change is about: the first name stays, facts are added; names and numbers only, no values
---@param name? string
---@param detail? table
function _Audit:subject(name, detail) end

---puts the row into a transaction of the command's own
---Fails with @store.
---@param tx colibri.tx
---@param result string
---@return true?
---@return colibri.Error? err
function _Audit:row(tx, result) end

---writes the row if that was not done
---@async
---@param args table
---@param result string
function _Audit:finish(args, result) end

---the same for a request that was killed
---@param result string
function _Audit:late(result) end

---@class colibri.db
local _db = {}

---a row, nil when there is none
---Fails with @store.
---@param sql string
---@param ... any
---@return table?
---@return colibri.Error? err
function _db:one(sql, ...) end

---all rows
---Fails with @store.
---@param sql string
---@param ... any
---@return table[]?
---@return colibri.Error? err
function _db:all(sql, ...) end

---the results of `fn(tx)` once they are on disk. `fn` must not wait; when it raises or returns `nil, err`, its rows are undone
---Fails with @store.
---@async
---@param fn function
---@return any
---@return colibri.Error? err
function _db:write(fn) end

---version of the schema
---Fails with @store.
---@return integer?
---@return colibri.Error? err
function _db:version() end

---changes the schema, in one transaction
---Fails with @store.
---@param to integer
---@param sql string
---@return true?
---@return colibri.Error? err
function _db:migrate(to, sql) end

---commits what is pending; again is allowed
function _db:close() end

---@class colibri.Jails
local _Jails = {}

---a running jail: `{ jid, path }`
---Fails with JailNotFound, JailUnsupported.
---@param name string
---@return table?
---@return colibri.Error? err
function _Jails:lookup(name) end

---`{ backend, argv, identity? }`: how `argv` would be started in a jail; `jail.backend` names a launcher, else that of the settings
---Fails with UnknownBackend, @agents.
---@async
---@param jail colibri.JailSpec
---@param argv string[]
---@param env? table<string, string>
---@return table?
---@return colibri.Error? err
function _Jails:plan(jail, argv, env) end

---is the jail still the one that the plan was made for?
---Fails with JailChanged, JailNotFound.
---@param jail colibri.JailSpec
---@param plan table
---@return true?
---@return colibri.Error? err
function _Jails:same(jail, plan) end

---@class colibri.Tenants
local _Tenants = {}

---one tenant
---Fails with TenantNotFound, @store.
---@param tenant_id string
---@return colibri.Tenant?
---@return colibri.Error? err
function _Tenants:get(tenant_id) end

---tenants by name; with `all` also those whose jail root is gone, as `orphaned`
---Fails with @store.
---@param all? boolean
---@return colibri.Tenant[]?
---@return colibri.Error? err
function _Tenants:list(all) end

---registers one; the row has `change` too: `created`, `updated`, `unchanged`
---Fails with TenantExists, TargetMissing, TargetEscapesRoot, BaseMissing, BadParameter, BadPath, @store.
---@async
---@param spec colibri.TenantSpec
---@return colibri.Tenant?
---@return colibri.Error? err
function _Tenants:register(spec) end

---forgets one, with `purge_env` its `.env` too; one that is not there is fine
---Fails with TargetEscapesRoot, @files, @store.
---@async
---@param tenant_id string
---@param purge_env? boolean
---@return colibri.TenantDeleted?
---@return colibri.Error? err
function _Tenants:delete(tenant_id, purge_env) end

---fetches the collection and writes `.env`; says everything in its result, never `nil, err`. `agent_id` is one that is being spawned: then a tenant of policy `manual` is skipped, and this agent gets to know of no change
---@async
---@param tenant_id string
---@param jail_root? string
---@param dry_run? boolean
---@param agent_id? string
---@return colibri.Provision
function _Tenants:provision(tenant_id, jail_root, dry_run, agent_id) end

---when `.env` is written and what follows a change; the row has `change` too: `updated`, `unchanged`
---Fails with TenantNotFound, BadParameter, @store.
---@async
---@param spec colibri.TenantPolicy
---@return colibri.Tenant?
---@return colibri.Error? err
function _Tenants:set_policy(spec) end

---the same for every tenant, in one session of the vault; with `strict` one that failed is an error
---Fails with ProvisionFailed, @store.
---@async
---@param dry_run? boolean
---@param strict? boolean
---@return colibri.Provision[]?
---@return colibri.Error? err
function _Tenants:provision_all(dry_run, strict) end

---removes `.env` and sets the row back to `provisioned`; again is fine
---Fails with TenantNotFound, TargetEscapesRoot, @files, @store.
---@async
---@param tenant_id string
---@param dry_run? boolean
---@return colibri.Unprovisioned?
---@return colibri.Error? err
function _Tenants:unprovision(tenant_id, dry_run) end

---does `.env` stand as it was written? One tenant or `all`; with `strict` drift is an error
---Fails with TenantNotFound, Drifted, KeyDamaged, @store.
---@async
---@param tenant_id? string
---@param all? boolean
---@param strict? boolean
---@return colibri.Drift|colibri.Drift[]?
---@return colibri.Error? err
function _Tenants:check(tenant_id, all, strict) end

---@class colibri.tx
local _tx = {}

---as `db:one`; sees the own rows
---Fails with @store.
---@param sql string
---@param ... any
---@return table?
---@return colibri.Error? err
function _tx:one(sql, ...) end

---as `db:all`; sees the own rows
---Fails with @store.
---@param sql string
---@param ... any
---@return table[]?
---@return colibri.Error? err
function _tx:all(sql, ...) end

---changes rows; how many
---Fails with @store.
---@param sql string
---@param ... any
---@return integer?
---@return colibri.Error? err
function _tx:exec(sql, ...) end

---@class colibri.Vault
local _Vault = {}

---the pairs of a collection, not older than `since` (`ctx.clock.monotonic()`; now unless told)
---Fails with @vault.
---@async
---@param collection string
---@param since? number
---@return colibri.VaultPair[]?
---@return colibri.Error? err
function _Vault:fetch(collection, since) end

---how the vault is doing
---@return colibri.VaultStatus
function _Vault:status() end

---ends what an earlier daemon left logged in
---@async
function _Vault:recover() end

---an open session stays open until this is closed
---@return any
function _Vault:hold() end

---ends the session
---@async
function _Vault:close() end
