-- When a tenant of policy `interval` is refreshed: at the latest after its
-- interval, a little sooner by chance, so that hosts do not ask the vault at the
-- same moment; and along with others from four fifths of it on, so that they
-- share a session. After failures sooner: a minute, two, four, ...

local JITTER, ALONG = 0.1, 0.2 -- of the interval
local RETRY = 60 -- seconds

return {
  api = 1,
  summary = "when a tenant is refreshed",
  decide = function(tenant, random)
    local wait = tenant.interval
    if tenant.failures > 0 then
      wait = math.min(wait, RETRY * 2 ^ math.min(tenant.failures - 1, 20))
    end
    return wait * (1 - ALONG), wait * (1 - JITTER * random)
  end,
}
