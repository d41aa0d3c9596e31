-- Made by `make docs` from docs/api.lua: edit that.
---@meta colibri.launch

---@class colibri.launch
local launch = {}

---argv that runs `words` as root by the setting `jail_priv_mode`; whether there is a prefix
---Fails with ProgramNotFound, ProgramNotTrusted, BadSetting.
---@param ctx colibri.Ctx
---@param words string[]
---@return string[]?
---@return boolean
function launch.privileged(ctx, words) end

---`K=V` words of an environment, sorted, each behind `lead`
---@param env? table<string, string>
---@param lead? string
---@return string[]
function launch.env_words(env, lead) end

---argv of the program that may signal what the launcher started as root; nil when none is needed
---Fails with ProgramNotFound, ProgramNotTrusted, BadSetting.
---@param ctx colibri.Ctx
---@param backend string
---@return string[]?
---@return colibri.Error? err
function launch.kill_words(ctx, backend) end

---argv that sets the environment inside the jail by env(1)
---Fails with BadParameter.
---@param argv string[]
---@param env table<string, string>
---@return string[]?
---@return colibri.Error? err
function launch.with_env(argv, env) end

---`privileged(words)`, and the agent's argv, by `with_env` where a prefix stands in front
---Fails with ProgramNotFound, ProgramNotTrusted, BadSetting, BadParameter.
---@param ctx colibri.Ctx
---@param words string[]
---@param argv string[]
---@param env table<string, string>
---@return string[]?
---@return string[]
function launch.as_root(ctx, words, argv, env) end

---the first list with the second behind it
---@param list any[]
---@param more any[]
---@return any[]
function launch.append(list, more) end

---argv that enters a directory first, by the jail's own sh
---@param argv string[]
---@param cwd? string
---@return string[]
function launch.with_cwd(argv, cwd) end

---the root of the jail as the host sees it
---Fails with JailRootNeeded.
---@param jail colibri.JailSpec
---@param backend string
---@return string?
---@return colibri.Error? err
function launch.root_of(jail, backend) end

---for backends that cannot change the user in the jail
---Fails with JailUserUnsupported.
---@param jail colibri.JailSpec
---@param backend string
---@return true?
---@return colibri.Error? err
function launch.no_user(jail, backend) end

return launch
