-- trace.lua - decisions of the library, told to who explains (explain.lua).

local M = {}

--- A decision of the library, for whoever explains: nothing otherwise.
-- @param ctx table: of the request
-- @param name string: what is made sure
-- @param inputs table: what was looked at; no values of secrets
-- @param e err|nil: why not
function M.guard(ctx, name, inputs, e)
  local trace = ctx.trace
  if trace then
    trace(name, inputs, e)
  end
end

return M
