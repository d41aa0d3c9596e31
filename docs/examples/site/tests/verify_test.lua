local t = require "colibri.test"

-- What the proof's earlier steps leave behind.
local function proof_of(w, values)
  w:collection("proof0", values)
  local root = w:tenant("proof0")
  t.ok(w:call("provision-tenant", { tenant_id = "proof0" }))
  return { tenant = "proof0", base = w.base, jail_root = root, key = "API_URL" }
end

t.test("the keys that our agents need", function()
  local w <close> = t.site("..")
  t.eq(w:step("verify", proof_of(w, { API_TOKEN = "x", API_URL = "https://api.test" })), true)
  t.ok(table.concat(w.out):find("2 keys, the required ones among them", 1, true))
end)

t.test("one is missing", function()
  local w <close> = t.site("..")
  local e = t.err("WrongKeys", w:step("verify", proof_of(w, { API_URL = "x" })))
  t.ok(e.message:find("API_TOKEN", 1, true))
end)

t.test("what the shipped step finds counts first", function()
  local w <close> = t.site("..")
  local proof = proof_of(w, { API_TOKEN = "x", API_URL = "y" })
  w:tree { ["jails/proof0/root/.env.bak"] = "" }
  t.err("StrayFile", w:step("verify", proof))
end)
