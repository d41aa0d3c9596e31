-- Errors people can act on: file and line first, every coroutine on the way, the
-- number of the request, every broken file.
local t = require "colibri.test"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"

-- A helper that waits in a generator in a generator, then does `body` (line 4).
local HELPER = [[
local function helper(ctx)
  local gen = coroutine.wrap(function() coroutine.wrap(function()
    ctx.task.sleep(0.001)
    BODY
  end)() end)
  return gen()
end
]]

local function hook(body)
  return HELPER:gsub("BODY", body) .. "return { api = 1, summary = 'x', run = function(ctx, ev)\n" ..
    "  if ev.command == 'boom' then helper(ctx) end\nend }\n"
end

local function command(body)
  return HELPER:gsub("BODY", body) .. "return { api = 1, summary = 'x', access = 'read', timeout = 1, run = function(ctx)\n" ..
    "  helper(ctx)\n  return {}\nend }\n"
end

-- What stands in the traceback, in this order.
local function in_order(text, words)
  local at = 1
  for _, word in ipairs(words) do
    local first, last = text:find(word, at, true)
    t.ok(first, ("'%s' is not in, or comes too early: %s"):format(word, text))
    at = (last or at) + 1
  end
end

for what, case in pairs {
  ["an error"] = { "local x = nil; return x.y", "ScriptError", "attempt to index a nil value (local 'x')" },
  ["an error object"] = { "error({ code = 'NoRoom', message = 'full' })", "NoRoom", "full" },
  ["a kill"] = { "while true do end", "BudgetExceeded", "the script used up its instruction budget" },
  ["a deadline while it waits"] = { "ctx.task.sleep(30)", "DeadlineExceeded", "the deadline passed" },
} do
  t.test(what .. " in a generator in a helper in a hook in a command shows all of it", function()
    local d <close> = scratch.daemon { log_level = "error", flags = { "--script-instructions", "1000000", "--request-timeout", "1" },
      files = { ["site/commands/boom.lua"] = command("return 1"), ["site/commands/bang.lua"] = command(case[1]),
      ["site/hooks/authorize/zz.lua"] = hook(case[1]) } }
    for cmd, file in pairs { boom = "site/hooks/authorize/zz.lua", bang = "site/commands/bang.lua" } do
      local reply = d.conn:request({ cmd = cmd, trace = true }, 30)
      local e = reply.error or {}
      t.eq({ e.code, e.where, e.message }, { case[2], file .. ":4", case[3] })
      t.eq(math.type(e.request), "integer")
      local text = tostring(e.traceback)
      t.eq(text:match("^[^\n]*"), file .. ":4: " .. case[3])
      local _, resumed = text:gsub("%-%- resumed by", "")
      t.eq(resumed, 2, text)
      in_order(text, { "stack traceback:", file .. ":", "-- resumed by", file .. ":2", "-- resumed by", file .. ":6",
        cmd == "boom" and file .. ":9" or file .. ":9", "lua/colibri/dispatch.lua" })
    end
    local reply = d.conn:request({ cmd = "boom" }, 30)
    t.eq({ reply.error.traceback, reply.error.request }, { nil, nil }, "only who asks is told")
    t.eq(reply.error.where, "site/hooks/authorize/zz.lua:4")
  end)
end

t.test("the log has the request's number and the traceback; colibri --trace shows both", function()
  local d <close> = scratch.daemon { log_level = "error", files = { ["site/commands/boom.lua"] = command("error('deep')") } }
  local function cli(...)
    local r = assert(proc.run { sys.program "colibri", "--socket", d.socket, timeout = 60, env = { PATH = "/bin:/usr/bin" }, ... })
    return r.code, r.stderr
  end
  local code, err = cli("boom")
  t.eq({ code, err }, { 1, "colibri: boom: ScriptError: deep (site/commands/boom.lua:4)\n" })
  for _, words in ipairs { { "--trace", "boom" }, { "boom", "--trace" }, { "--json", "--trace", "boom" } } do
    code, err = cli(table.unpack(words))
    t.eq(code, 1)
    in_order(err, { "colibri: boom: ScriptError: deep (site/commands/boom.lua:4)\n", "request ",
      ": site/commands/boom.lua:4: deep\nstack traceback:\n", "\n\t-- resumed by\n" })
  end
  code, err = cli("--trace", "get-tenant", "nobody")
  t.eq({ code, err }, { 1, "colibri: get-tenant: TenantNotFound: no tenant 'nobody' is registered\n" })
  local log = d:stop().stderr
  local request = log:match("dispatch deep [^\n]*request=(%d+)")
  t.ok(request, log)
  in_order(log, { "site/commands/boom.lua:4: deep", "resumed by", "request=" .. tostring(request) })
end)

t.test("an object that is thrown again and again does not grow for ever", function()
  local d <close> = scratch.daemon { log_level = "error", files = { ["site/commands/boom.lua"] =
    "local E = { code = 'Same', message = 'same' }\nreturn { api = 1, summary = 'x', access = 'read', run = function()\n" ..
    "for i = 1, 1000 do pcall(coroutine.wrap(function() error(E) end)) end error(E) end }\n" } }
  local reply = d.conn:request({ cmd = "boom", trace = true }, 30)
  t.eq(reply.error.code, "Same")
  t.ok(#reply.error.traceback < 30000, #reply.error.traceback)
end)

t.test("a message of megabytes is cut, at a character", function()
  local d <close> = scratch.daemon { log_level = "error", files = { ["site/commands/boom.lua"] =
    "local err = require 'colibri.err'\nreturn { api = 1, summary = 'x', access = 'read', run = function()\n" ..
    "return nil, err.new('Long', '%s', ('x'):rep(3999) .. ('\\xE4\\xBD\\xA0\\n'):rep(1 << 20)) end }\n" } }
  local reply = d.conn:request({ cmd = "boom" }, 30)
  t.eq({ reply.error.code, reply.error.message }, { "Long", ("x"):rep(3999) .. "..." })
end)
