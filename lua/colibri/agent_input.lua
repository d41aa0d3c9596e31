-- agent_input.lua - what goes into an agent: prompts by its stdin, and the keys
-- of its provider by its environment.

local checked = require "colibri.checked"
local err = require "colibri.err"
local store = require "colibri.agent_store"

local M = {}

-- Launchers behind which the agent's environment is that of the shim: no
-- command line shows it.
local INHERITS = { none = true, bwrap = true }
-- These do when nothing is in front of them that makes them root.
local BEHIND_NONE = { jexec = true, jail = true, nspawn = true }

--- Does an agent of this spawn get a pipe as stdin?
-- @param provider table: `input` true always, false never, nil when asked for
function M.wanted(provider, args)
  if provider.input ~= nil then
    return provider.input or nil
  end
  return args.input or args.prompt ~= nil or nil
end

-- The text as the provider's agents read it.
local function line(ctx, provider, text, number)
  local out = provider and provider.prompt and provider.prompt(ctx, text, number) or text
  return out:sub(-1) == "\n" and out or out .. "\n"
end

--- Send text to an agent that runs. Waits for its shim.
-- @return { agent_id, bytes, waiting } | nil, err(AgentNotFound, AgentNotRunning, AgentNoInput, AgentNotReading)
function M.send(agents, agent_id, text)
  local row, e = agents:get(agent_id)
  if not row then
    return nil, e
  end
  local known = store.live[agent_id]
  if not known or not known.handle then
    return nil, err.new("AgentNotRunning", "agent '%s' is not running (status %s)", agent_id, row.status)
  end
  known.prompts = (known.prompts or 0) + 1
  local words = line(agents.ctx, agents.ctx.gen.providers[row.provider], text, known.prompts)
  local waiting
  waiting, e = known.handle:send(words)
  if not waiting then
    return nil, e
  end
  return { agent_id = agent_id, bytes = #words, waiting = waiting }
end

--- The first prompt of a run. Waits for its shim.
-- @return true | nil, err
function M.first(ctx, provider, handle, known, text)
  known.prompts = 1
  local waiting, e = handle:send(line(ctx, provider, text, 1))
  return waiting ~= nil or nil, e
end

--- Keys of provider.env that the provider's `env` lists, put into the
-- environment as secrets. What is of the vault (BW_*) is never among them.
-- @param env table: changed
-- @return true | nil, err(AgentKeysUnsupported, BadParameter, NotTrusted, ...)
function M.add_keys(ctx, provider, backend, env)
  local wanted = {}
  for _, name in ipairs(provider.env or {}) do
    if type(name) ~= "string" or name:find("^BW_") or name:find("^COLIBRI_") or name:find("^LD_") then
      return nil, err.new("BadParameter", "'%s' is no variable that an agent may have", tostring(name))
    end
    wanted[name] = true
  end
  if next(wanted) == nil then
    return true
  end
  local list, e = ctx.fs.read_env(ctx.conf.provider_env)
  if not list then
    if e.code == "NotFound" then
      return true -- no file, no keys
    end
    return nil, e
  end
  for _, pair in ipairs(list) do
    if wanted[pair.key] then
      if not INHERITS[backend] and not (ctx.conf.jail_priv_mode == "none" and BEHIND_NONE[backend]) then
        return nil, err.new("AgentKeysUnsupported", "behind backend '%s' here, %s would show on a command line", backend,
          pair.key)
      end
      env[pair.key] = pair.value
    end
  end
  return true
end

checked.functions(M, "agent_input", { wanted = "table table" })

return M
