-- events.lua - the events that hooks decide about, in the order they happen.
-- The stock hooks in the tables are found in hooks/.
local spawn = {
  { "agent_id: string", "made for this spawn" },
  { "provider: string", "as asked" },
  { "model: string", "as asked" },
  { "session_id: string", "as asked, or made up" },
  { "run: integer", "1, and one more for each restart" },
  { "jail_name?: string", "as asked" },
  { "jail_root?: string", "as asked" },
  { [[provision_mode: "after"|"before"]], "as asked" },
  { "provision: Provision",
    "what the reply carries. It starts as skipped, code `NoJail`; a hook that provisions puts its result here" },
}

return {
  {
    "authorize", type = "AuthorizeEvent", refuse = "yes: the request fails, nothing was done",
    when = "each request, after its parameters were checked, before the command",
    fields = {
      { "peer: Peer", "who asks, from the kernel" },
      { "command: string", "name of the command, never an alias" },
      { [[access: "read"|"change"]], "what it may do" },
      { "args: table", "checked parameters, defaults filled in" },
    },
  },
  {
    "spawn_before", type = "SpawnEvent", refuse = "yes: the spawn fails, nothing was done",
    when = "a spawn, when provider and launcher know what to start, before the agent's row and process",
    fields = spawn,
  },
  {
    "spawn_held", type = "SpawnEvent", refuse = "yes: the agent never runs, its row becomes `failed`, the spawn fails",
    when = "only with `--provision before`: the agent waits inside its jail (without one, in front of its exec)",
    fields = spawn,
  },
  {
    "spawn_after", type = "SpawnEvent",
    refuse = 'no: the spawn stands; a failure is logged and becomes `provision: {"result":"failed"}` in the reply',
    when = "the agent runs",
    fields = spawn,
  },
  {
    "env_changed", type = "EnvChangedEvent", refuse = "no: the file stands; a failure is told in `action` of the provision",
    when = "a tenant with `set-policy --on-change hook` has other keys or values in its `.env`",
    fields = {
      { "tenant_id: string", "also the jail's name" },
      { "jail_root: string", "where the `.env` is" },
      { "added: string[]", "names of keys" },
      { "removed: string[]", "names of keys" },
      { "changed: string[]", "names of keys with another value" },
      { "agents: string[]", "ids of the agents that run in the jail, without one that is just being spawned" },
    },
  },
}
