-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---what a hook is told
---@class (exact) colibri.AuthorizeEvent
---@field peer colibri.Peer who asks, from the kernel
---@field command string name of the command, never an alias
---@field access "read"|"change" what it may do
---@field args table checked parameters, defaults filled in

---what a hook is told
---@class (exact) colibri.SpawnEvent
---@field agent_id string made for this spawn
---@field provider string as asked
---@field model string as asked
---@field session_id string as asked, or made up
---@field run integer 1, and one more for each restart
---@field jail_name? string as asked
---@field jail_root? string as asked
---@field provision_mode "after"|"before" as asked
---@field provision colibri.Provision what the reply carries. It starts as skipped, code `NoJail`; a hook that provisions puts its result here

---what a hook is told
---@class (exact) colibri.EnvChangedEvent
---@field tenant_id string also the jail's name
---@field jail_root string where the `.env` is
---@field added string[] names of keys
---@field removed string[] names of keys
---@field changed string[] names of keys with another value
---@field agents string[] ids of the agents that run in the jail, without one that is just being spawned
