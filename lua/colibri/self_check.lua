-- self_check.lua - what scripts find out about themselves before they serve.
--
-- Each runs with fakes: an empty store in memory, a vault without collections,
-- and writers that only report (effects_dry.lua). So a check may call the
-- script's own functions and look at what they return.

local err = require "colibri.err"
local task = require "core.task"

local M = {}

local SECONDS = 10 -- for each check

-- The vault of a check: there, and empty.
local vault = {
  fetch = function(_, collection)
    return nil, err.new("CollectionNotFound", "a self_check has no vault: no collection '%s'", tostring(collection))
  end,
  status = function() return { adapter = "none", open = false, pending = 0, sessions = 0 } end,
}

-- The ctx of all checks of one generation. Required late: they need scripts.
local function fakes(gen)
  local context = require "colibri.context"
  local effects_dry = require "colibri.effects_dry"
  local db, e = require("colibri.store").open(":memory:")
  if not db then
    return nil, e
  end
  local base = setmetatable({ db = db, vault = vault, gen = gen }, { __index = context.internal(gen, "self_check") })
  return db, effects_dry.new(base, { vault = vault })
end

local function run_one(ctx, check)
  local ok, e = task.timeout(SECONDS, function()
    local result, why = check.fn(ctx)
    if result == false or why ~= nil then
      return nil, err.is(why) and why or err.new("BadScript", "%s", why ~= nil and tostring(why) or "it said no")
    end
    return true
  end)
  if ok then
    return nil
  end
  local out = err.wrap(e, "self_check")
  out.where = out.where or check.source
  return out
end

--- Run the checks of a generation; what fails is appended to errors. Waits.
-- @param checks list of { source = "site/hooks/x/y.lua", fn = function(ctx) }
function M.run(gen, checks, errors)
  local db, dry = fakes(gen)
  if not db then
    errors[#errors + 1] = dry
    return
  end
  local dry_run <close> = dry
  for _, check in ipairs(checks) do
    errors[#errors + 1] = run_one(dry_run.ctx, check)
  end
  db:close()
end

return M
