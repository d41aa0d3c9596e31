-- docs/examples/site in a real daemon: what its own tests show with fakes.
local t = require "colibri.test"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"

t.test("a real daemon serves the example site, and its command is a verb", function()
  local site = t.dir .. "/../../docs/examples/site"
  local d <close> = scratch.daemon { flags = { "--site-dir", site }, files = { ["jails/a/root/"] = true,
    ["vault/a.env"] = "API_TOKEN=x\n" } }
  t.ok(d:call("register-tenant", { tenant_id = "a", jail_root_path = d.base .. "/a/root", collection_id = "a" }))
  t.ok(d:call("provision-tenant", { tenant_id = "a" }))
  d:tree { ["vault/a.env"] = "API_TOKEN=y\n" }
  local r = assert(proc.run { sys.program "colibri", "--socket", d.socket, "rotate-all", timeout = 60, cwd = "/",
    env = { COLIBRI_SHARE_DIR = sys.conf.share_dir } })
  t.eq({ r.code, r.stderr }, { 0, "" })
  t.ok(r.stdout:find('"tenant_id":"a","result":"provisioned"', 1, true), r.stdout)
  t.eq(d:read("jails/a/root/.env"), "API_TOKEN=y\n")
  local dry = assert(proc.run { sys.program "colibri", "--socket", d.socket, "rotate-all", "--dry-run", timeout = 60, cwd = "/",
    env = { COLIBRI_SHARE_DIR = sys.conf.share_dir } })
  t.ok(dry.stdout:find('"result":"unchanged"', 1, true), dry.stdout)
  t.eq(d:call("list-tenants", { only = "active" })[1].age_hours, 0)
end)
