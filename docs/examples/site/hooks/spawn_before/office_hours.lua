-- Agents start on working days from 8 to 18 (UTC), when somebody can look.
local FROM, TO, SATURDAY = 8, 18, 6

return {
  api = 1,
  summary = "no agent starts outside office hours",
  run = function(ctx)
    local at = ctx.clock.fields(ctx.clock.now())
    if at.wday >= SATURDAY then
      return false, { code = "OfficeHours", message = "agents start on working days" }
    elseif at.hour < FROM or at.hour >= TO then
      return false, { code = "OfficeHours", message = ("agents start from %d to %d UTC"):format(FROM, TO) }
    end
  end,
}
