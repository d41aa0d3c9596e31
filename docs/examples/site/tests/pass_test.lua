local t = require "colibri.test"

local function world()
  local w = t.site("..", { conf = { vault = "pass" } })
  w.proc:on("pass", function(call)
    return call[3] == "colibri/proof0" and { stdout = "API_TOKEN='it is secret'\nAPI_URL=x\n" } or { code = 1 }
  end)
  return w
end

t.test("an entry of pass becomes .env", function()
  local w <close> = world()
  w:tenant("proof0")
  t.eq(t.ok(w:call("provision-tenant", { tenant_id = "proof0" })).keys, 2)
  t.eq(w:read("jails/proof0/root/.env"), "API_TOKEN='it is secret'\nAPI_URL=x\n")
end)

t.test("values are secrets, names are checked, the environment is small", function()
  local w <close> = world()
  local session = t.ok(w:open_vault("pass"))
  local list = t.ok(session:fetch("proof0"))
  t.eq({ list[1].key, tostring(list[1].value), list[1].item }, { "API_TOKEN", "[secret]", "proof0:API_TOKEN" })
  t.err("CollectionNotFound", session:fetch("nosuch"))
  t.err("CollectionNotFound", session:fetch("../../etc"))
  t.eq(#w.proc.runs, 2)
  local env = w.proc.runs[1].env
  t.eq({ env.PATH, env.BW_PASSWORD }, { "/usr/bin:/bin" })
  session:close()
end)

t.test("a pass that hangs, floods or prints something else", function()
  local w <close> = world()
  for code, outcome in pairs { VaultTimeout = { timed_out = true, signal = 9 }, VaultProtocol = { overflow = true, signal = 9 },
    InvalidNote = { stdout = "no key here" } } do
    w.proc:on("pass", outcome)
    local session = t.ok(w:open_vault("pass"))
    t.err(code, session:fetch("proof0"))
  end
end)
