local json = require "core.json"

local FIELDS = { "version", "protocol", "api", "platform", "pid", "uptime", "generation", "agents", "connections",
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
    local sys, host = ctx.sys, ctx.host
    local open, requests = host.server:counts()
    local agents, states = host.count_agents(args.full)
    local out = setmetatable({
      version = sys.version, protocol = sys.protocol, api = sys.api, platform = sys.platform, pid = sys.pid,
      uptime = (ctx.clock.now() - host.started) // 1 | 0, generation = ctx.gen.number, agents = agents,
      connections = open, requests = requests, agent_states = states,
    }, ORDER)
    local suspended, failing = host.troubled_hooks(ctx.gen)
    out.suspended_hooks = #suspended > 0 and json.array(suspended) or nil
    out.failing_hooks = #failing > 0 and json.array(failing) or nil
    if args.full then
      out.stats, out.server, out.vault, out.conf = sys.stats(), host.server:stats(), host.vault:status(), {}
      for name, value in pairs(ctx.conf) do
        out.conf[name] = value
      end
    end
    return out
  end,
}
