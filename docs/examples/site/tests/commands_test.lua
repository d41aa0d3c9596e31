-- colibri-run test docs/examples/site
local t = require "colibri.test"

-- Tenants a, b (active) and c (new).
local function world(options)
  local w = t.site("..", options)
  for _, name in ipairs { "a", "b", "c" } do
    w:collection(name, { API_TOKEN = "token of " .. name })
    w:tenant(name)
  end
  t.ok(w:call("provision-tenant", { tenant_id = "a" }))
  t.ok(w:call("provision-tenant", { tenant_id = "b" }))
  return w
end

local function names(rows)
  local out = {}
  for i, row in ipairs(rows) do
    out[i] = row.tenant_id
  end
  return table.concat(out, " ")
end

t.test("list-tenants filters, and knows how old an .env is", function()
  local w <close> = world()
  w.clock:advance(7300)
  t.eq(names(w:call("list-tenants")), "a b c")
  local active = w:call("list-tenants", { only = "active" })
  t.eq({ names(active), active[1].age_hours }, { "a b", 2 })
  t.eq(w:call("list-tenants", { only = "provisioned" })[1].age_hours, nil)
  t.err("BadParameter", w:call("list-tenants", { only = "nosuch" }))
end)

t.test("rotate-all writes what the vault holds now, for active tenants only", function()
  local w <close> = world()
  w:collection("a", { API_TOKEN = "new" })
  local rows = t.ok(w:call("rotate-all"))
  t.eq(names(rows), "a b")
  t.eq({ rows[1].result, rows[2].result }, { "provisioned", "unchanged" })
  t.eq(w:read("jails/a/root/.env"), "API_TOKEN=new\n")
  t.err("NotFound", w:read("jails/c/root/.env"))
  t.eq(w:call("audit")[1].subject, "*")
end)

t.test("one tenant that fails does not keep the others from theirs", function()
  local w <close> = world()
  w.vault:fail("ItemAmbiguous", "a")
  w:collection("b", { API_TOKEN = "new" })
  local rows = t.ok(w:call("rotate-all"))
  t.eq({ rows[1].result, rows[1].code, rows[2].result }, { "failed", "ItemAmbiguous", "provisioned" })
  t.eq(w:read("jails/a/root/.env"), "API_TOKEN='token of a'\n")
end)

t.test("rotate-all pauses between tenants", function()
  local w <close> = world { clock = "manual" }
  local rotation = w:start("rotate-all", { pause = 60 })
  w.clock:advance(59)
  t.eq({ rotation:done(), #w.vault.fetched }, { false, 3 })
  w.clock:advance(1)
  t.eq({ rotation:done(), #w.vault.fetched }, { true, 4 })
end)

t.test("others may not rotate", function()
  local w <close> = world()
  t.err("Forbidden", w:call("rotate-all", {}, { uid = 12345 }))
end)
