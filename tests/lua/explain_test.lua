-- `explain`: each guard and hook in order, what it was asked, what it said, and
-- the file and line that decided; nothing is done.
local t = require "colibri.test"
local proc = require "core.proc"
local render = require "colibri.render"
local scratch = require "colibri.scratch"
local sys = require "core.sys"

local HOURS = [[
local function too_late(ctx)
  return ctx.clock.fields(ctx.clock.now()).hour >= 18
end

return {
  api = 1,
  summary = "x",
  run = function(ctx, event)
    if too_late(ctx) then
      return false, { code = "OfficeHours", message = "closed" }
    end
  end,
}
]]

local function lines(steps)
  local out = {}
  for i, s in ipairs(steps) do
    out[i] = ("%s %s: %s%s%s"):format(s.kind, s.name, s.verdict, s.code and " " .. s.code or "",
      s.where and " @" .. s.where:gsub("%.lua:%d+$", ".lua:N") or "")
  end
  return out
end

local function spawn(w, root, more)
  local request = { provider = "local", model = "/bin/x", jail_name = "a", jail_root = root }
  for key, value in pairs(more or {}) do
    request[key] = value
  end
  return t.ok(w:call("explain", { verb = "spawn", request = request }))
end

local function find(steps, name)
  for _, s in ipairs(steps) do
    if s.name == name then
      return s
    end
  end
end

t.test("the whole way of a spawn that is provisioned", function()
  local w <close> = t.site { ["hooks/spawn_before/hours.lua"] = HOURS }
  w:collection("a", { K = "top-secret" })
  local root = w:tenant("a")
  local steps = spawn(w, root)
  local shown = table.concat(lines(steps), "\n"):gsub("%x+%-%x+%-%x+%-%x+%-%x+", "ID")
  shown = shown:gsub(w.dir:gsub("%p", "%%%0"), "DIR")
  t.eq(shown, [[
parameters spawn-agent: in order
hook hooks/authorize/by_peer: goes on @stock/hooks/authorize/by_peer.lua:N
provider local: /bin/x @stock/providers/local.lua:N
launcher none: /bin/x @stock/jail/none.lua:N
hook hooks/spawn_before/hours: goes on @site/hooks/spawn_before/hours.lua:N
hook hooks/spawn_after/provision: goes on @stock/hooks/spawn_after/provision.lua:N
guard the tenant is registered: passes @lua/colibri/provision.lua:N
guard its root is the registered one: passes @lua/colibri/provision.lua:N
guard the root is there, below the base: passes @lua/colibri/provision.lua:N
guard its policy lets a spawn provision: passes @lua/colibri/provision.lua:N
guard the vault gives the collection: passes @lua/colibri/provision.lua:N
guard the tenant is registered: passes @lua/colibri/provision.lua:N
guard its root is the registered one: passes @lua/colibri/provision.lua:N
guard the root is there, below the base: passes @lua/colibri/provision.lua:N
guard the contained write: passes @lua/colibri/provision.lua:N
effect start ID: would happen
effect write DIR/jails/a/root/.env: would happen
effect insert env_keys: would happen
effect update tenants: would happen
effect insert agents: would happen
result spawn-agent: succeeds]])
  t.eq(find(steps, "hooks/authorize/by_peer").inputs.peer.uid, sys.uid)
  t.eq(find(steps, "the vault gives the collection").inputs, { collection = "a", keys = 1 })
  t.eq({ #w.agents.list, w:call("get-tenant", { tenant_id = "a" }).status }, { 0, "provisioned" })
  t.err("NotFound", w:read("jails/a/root/.env"))
  t.eq(w:call("audit")[1].result, "ok")
end)

t.test("the hook that refuses is named with the line that decided", function()
  local w <close> = t.site({ ["hooks/spawn_before/hours.lua"] = HOURS }, { now = 1767614400 + 8 * 3600 })
  local steps = spawn(w, w:tenant("a"))
  local last, hook = steps[#steps], find(steps, "hooks/spawn_before/hours")
  t.eq({ hook.verdict, hook.code, hook.message, hook.where },
    { "refuses", "OfficeHours", "closed", "site/hooks/spawn_before/hours.lua:10" })
  t.eq({ hook.inputs.model, hook.inputs.jail_name }, { "/bin/x", "a" })
  t.eq({ last.kind, last.verdict, last.code }, { "result", "fails", "OfficeHours" })
  t.eq({ #w.agents.list, #w:call("list-agents", { all = true }) }, { 0, 0 })
end)

t.test("the guard that refuses, with its inputs", function()
  local w <close> = t.site()
  local root = w:tenant("a")
  w:tree { ["jails/b/root/"] = true }
  local steps = spawn(w, w.base .. "/b/root")
  local guard = find(steps, "its root is the registered one")
  t.eq({ guard.verdict, guard.code, guard.inputs.jail_root, guard.inputs.registered },
    { "refuses", "RootMismatch", w.base .. "/b/root", root })
  t.ok(guard.where:find("^lua/colibri/provision%.lua:%d+$"), guard.where)
  t.eq(steps[#steps].verdict, "succeeds", "a failed provision does not fail the spawn")
  steps = t.ok(w:call("explain", { verb = "provision", request = { tenant_id = "a" } }))
  t.eq({ steps[#steps].verdict, steps[#steps].code }, { "fails", "CollectionNotFound" })
  t.eq(find(steps, "the vault gives the collection").code, "CollectionNotFound")
end)

t.test("a hook that raises, hooks that wait, and several explanations at once", function()
  local w <close> = t.site { ["hooks/spawn_before/a.lua"] = "return { api = 1, summary = 'x', run = function(ctx)\n" ..
    "ctx.task.sleep(5)\nreturn\nend }", ["hooks/spawn_before/b.lua"] =
    "return { api = 1, summary = 'x', run = function(ctx, event)\nif event.model == '/bad' then\nerror('no')\nend end }" }
  local request = { verb = "spawn", request = { provider = "local", model = "/bad" } }
  local first, second = w:start("explain", request), w:start("explain", request)
  for _, pending in ipairs { first, second } do
    local steps = t.ok(pending:wait())
    local a, b = find(steps, "hooks/spawn_before/a"), find(steps, "hooks/spawn_before/b")
    t.eq({ a.verdict, b.verdict, b.code, b.where }, { "goes on", "failed", "ScriptError", "site/hooks/spawn_before/b.lua:3" })
    t.ok(a.where:find("^site/hooks/spawn_before/a%.lua"), a.where)
  end
end)

t.test("what cannot be explained", function()
  local w <close> = t.site()
  t.err("UnknownCommand", w:call("explain", { verb = "nosuch" }))
  t.err("BadParameter", w:call("explain", { verb = "explain" }))
  t.err("BadParameter", w:call("explain", { verb = "spawn", request = 7 }))
  t.err("BadParameter", w:call("explain", { verb = "spawn", dry_run = true }))
  t.err("Forbidden", w:call("explain", { verb = "spawn" }, { uid = sys.uid + 4321 }))
  local steps = t.ok(w:call("explain", { verb = "spawn", request = { provider = "local" } }))
  t.eq({ #steps, steps[1].verdict, steps[1].code }, { 1, "refused", "MissingParameter" })
  t.eq(#t.ok(w:call("explain", { verb = "list-tenants" })), 3)
end)

t.test("decisions as text", function()
  t.eq(render.decisions { { step = 1, kind = "guard", name = "x", verdict = "refuses", code = "No", message = "why\27",
    where = "a.lua:3", inputs = { b = 1, a = "q", c = { "x", "y" } } }, { kind = "result", name = "v", verdict = "fails" } },
    "  1  guard x: refuses: No: why\\x1b  (a.lua:3)\n     a=q b=1 c=x, y\n  2  result v: fails\n")
end)

t.test("colibri explain VERB ARGS...", function()
  local d <close> = scratch.daemon { files = { ["site/hooks/spawn_before/hours.lua"] =
    "return { api = 1, summary = 'x', run = function() return false, { code = 'Closed', message = 'x' } end }" } }
  local function cli(...)
    return assert(proc.run { sys.program "colibri", "--socket", d.socket, timeout = 60, cwd = "/",
      env = { COLIBRI_SHARE_DIR = sys.conf.share_dir }, ... })
  end
  local r = cli("explain", "spawn", "local", "/bin/true")
  t.eq({ r.code, r.stderr }, { 0, "" })
  t.ok(r.stdout:find('"name":"hooks/spawn_before/hours","verdict":"refuses","code":"Closed","where":"site/hooks/spawn_before/hours.lua:1"',
    1, true), r.stdout)
  t.eq(cli("explain", "spawn", "local").code, 2, "the verb's own usage")
  t.ok(cli("explain", "--help").stdout:find("explain VERB", 1, true))
  t.eq(#d:call("list-agents", { all = true }), 0)
end)
