local json = require "core.json"

local FIELDS = { "version", "protocol", "api", "platform", "pid", "uptime", "generation", "agents", "adopted",
  "foreign", "lost", "connections",
  "requests", "suspended_hooks", "failing_hooks", "agent_states", "server", "vault", "stats", "conf" }
local ORDER = json.ordered(FIELDS)

return {
  api = 1,
  summary = "how the daemon is doing",
  access = "read",
  params = {
    { "full", "boolean", help = "states, vault, memory, descriptors and the settings in force too" },
  },
  columns = FIELDS,
  run = function(ctx, args)
    local sys, host, gen = ctx.sys, ctx.host, ctx.gen
    local open, requests = host.server:counts()
    local agents, states, adopted, foreign, lost = host.count_agents(args.full)
    local out = setmetatable({
      version = sys.version, protocol = sys.protocol, api = sys.api, platform = sys.platform, pid = sys.pid,
      uptime = (ctx.clock.now() - host.started) // 1 | 0, generation = gen.number, agents = agents,
      connections = open, requests = requests,
    }, ORDER)
    out.adopted = adopted > 0 and adopted or nil
    out.foreign, out.lost = foreign > 0 and foreign or nil, lost > 0 and lost or nil
    local suspended, failing = host.troubled_hooks(gen)
    if suspended then
      out.suspended_hooks = #suspended > 0 and suspended or nil
      out.failing_hooks = #failing > 0 and failing or nil
    end
    if args.full then
      out.agent_states = states
      out.stats, out.server, out.vault, out.conf = sys.stats(), host.server:stats(), host.vault:status(), {}
      for name, value in pairs(ctx.conf) do
        out.conf[name] = value
      end
    end
    return out
  end,
}
