-- A dry run changes nothing, and its report equals what the real run then does:
-- random stores, vaults, jail trees and commands.
-- COLIBRI_TEST_DRY_RUNS commands (40), COLIBRI_TEST_SEED to repeat a failure.
local t = require "colibri.test"
local clock = require "core.clock"
local proc = require "core.proc"
local render = require "colibri.render"
local scratch = require "colibri.scratch"
local sys = require "core.sys"
local task = require "core.task"

local RUNS = tonumber(proc.environ "COLIBRI_TEST_DRY_RUNS") or 40
local SEED = tonumber(proc.environ "COLIBRI_TEST_SEED") or math.floor(clock.now() * 1000) % 1000000

local state = SEED
local function random(n)
  state = (state * 1103515245 + 12345) % 2147483648
  return state // 65536 % n + 1
end

local function one_of(list)
  return list[random(#list)]
end

-- A site's own change command gets dry_run for free, with all effects of ctx.
local SITE = {
  ["commands/custom.lua"] = [[
return { api = 1, summary = "x", access = "change", params = { { "tenant_id", "name", required = true } },
  run = function(ctx, args)
    local row, e = ctx.tenants:get(args.tenant_id)
    if not row then return nil, e end
    local root <close>, why = ctx.fs.open(ctx.conf.jail_root_base, row.jail_root_path)
    if not root then return nil, why end
    local made, no = root:mkdir("cache")
    if not made and no.code ~= "Exists" then return nil, no end
    root:write("note", "n", { mode = 0x180 })
    local removed = root:unlink("old")
    ctx.db:write(function(tx) return tx:exec("UPDATE tenants SET last_error = 'a' WHERE tenant_id = ?", args.tenant_id) end)
    ctx.db:write(function(tx) return tx:exec("UPDATE tenants SET last_error = last_error || 'b' WHERE last_error = 'a'") end)
    local seen = ctx.tenants:get(args.tenant_id).last_error
    if seen == "abb" then return nil, { code = "Odd", message = "never" } end
    local r = ctx.proc.run { "/usr/bin/tool", args.tenant_id }
    return { removed = removed, seen = seen, code = r.code }
  end }]],
}

-- What may change: rows by table and key, files by path.
local KEYS = {}

-- Every table of the store but the audit, and what tells its rows apart.
local function find_keys(w)
  for _, row in ipairs(w.db:all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")) do
    KEYS[row.name] = row.name ~= "audit" and {} or nil
    for i, column in ipairs(w.db:all("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", row.name)) do
      if KEYS[row.name] then
        KEYS[row.name][i] = column.name
      end
    end
  end
end

local function snapshot(w)
  local rows, files = {}, {}
  for name, keys in pairs(KEYS) do
    for _, row in ipairs(w.db:all("SELECT * FROM " .. name)) do
      local key = name
      for _, column in ipairs(keys) do
        key = key .. " " .. row[column]
      end
      rows[key] = row
    end
  end
  for i = 1, 6 do
    for _, file in ipairs { ".env", "note", "old", "cache" } do
      for _, root in ipairs { "root", "other" } do
        local path = ("jails/t%d/%s/%s"):format(i, root, file)
        local st = w:stat(path)
        files[w.dir .. "/" .. path] = st and (st.type == "dir" and "dir" or w:read(path)) or nil
      end
    end
  end
  return { rows = rows, files = files, starts = #w.agents.list, runs = #w.proc.runs }
end

local function same(a, b)
  for key, value in pairs(a) do
    if b[key] ~= value then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

-- What cannot be known before: ids and pids of agents, a random part of a delay.
local function blur(text)
  return (text:gsub("restart_at=%d+", "restart_at=SOON"):gsub("%x%x%x%x%x%x%x%x%-%x+%-%x+%-%x+%-%x+", "ID"):gsub("session%-%x+", "SESSION"))
end

local function row_text(row)
  local parts = {}
  for key, value in pairs(row) do
    if key ~= "pid" and key ~= "print" then
      parts[#parts + 1] = key .. "=" .. tostring(value)
    end
  end
  table.sort(parts)
  return table.concat(parts, ",")
end

-- Both as sorted lists of texts.
local function differences(before, after)
  local out = {}
  for _, key in ipairs { "rows", "files" } do
    for name, old in pairs(before[key]) do
      local new = after[key][name]
      if new == nil then
        out[#out + 1] = key == "rows" and blur("delete " .. name) or "remove " .. name
      elseif key == "rows" and not same(old, new) then
        out[#out + 1] = blur("update " .. name:match("^%S+") .. " " .. row_text(new))
      elseif key == "files" and old ~= new then
        out[#out + 1] = "write " .. name
      end
    end
    for name, new in pairs(after[key]) do
      if before[key][name] == nil then
        out[#out + 1] = key == "rows" and blur("insert " .. name:match("^%S+") .. " " .. row_text(new))
          or (new == "dir" and "mkdir " or "write ") .. name
      end
    end
  end
  for _ = before.starts + 1, after.starts do
    out[#out + 1] = "start"
  end
  for _ = before.runs + 1, after.runs do
    out[#out + 1] = "run"
  end
  table.sort(out)
  return out
end

local function told(effects)
  local out = {}
  for _, effect in ipairs(effects) do
    if effect.effect == "store" then
      local key = effect.table
      for _, column in ipairs(KEYS[effect.table]) do
        key = key .. " " .. effect.row[column]
      end
      if effect.action == "delete" then
        out[#out + 1] = blur("delete " .. key)
      else
        out[#out + 1] = blur(effect.action .. " " .. effect.table .. " " .. row_text(effect.row))
      end
    elseif effect.effect == "file" then
      out[#out + 1] = effect.action .. " " .. effect.path
    elseif effect.effect ~= "stop" and effect.effect ~= "reload" then
      out[#out + 1] = effect.effect
    end
  end
  table.sort(out)
  return out
end

-- A random command.
local function request(w)
  local name = "t" .. random(6)
  local root = w.base .. "/" .. name .. "/root"
  local kind = random(10)
  if kind <= 2 then
    return { cmd = "register-tenant", tenant_id = name, collection_id = name, update = random(2) == 1,
      jail_root_path = w.base .. "/" .. name .. (random(4) == 1 and "/other" or "/root") }
  elseif kind == 3 then
    return { cmd = "delete-tenant", tenant_id = name, purge_env = random(2) == 1 }
  elseif kind <= 5 then
    return one_of { { cmd = "provision-tenant", tenant_id = name }, { cmd = "provision-tenant", tenant_id = name },
      { cmd = "unprovision-tenant", tenant_id = name }, { cmd = "provision-tenant", all = true } }
  elseif kind <= 7 then
    return { cmd = "spawn-agent", provider = one_of { "local", "local", "nosuch" }, model = one_of { "/bin/x", "y" },
      jail_name = name, jail_root = root, provision = one_of { "after", "before" },
      restart = one_of { "never", "always" }, ephemeral = random(4) == 1 }
  elseif kind == 8 then
    local rows = w.db:all("SELECT agent_id FROM agents")
    return { cmd = one_of { "stop-agent", "restart-agent" }, agent_id = #rows > 0 and one_of(rows).agent_id or "nobody" }
  elseif kind == 9 then
    return one_of { { cmd = "reload" }, { cmd = "set-policy", tenant_id = name,
      policy = one_of { "manual", "on-spawn" } } }
  end
  return { cmd = "custom", tenant_id = name }
end

-- A random change of the world around.
local function stir(w)
  local name = "t" .. random(6)
  local kind = random(6)
  if kind == 1 then
    w:collection(name, nil)
  elseif kind == 2 then
    w.vault:fail(one_of { "VaultUnreachable", "ItemAmbiguous" }, name)
  elseif kind == 3 then
    w.vault:ok()
  else
    local values = {}
    for _ = 1, random(3) do
      values["K" .. random(4)] = "v" .. random(3)
    end
    w:collection(name, values)
  end
  if random(4) == 1 then
    w:tree { ["jails/" .. name .. "/root/old"] = "x" }
  end
end

local function world()
  local w = t.site(SITE)
  w.proc:on("tool", {})
  for i = 1, 5 do -- t6 has no root
    w:tree { ["jails/t" .. i .. "/root/"] = true, ["jails/t" .. i .. "/other/"] = true }
  end
  return w
end

local function copy(request_, dry)
  local out = { dry_run = dry or nil }
  for key, value in pairs(request_) do
    out[key] = value
  end
  return out
end

t.test("a dry run's report equals what the real run then does", function()
  local w <close> = world()
  find_keys(w)
  local good, changes, i = 0, 0, 0
  -- The dice may ask for what fails: on until enough went well.
  while i < RUNS or i < RUNS * 10 and (good <= RUNS / 4 or changes <= RUNS / 4) do
    i = i + 1
    stir(w)
    local asked = request(w)
    local what = ("seed %d, run %d: %s %s"):format(SEED, i, asked.cmd, tostring(asked.tenant_id or asked.jail_name or asked.all))
    local before = snapshot(w)
    local dry = w:send(copy(asked, true)):reply()
    t.eq(differences(before, snapshot(w)), {}, what .. ": the dry run changed something")
    local last = w.db:one("SELECT result FROM audit ORDER BY id DESC LIMIT 1")
    t.eq(last.result, dry.ok and "dry-run" or dry.error.code, what)
    local real = w:send(copy(asked)):reply()
    local changed = differences(before, snapshot(w))
    t.eq(dry.ok, real.ok, what .. ": " .. tostring((dry.error or real.error or {}).message))
    t.eq(told(dry.effects or {}), changed, what)
    t.eq(real.effects, nil)
    if dry.ok then
      good, changes = good + 1, changes + #changed
    else
      t.eq(dry.error.code, real.error.code, what)
    end
  end
  t.eq(w.clock:now(), 1767614400.0, "nothing of this takes time")
  t.ok(good > RUNS / 4 and changes > RUNS / 4, ("seed %d: only %d of %d went well"):format(SEED, good, i))
end)

t.test("one file, several times in one run", function()
  local w <close> = t.site { ["commands/files.lua"] = [[
return { api = 1, summary = "x", access = "change", run = function(ctx)
  local root <close> = assert(ctx.fs.open(ctx.conf.jail_root_base, ctx.conf.jail_root_base .. "/a/root"))
  local out = ctx.json.array {}
  local function note(...) out[#out + 1] = table.concat({ tostring((...)), tostring((select(2, ...)) and select(2, ...).code) }, " ") end
  note(root:write("new", "1")) note(root:write("new", "1")) note(root:write("new", "2"))
  note(root:write("old", "x")) note(root:unlink("old")) note(root:unlink("old")) note(root:read("old"))
  note(root:unlink("brief")) note(root:write("brief", "b")) note(root:unlink("brief")) note(root:stat("brief"))
  note(root:unlink("back")) note(root:write("back", "back")) note(root:read("back"))
  note(root:mkdir("dir")) note(root:mkdir("dir"))
  return out
end }]] }
  w:tree { ["jails/a/root/old"] = "x", ["jails/a/root/back"] = "back" }
  local dry = w:send({ cmd = "files", dry_run = true }):reply()
  local shown = {}
  for i, effect in ipairs(dry.effects) do
    shown[i] = effect.action .. " " .. effect.path:match("[^/]*$")
  end
  t.eq(shown, { "write new", "remove old", "mkdir dir" })
  local real = t.ok(w:call("files"))
  t.eq(dry.data, real)
  t.eq({ w:read("jails/a/root/new"), w:read("jails/a/root/back") }, { "2", "back" })
end)

t.test("every command that changes things takes dry_run, and no other", function()
  local w <close> = world()
  for _, command in ipairs(w:call("describe").commands) do
    local n = 0
    for _, p in ipairs(command.params) do
      n = n + (p.name == "dry_run" and 1 or 0)
    end
    local takes = (command.access == "change" or command.change_params) and command.name ~= "explain" and command.name ~= "console-eval"
    t.eq(n, takes and 1 or 0, command.name)
  end
  t.err("BadParameter", w:call("list-tenants", { dry_run = true }))
end)

t.test("hooks run in a dry run, and may refuse it", function()
  local w <close> = t.site { ["hooks/spawn_before/no.lua"] = [[
return { api = 1, summary = "x", run = function(ctx, event)
  ctx.db:write(function(tx) return tx:exec("DELETE FROM tenants") end)
  if event.model == "/bad" then return false, { code = "NoBad", message = "x" } end
end }]] }
  w:tenant("a")
  t.err("NoBad", w:call("spawn-local", { model = "/bad", dry_run = true }))
  local reply = w:send({ cmd = "spawn-local", model = "/good", dry_run = true }):reply()
  t.eq({ reply.effects[1].effect, reply.effects[1].action, reply.effects[1].row.tenant_id }, { "store", "delete", "a" })
  t.eq({ #w:call("list-tenants"), #w.agents.list }, { 1, 0 })
end)

t.test("nothing real can be reached through the ctx of a dry run", function()
  local w <close> = t.site { ["commands/peek.lua"] = [[
return { api = 1, summary = "x", access = "change", run = function(ctx)
  local out = ctx.json.array {}
  for _, path in ipairs { "db.db", "vault.ctx", "vault.adapter_ctx", "vault.close", "audit.ctx", "fs.root" } do
    local a, b = path:match("(.*)%.(.*)")
    if ctx[a][b] ~= nil then out[#out + 1] = path end
  end
  local _, e = ctx.fs.remove_tree("/tmp/x")
  out[#out + 1] = e.code
  local _, no = ctx.fs.scratch("x")
  out[#out + 1] = no.code
  return out
end }]] }
  t.eq(w:call("peek", { dry_run = true }), { "DryRun", "DryRun" })
end)

t.test("what is in ctx is in that of a dry run, or on purpose not", function()
  local w <close> = t.site { ["commands/keys.lua"] = [[
return { api = 1, summary = "x", access = "change", params = { { "keys", "list", required = true } }, run = function(ctx, args)
  local out = ctx.json.array {}
  for _, key in ipairs(args.keys) do
    if not pcall(function() return ctx[key].x end) then out[#out + 1] = key end
  end
  return out
end }]] }
  local keys = {}
  for key in pairs(w.require("colibri.context").shared()) do
    keys[#keys + 1] = key
  end
  t.ok(#keys > 8)
  t.eq(w:call("keys", { keys = keys, dry_run = true }), {}, "effects_dry.lua does not know these of context.lua")
end)

t.test("hooks of authorize see that it is a dry run", function()
  local w <close> = t.site { ["hooks/authorize/by_peer.lua"] = [[
return { api = 1, summary = "x", run = function(ctx, event)
  if event.peer.uid == ctx.sys.uid or event.args.dry_run or event.access == "read" then return end
  return false
end }]] }
  w:tenant("a")
  local other = { uid = sys.uid + 4321 }
  t.err("Forbidden", w:call("delete-tenant", { tenant_id = "a" }, other))
  t.err("Forbidden", w:call("delete-tenant", { tenant_id = "a", dry_run = false }, other))
  t.eq(w:call("delete-tenant", { tenant_id = "a", dry_run = true }, other).deleted, true)
end)

-- One client among others: each dry run tells of its own, and undoes nothing else.
local function mixed(d, from, to)
  local conn <close> = assert(d:connect())
  local function ask(what)
    local reply = assert(conn:request(what, 60))
    assert(reply.ok, reply.error and reply.error.message)
    return reply
  end
  for i = from, to do
    local id = "t" .. i
    local register = { cmd = "register-tenant", tenant_id = id, collection_id = id, jail_root_path = d.base .. "/t" .. i ..
      "/root" }
    register.dry_run = true
    assert(#ask(register).effects == 1)
    register.dry_run = nil
    assert(ask(register).data.change == "created")
    assert(ask { cmd = "delete-tenant", tenant_id = id, dry_run = true }.effects[1].action == "delete")
    assert(ask { cmd = "console-eval", chunk = "ctx.tenants:delete('" .. id .. "').deleted" }.data.values[1] == "true")
    assert(i % 2 == 1 or ask { cmd = "delete-tenant", tenant_id = id }.data.deleted)
  end
  return true
end

t.test("dry runs beside real changes, in a real daemon", function()
  local files = {}
  for i = 1, 60 do
    files["jails/t" .. i .. "/root/"] = true
  end
  local d <close> = scratch.daemon { files = files }
  local clients = {}
  for n = 0, 5 do
    clients[n + 1] = task.go(mixed, d, n * 10 + 1, n * 10 + 10)
  end
  for _, client in ipairs(clients) do
    local ok, e = client:wait()
    t.ok(ok, e)
  end
  t.eq({ #d:call("list-tenants"), #d:call("audit", { limit = 1000 }) }, { 30, 60 * 4 + 30 })
end)

t.test("a real agent is left alone", function()
  local d <close> = scratch.daemon {}
  local id = t.ok(d:call("spawn-agent", { provider = "local", model = "/bin/sleep", arg = { "1000" } })).agent_id
  local before = d:call("get-agent", { agent_id = id })
  local conn <close> = d:connect()
  for want, asked in pairs { stop = { cmd = "stop-agent", agent_id = id }, start = { cmd = "restart-agent", agent_id = id },
    send = { cmd = "send-agent", agent_id = id, text = "hello" } } do
    asked.dry_run = true
    local reply = conn:request(asked, 60)
    local kinds = {}
    for _, effect in ipairs(reply.effects or {}) do
      kinds[effect.effect] = true
    end
    t.ok(reply.ok and kinds[want], want .. ": " .. tostring((reply.error or {}).message))
  end
  local after = d:call("get-agent", { agent_id = id })
  t.eq({ after.pid, after.run, after.status }, { before.pid, before.run, "running" })
  t.eq(#d:call("list-agents", { all = true }), 1)
end)

t.test("the effects as text", function()
  local effects = { { effect = "store", action = "update", table = "tenants", row = { tenant_id = "a", status = "active" } },
    { effect = "file", action = "write", path = "/j/\27/.env", keys = { "A", "B" } }, { effect = "start", agent_id = "x",
      argv = { "/bin/x", "y" } }, { effect = "reload" } }
  t.eq(render.effects(effects, { tty = true }), "would change:\n  update tenants a (active)\n  write /j/\\x1b/.env A B\n" ..
    "  start x /bin/x y\n  reload\n")
  t.eq(render.effects({}, { tty = true }), "would change nothing\n")
end)
