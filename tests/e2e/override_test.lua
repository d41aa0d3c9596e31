-- Overrides without copying, hooks that fail again and again, checks before a
-- reload.
local t = require "colibri.test"
local scratch = require "colibri.scratch"

local function daemon(files, flags)
  return scratch.daemon { log_level = "warn", files = files, flags = flags }
end

local function find(list, name)
  for _, item in ipairs(list or {}) do
    if item.name == name then
      return item
    end
  end
  return {}
end

local function names(list)
  local out = {}
  for i, item in ipairs(list or {}) do
    out[i] = item.name
  end
  return table.concat(out, " ")
end

t.test("scripts tells the API level, and which overrides the shipped tree has left behind", function()
  local d <close> = daemon()
  local digest = find(d:call("scripts"), "commands/status").digest
  t.ok(digest and digest:match("^%x+$") and #digest == 32, digest)
  d:tree {
    ["site/commands/status.lua"] = ("local s = stock()\ns.wraps = '%s'\nreturn s\n"):format(digest),
    ["site/commands/describe.lua"] = ("local s = stock()\ns.wraps = '%s'\nreturn s\n"):format(("0"):rep(32)),
    ["site/commands/reload.lua"] = "return stock()\n",
    ["site/commands/gone.lua"] = ("return { api = 1, summary = 'x', access = 'read', wraps = '%s', run = function() return {} end }\n")
      :format(("1"):rep(32)),
  }
  t.ok(d:call("reload"))
  local rows = d:call("scripts")
  t.eq({ find(rows, "commands/status").stock_changed, find(rows, "commands/status").api, find(rows, "commands/status").wraps },
    { nil, 1, digest })
  t.eq(find(rows, "commands/describe").stock_changed, true)
  t.eq(find(rows, "commands/gone").stock_changed, true)
  t.eq(find(rows, "commands/reload").stock_changed, nil, "one that records nothing is not judged")
  d:tree { ["site/commands/status.lua"] = "local s = stock()\ns.wraps = 'xyz'\nreturn s\n" }
  local e = t.err("ReloadFailed", d:call("reload"))
  t.ok(e and e.errors[1].message:find("wraps must be a digest", 1, true), e and e.errors[1].message)
  local log = d:stop().stderr
  t.ok(log:find("has changed since this override was written.*commands/describe"), log)
  t.ok(log:find("is gone.*commands/gone"), log)
end)

t.test("scripts --extract writes an override of each kind that changes nothing", function()
  local d <close> = daemon()
  local before = d:call("describe")
  local stock = { "commands/list-tenants", "commands/spawn-agent", "hooks/authorize/by_peer", "hooks/spawn_after/provision",
    "jail/none", "policy/states", "providers/local", "steps/verify", "vault/file" }
  for _, name in ipairs(stock) do
    local data, e = d:call("scripts", { extract = name })
    if t.ok(data, e and name .. ": " .. e.message) then
      t.eq(data.path, d.dir .. "/site/" .. name .. ".lua")
      t.ok(d:read("site/" .. name .. ".lua"):find(data.wraps, 1, true))
    end
  end
  t.eq(d:stat("site/commands/list-tenants.lua").mode & 0x12, 0, "others may not write it")
  local reply, e = d:call("reload")
  t.ok(reply, e and e.errors and e.errors[1].message)
  local rows = d:call("scripts")
  for _, name in ipairs(stock) do
    local row = find(rows, name)
    t.eq({ row.layer, row.stock_changed, row.wraps == row.digest }, { "site", nil, true }, name)
  end
  t.eq(d:call("describe"), before, "every command is as it was")
  t.eq(d:call("list-tenants"), {})
  t.ok(d:call("spawn-local", { model = "/bin/true" }))
end)

t.test("scripts --extract overwrites nothing, is a change, and has a dry run", function()
  local d <close> = daemon { ["site/hooks/authorize/zz.lua"] = "return { api = 1, summary = 'x', run = function(ctx, ev)\n" ..
    "if ev.command == 'scripts' and ev.access == 'change' and ev.args.extract == 'commands/audit' then return false end end }\n" }
  local mine = "-- mine\nreturn stock()\n"
  d:tree { ["site/commands/status.lua"] = mine }
  t.err("Exists", d:call("scripts", { extract = "commands/status" })) -- not loaded yet, but there
  t.eq(d:read("site/commands/status.lua"), mine)
  t.ok(d:call("reload"))
  t.err("Exists", d:call("scripts", { extract = "commands/status" }))
  local e = t.err("NotFound", d:call("scripts", { extract = "commands/list-tenant" }))
  t.ok(e and e.message:find("list-tenants", 1, true), e and e.message)
  t.err("NotFound", d:call("scripts", { extract = "../../etc/passwd" }))
  t.err("Exists", d:call("scripts", { extract = "hooks/authorize/zz" }))
  t.err("Forbidden", d:call("scripts", { extract = "commands/audit" }))
  t.eq(d:call("audit")[1].subject, nil)
  t.ok(d:call("scripts"), "the list is for everybody")
  t.ok(d:call("scripts", { extract = "commands/describe", dry_run = true }))
  t.eq(d:stat("site/commands/describe.lua"), nil, "a dry run writes nothing")
  t.ok(d:call("scripts", { extract = "commands/describe" }))
  local row = d:call("audit")[1]
  t.eq({ row.command, row.subject, row.result }, { "scripts", "commands/describe", "ok" })
end)

-- A hook that leaves its name, and fails while the request says so.
local function flaky(more, how)
  return "return { api = 1, summary = 'x', " .. (more or "") .. "run = function(ctx, ev)\n  if ev.args.fail then " ..
    (how or "error('boom')") .. " end\nend }\n"
end

local PROBE = "return { api = 1, summary = 'x', access = 'read', params = { { 'fail', 'boolean' } },\n" ..
  "run = function() return {} end }\n"

t.test("hooks shows the order of each event", function()
  local d <close> = daemon { ["site/hooks/authorize/aa.lua"] = flaky("after = { 'zz' }, "),
    ["site/hooks/authorize/zz.lua"] = flaky("on_error = 'warn', ") }
  local rows = d:call("hooks", { event = "authorize" })
  t.eq(names(rows), "by_peer zz aa")
  local row = find(rows, "aa")
  t.eq({ row.event, row.nr, row.on_error, row.after, row.path }, { "authorize", 3, "fail", { "zz" },
    d.dir .. "/site/hooks/authorize/aa.lua" })
  t.ok(find(rows, "by_peer").path:find("/hooks/authorize/by_peer.lua$"))
  t.eq({ find(rows, "zz").on_error, find(rows, "zz").suspended, find(rows, "zz").failures }, { "warn", false, 0 })
  t.ok(#d:call("hooks") > #rows, "without a name: all events")
  t.err("NotFound", d:call("hooks", { event = "nosuch" }))
end)

t.test("a hook that may fail is suspended after so many failures in a row; a reload lifts that", function()
  local d <close> = daemon({ ["site/commands/probe.lua"] = PROBE, ["site/hooks/authorize/zz.lua"] = flaky("on_error = 'warn', ") },
    { "--hook-failures", "3" })
  local function fail(n)
    for _ = 1, n do
      t.ok(d:call("probe", { fail = true }))
    end
  end
  fail(2)
  t.ok(d:call("probe"))
  fail(2)
  t.eq(d:call("status").suspended_hooks, nil, "a success in between starts anew (and this request too)")
  fail(3)
  t.eq(d:call("status").suspended_hooks, { "authorize/zz" })
  local row = find(d:call("hooks", { event = "authorize" }), "zz")
  t.eq({ row.suspended, row.failures }, { true, 3 })
  fail(3)
  t.eq(find(d:call("hooks", { event = "authorize" }), "zz").failures, 3, "it is not called any more")
  t.ok(d:call("reload"))
  t.eq(d:call("status").suspended_hooks, nil)
  fail(3)
  t.eq(d:call("status").suspended_hooks, { "authorize/zz" })
  local log = d:stop().stderr
  local _, times = log:gsub("hook suspended until the next reload", "")
  t.eq(times, 2, log)
end)

t.test("a hook that guards is never suspended: its event fails for ever, and status tells", function()
  local d <close> = daemon({ ["site/commands/probe.lua"] = PROBE, ["site/hooks/authorize/zz.lua"] = flaky() }, { "--hook-failures", "2" })
  for _ = 1, 4 do
    t.err("ScriptError", d:call("probe", { fail = true }))
  end
  d:tree { ["site/hooks/spawn_before/zz.lua"] = "return { api = 1, summary = 'x', run = function() error('boom') end }\n" }
  t.ok(d:call("reload"))
  for _ = 1, 3 do
    t.err("ScriptError", d:call("spawn-local", { model = "/bin/true" }))
  end
  local status = d:call("status")
  t.eq({ status.suspended_hooks, status.failing_hooks }, { nil, { "spawn_before/zz" } })
  local log = d:stop().stderr
  t.ok(log:find("it guards something, so it is still called", 1, true), log)
end)

t.test("a refusal is no failure; a hook that is killed has failed; 0 suspends none", function()
  local files = { ["site/commands/probe.lua"] = PROBE,
    ["site/hooks/authorize/refuse.lua"] = flaky("on_error = 'warn', ", "return false, { code = 'No', message = 'no' }") }
  do
    local d <close> = daemon(files, { "--hook-failures", "1" })
    for _ = 1, 3 do
      t.err("No", d:call("probe", { fail = true }))
    end
    t.eq(d:call("status").suspended_hooks, nil)
  end
  files = { ["site/commands/probe.lua"] = PROBE,
    ["site/hooks/authorize/zz.lua"] = flaky("on_error = 'warn', ", "while true do end") }
  do
    local d <close> = daemon(files, { "--hook-failures", "2", "--script-instructions", "100000" })
    t.err("BudgetExceeded", d:call("probe", { fail = true }))
    t.err("BudgetExceeded", d:call("probe", { fail = true }))
    t.ok(d:call("probe", { fail = true }), "it is suspended now")
    t.eq(d:call("status").suspended_hooks, { "authorize/zz" })
  end
  files["site/hooks/authorize/zz.lua"] = flaky("on_error = 'warn', ")
  local d <close> = daemon(files, { "--hook-failures", "0" })
  for _ = 1, 10 do
    t.ok(d:call("probe", { fail = true }))
  end
  t.eq(d:call("status").suspended_hooks, nil)
end)

t.test("self_check runs before the swap, with fakes; every failure is told and the old scripts go on", function()
  local function checked(body)
    return "return { api = 1, summary = 'x', access = 'read', run = function() return { v = 1 } end,\nself_check = function(ctx)\n" ..
      body .. "\nend }\n"
  end
  local d <close> = daemon { ["site/commands/fine.lua"] = checked("assert(#ctx.tenants:list(true) == 0)\n" ..
    "local row = assert(ctx.tenants:list())\nlocal _, e = ctx.vault:fetch('x')\nassert(e.code == 'CollectionNotFound')\n" ..
    "local root <close> = assert(ctx.fs.open_trusted(ctx.conf.state_dir))\nassert(root:write('planted', 'x'))\n" ..
    "ctx.task.sleep(0.001)\nassert(ctx.gen.commands.fine.run().v == 1)") }
  t.eq(d:call("fine").v, 1)
  t.eq(d:stat("state/planted"), nil, "its writes are only told")
  d:tree { ["site/commands/says_no.lua"] = checked("return false, 'the moon is full'"),
    ["site/commands/raises.lua"] = checked("local x\nx()"),
    ["site/commands/fails.lua"] = checked("return nil, { code = 'NoRoom', message = 'full' }"),
    ["site/commands/loops.lua"] = checked("while true do end"), ["site/commands/syntax.lua"] = "return {" }
  local e = t.err("ReloadFailed", d:call("reload"))
  local by = {}
  for _, one in ipairs(e and e.errors or {}) do
    by[one.where] = one.code .. ": " .. one.message
  end
  t.eq(by, { ["site/commands/says_no.lua"] = "BadScript: self_check: the moon is full",
    ["site/commands/raises.lua:4"] = by["site/commands/raises.lua:4"] or "an error with its line",
    ["site/commands/fails.lua"] = "NoRoom: self_check: full",
    ["site/commands/loops.lua:3"] = "BudgetExceeded: self_check: the script used up its instruction budget",
    ["site/commands/syntax.lua:1"] = by["site/commands/syntax.lua:1"] or "an error with its line" })
  t.eq(d:call("fine").v, 1)
  t.eq(d:call("status").generation, 1)
end)

t.test("a suspension is an event that watch shows", function()
  local d <close> = daemon({ ["site/commands/probe.lua"] = PROBE, ["site/hooks/authorize/zz.lua"] = flaky("on_error = 'warn', ") },
    { "--hook-failures", "2" })
  local conn <close> = assert(d:connect())
  t.ok(conn:stream { cmd = "watch" })
  t.eventually(function() return d:call("status", { full = true }).server.streams == 1 end)
  for _ = 1, 3 do
    t.ok(d:call("probe", { fail = true }))
  end
  local event, e
  repeat
    event, e = conn:next(20)
  until not event or event.event == "hook_suspended"
  t.ok(event, e)
  event = event or {}
  t.eq({ event.hook, event.failures, event.code, event.where }, { "authorize/zz", 2, "ScriptError", "site/hooks/authorize/zz.lua:2" })
end)
