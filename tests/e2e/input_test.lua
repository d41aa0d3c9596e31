-- Agents that take prompts, and the keys of their provider.
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"
local t = require "colibri.test"

-- A provider of the site: prompts as JSON, two keys of provider.env.
local PROVIDER = [[
return { api = 1, summary = "test", input = true, env = { "TEST_KEY", "OTHER_KEY" },
  prompt = function(ctx, text, n) return ctx.json.encode { id = n, message = text } end,
  command = function(_, spawn) return { "/bin/sh", "-c", spawn.model }, { PATH = "/usr/bin:/bin" } end }
]]

local function log_of(d, agent_id)
  return d:read("state/agents/" .. agent_id .. "/out.0000000000000000") or ""
end

local function spawn(d, provider, script, more)
  local args = { provider = provider, model = provider == "local" and "/bin/sh" or script,
    arg = provider == "local" and { "-c", script } or nil }
  for key, value in pairs(more or {}) do
    args[key] = value
  end
  return t.ok(d:call("spawn-agent", args))
end

t.test("prompts reach the agent in order, as its provider puts them", function()
  local d <close> = scratch.daemon { files = { ["site/providers/rpc.lua"] = PROVIDER } }
  local a = spawn(d, "rpc", "cat", { prompt = "first" })
  t.eq(t.ok(d:call("send-agent", { agent_id = a.agent_id, text = "second \"x\"" })).bytes, 34)
  t.ok(d:crash())
  t.ok(d:start()) -- an adopted agent takes them, too
  t.ok(d:call("send-agent", { agent_id = a.agent_id, text = "third" }))
  t.eventually(function()
    return log_of(d, a.agent_id) == '{"id":1,"message":"first"}\n{"id":2,"message":"second \\"x\\""}\n' ..
      '{"id":1,"message":"third"}\n'
  end)
  local b = spawn(d, "local", "cat", { input = true })
  local sent = proc.run { sys.program "colibri", "--socket", d.socket, "send-agent", b.agent_id, "-", input = "from stdin" }
  t.eq(sent.code, 0, sent.stderr)
  t.eventually(function() return log_of(d, b.agent_id) == "from stdin\n" end)
end)

t.test("who does not read is told of, who takes none as well", function()
  local d <close> = scratch.daemon()
  local a = spawn(d, "local", "exec sleep 1000", { input = true })
  local sent, e
  for _ = 1, 6 do
    sent, e = d:call("send-agent", { agent_id = a.agent_id, text = ("x"):rep(100000) })
  end
  t.eq({ sent, e.code }, { nil, "AgentNotReading" })
  local b = spawn(d, "local", "read x; echo end; exec sleep 1000")
  t.err("AgentNoInput", d:call("send-agent", { agent_id = b.agent_id, text = "x" }))
  t.eventually(function() return log_of(d, b.agent_id) == "end\n" end) -- its stdin is /dev/null
  t.err("AgentNotFound", d:call("send-agent", { agent_id = "nobody", text = "x" }))
  t.ok(d:call("stop-agent", { agent_id = b.agent_id }))
  t.err("AgentNotRunning", d:call("send-agent", { agent_id = b.agent_id, text = "x" }))
end)

t.test("keys of provider.env by the allow-list, nowhere else; BW_* never", function()
  local d <close> = scratch.daemon { log_level = "debug", files = { ["site/providers/rpc.lua"] = PROVIDER,
    ["provider.env"] = "TEST_KEY=s3cret-of-the-test\nNOT_LISTED=hidden-value\nBW_PASSWORD=vault-password\n" } }
  local a = spawn(d, "rpc", "env; tr '\\0' ' ' </proc/$$/cmdline; echo; echo done; exec sleep 1000")
  t.eventually(function() return log_of(d, a.agent_id):find("done") end)
  local text = log_of(d, a.agent_id)
  t.ok(text:find("TEST_KEY=s3cret-of-the-test", 1, true), text)
  t.ok(not text:find("hidden-value", 1, true) and not text:find("vault-password", 1, true) and not text:find("BW_"))
  local b = spawn(d, "local", "env; echo done")
  t.eventually(function() return log_of(d, b.agent_id):find("done") end)
  t.ok(not log_of(d, b.agent_id):find("s3cret", 1, true))
  local row = require("core.json").encode(t.ok(d:call("get-agent", { agent_id = a.agent_id })))
  t.ok(not row:find("s3cret", 1, true))
  d:call("stop-agent", { all = true })
  d:stop()
  t.ok(not d.log:find("s3cret", 1, true), "the daemon's log")
  t.ok(not (d:read("colibri.sqlite") or ""):find("s3cret", 1, true), "the store")
end)

t.test("a provider that asks for the vault's own is refused", function()
  local d <close> = scratch.daemon { files = { ["provider.env"] = "BW_PASSWORD=x\n",
    ["site/providers/bad.lua"] = PROVIDER:gsub('"OTHER_KEY"', '"BW_PASSWORD"') } }
  t.err("BadParameter", d:call("spawn-agent", { provider = "bad", model = "exit 0" }))
end)
