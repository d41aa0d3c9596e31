-- A tenant that swaps its root, the directory above and its .env for symlinks
-- that lead out of the base, while it is provisioned 2,000 times.
local t = require "colibri.test"
local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"

local PROVISIONS = 2000
local CANARY = "do not touch\n"
local MAY = { TargetEscapesRoot = true, TargetMissing = true, NotRegular = true, NotFound = true, WriteFailed = true,
  RootMismatch = true, ReadFailed = true, NotDirectory = true, BadPath = true }

t.test("2,000 provisions against a racing tenant: the canary never changes", function()
  local d <close> = scratch.daemon { log_level = "error", files = {
    ["jails/proof0/root/"] = true, ["vault/proof0.env"] = "KEY=one\n",
    ["outside/root/"] = true, ["outside/.env"] = CANARY, ["outside/root/.env"] = CANARY,
  } }
  local ln = assert(proc.find "ln")
  local outside = d.dir .. "/outside"
  for name, target in pairs { ["proof0/evil"] = outside, ["evil"] = outside, ["proof0/root/link"] = outside .. "/.env" } do
    t.eq(assert(proc.run { ln, "-s", target, d.base .. "/" .. name }).code, 0)
  end
  local root = d.base .. "/proof0/root"
  t.ok(d:call("register-tenant", { tenant_id = "proof0", jail_root_path = root, collection_id = "proof0" }))
  local swapper <close> = assert(proc.start { assert(proc.find "perl"), sys.cwd .. "/tests/tools/swapper.pl",
    root, root, d.base .. "/proof0/evil", d.base .. "/proof0", d.base .. "/evil", ".env", "link" })
  local done, refused, codes = 0, 0, {}
  for i = 1, PROVISIONS do
    if i % 50 == 0 then
      d:tree { ["vault/proof0.env"] = "KEY=" .. i .. "\n" }
    end
    local ok, e = d:call("provision-tenant", { tenant_id = "proof0" })
    if ok then
      done = done + 1
    else
      refused, codes[e.code] = refused + 1, true
    end
  end
  swapper:kill(9)
  swapper:wait()
  t.ok(done > 0, "some provisions went through")
  t.ok(refused > 0, "some were refused")
  for code in pairs(codes) do
    t.ok(MAY[code], "unexpected code " .. code)
  end
  t.eq(d:read("outside/.env"), CANARY)
  t.eq(d:read("outside/root/.env"), CANARY)
  local out <close> = assert(fs.open_trusted(outside))
  t.eq(out:list(), { ".env", "root" })
  t.eq(out:list("root"), { ".env" })
end)
