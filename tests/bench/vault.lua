-- vault.lua - provision N tenants at once over N connections; prints the seconds
-- until the last reply. Arguments: socket, N, prefix of the tenants' names.
local function ask(ctx, socket, tenant)
  local conn, e = ctx.client.connect(socket)
  if not conn then
    return nil, e
  end
  local reply
  reply, e = conn:request({ cmd = "provision-tenant", tenant_id = tenant }, 600)
  conn:close()
  if not reply then
    return nil, e
  elseif not reply.ok then
    return nil, reply.error
  end
  return true
end

return {
  api = 1,
  summary = "provision N tenants at once",
  run = function(ctx, args)
    local socket, n, prefix = args[1], math.tointeger(args[2]), args[3]
    local began, asked = ctx.clock.monotonic(), {}
    for i = 1, n do
      asked[i] = ctx.task.go(ask, ctx, socket, prefix .. i - 1)
    end
    for _, child in ipairs(asked) do
      local ok, e = child:wait()
      if not ok then
        ctx.err("vault.lua: " .. e.code .. ": " .. e.message .. "\n")
        return 1
      end
    end
    ctx.out(("%.4f\n"):format(ctx.clock.monotonic() - began))
    return 0
  end,
}
