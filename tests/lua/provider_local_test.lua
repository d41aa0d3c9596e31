-- providers/local: argv and environment of an agent.

local core_script = require "core.script"
local sandbox = require "colibri.sandbox"
local sys = require "core.sys"
local t = require "colibri.test"

local path = sys.conf.share_dir .. "/lua/providers/local.lua"
local provider = core_script.call(core_script.load(path, "@providers/local.lua", sandbox.env()))

local function spawn(fields)
  local out = { agent_id = "a1", session_id = "s1", model = "/usr/bin/agent", args = {}, jail_name = "proof0",
    jail_root = "/jails/proof0/root" }
  for key, value in pairs(fields) do
    out[key] = value
  end
  return out
end

t.test("the model is the program, arguments follow", function()
  local argv = provider.command({}, spawn { args = { "-x", "two words", "" } })
  t.eq(argv, { "/usr/bin/agent", "-x", "two words", "" })
end)

t.test("the test agent is told its session first", function()
  local argv = provider.command({}, spawn { model = "/opt/colibri-test-agent", args = { "--step-ms", "5" } })
  t.eq(argv, { "/opt/colibri-test-agent", "--session-id", "s1", "--step-ms", "5" })
  local one = spawn { model = "/opt/colibri-test-agent" }
  one.session_id = nil
  t.eq(provider.command({}, one), { "/opt/colibri-test-agent" })
end)

t.test("the environment is made from scratch and holds the facts", function()
  local _, env = provider.command({}, spawn { system_prompt = "be\nbrief" })
  t.eq(env, { PATH = "/usr/local/bin:/usr/bin:/bin", HOME = "/", LANG = "C.UTF-8", COLIBRI_AGENT_ID = "a1",
    COLIBRI_SESSION_ID = "s1", COLIBRI_JAIL_NAME = "proof0", COLIBRI_SYSTEM_PROMPT = "be\nbrief" })
end)

t.test("what is not given is not set", function()
  local bare = spawn {}
  bare.jail_name, bare.jail_root, bare.args = nil, nil, nil
  local argv, env = provider.command({}, bare)
  t.eq(argv, { "/usr/bin/agent" })
  t.eq(env.COLIBRI_JAIL_NAME, nil)
  t.eq(env.COLIBRI_SYSTEM_PROMPT, nil)
end)

t.test("a model that is no absolute path is refused", function()
  for _, model in ipairs { "", "agent", "./agent", "../x", "/x\0y" } do
    t.err("BadParameter", provider.command({}, spawn { model = model }))
  end
end)
