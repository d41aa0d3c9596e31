-- The command line: words become a request; help comes from describe.
local args = require "colibri.cli_args"
local cli = require "colibri.cli"
local clock = require "core.clock"
local err = require "colibri.err"
local json = require "core.json"
local t = require "colibri.test"

local COMMANDS = {
  { name = "audit", summary = "who asked", params = { { name = "limit", type = "integer", default = 50, min = 1 },
    { name = "full", type = "boolean", default = true, help = "all of it" } } },
  { name = "delete-tenant", summary = "forget a tenant", aliases = { "unregister-tenant" }, params = {
    { name = "tenant_id", type = "name", positional = true, required = true, help = "the tenant" },
    { name = "purge_env", type = "boolean", help = "remove its .env too" } } },
  { name = "list-tenants", summary = "list tenants", params = {} },
  { name = "register-tenant", summary = "register a tenant", params = {
    { name = "tenant_id", type = "name", positional = true, required = true },
    { name = "jail_root_path", type = "path", positional = true, required = true },
    { name = "collection_id", type = "name", positional = true, required = true },
    { name = "update", type = "boolean" } } },
  { name = "run", summary = "positionals and required flags", params = {
    { name = "n", type = "integer", positional = true, required = true },
    { name = "rest", type = "list", positional = true },
    { name = "to", type = "path", required = true },
    { name = "value", type = "any", hidden = true },
    { name = "since", type = "time", hidden = true } } },
  { name = "spawn-agent", summary = "start an agent", timeout = 300, params = {
    { name = "provider", type = "name", positional = true, required = true },
    { name = "model", type = "string", positional = true, required = true },
    { name = "jail_name", type = "name", metavar = "N" },
    { name = "jail_root", type = "path", metavar = "R", requires = "jail_name" },
    { name = "grace", type = "number" },
    { name = "provision", type = "enum", values = { "after", "before" }, default = "after" },
    { name = "arg", type = "list", metavar = "WORD", rest = true } } },
}

local function parse(line, ...)
  local words = {}
  for word in line:gmatch("%S+") do
    words[#words + 1] = word
  end
  for _, word in ipairs { ... } do
    words[#words + 1] = word
  end
  return args.parse(words, COMMANDS)
end

local function request(line, ...)
  local parsed, e = parse(line, ...)
  t.ok(parsed and parsed.request, line .. ": " .. tostring(e))
  return parsed and parsed.request
end

local function refuse(line, pattern)
  local e = t.err("Usage", parse(line))
  t.ok(e and e.message:find(pattern), e and e.message)
  return e
end

t.test("verb and positionals", function()
  t.eq(request("register-tenant proof0 /jails/proof0/root proof0"),
    { cmd = "register-tenant", tenant_id = "proof0", jail_root_path = "/jails/proof0/root", collection_id = "proof0" })
  t.eq(request "list-tenants", { cmd = "list-tenants" })
end)

t.test("the runbook's spawn", function()
  local parsed = parse("spawn-agent local /usr/local/bin/colibri-test-agent --jail-name proof0 " ..
    "--jail-root /j/proof0/root")
  t.eq(parsed.request, { cmd = "spawn-agent", provider = "local", model = "/usr/local/bin/colibri-test-agent",
    jail_name = "proof0", jail_root = "/j/proof0/root" })
  t.eq(parsed.verb, "spawn-agent")
  t.eq(parsed.command.timeout, 300)
end)

t.test("an alias becomes the name", function()
  t.eq(request "unregister-tenant x --purge-env", { cmd = "delete-tenant", tenant_id = "x", purge_env = true })
end)

t.test("forms of flags", function()
  t.eq(request("spawn-agent local x --jail-name=a").jail_name, "a")
  t.eq(request("spawn-agent local x --jail-name=a=b").jail_name, "a=b")
  t.eq(request("spawn-agent --jail-name a local x").model, "x")
  t.eq(request("spawn-agent local", "", "--jail-name", "").model, "")
  t.eq(request("audit --no-full").full, false)
  t.eq(request("audit --full=no").full, false)
  t.eq(request("audit --full=Yes").full, true)
  t.eq(request("spawn-agent local x --provision before").provision, "before")
end)

t.test("lists: repeated flags take any word; words after -- are no flags", function()
  t.eq(request("spawn-agent local x --arg -v --arg --help --arg=--").arg, { "-v", "--help", "--" })
  t.eq(json.encode(request("spawn-agent local x --arg y").arg), '["y"]')
  t.eq(request("spawn-agent local -- --help"), { cmd = "spawn-agent", provider = "local", model = "--help" })
  t.eq(request("run 3 --to /x a b -- -c --"), { cmd = "run", n = 3, to = "/x", rest = { "a", "b", "-c", "--" } })
end)

t.test("numbers are exact", function()
  local limit = request("audit --limit 9007199254740991").limit
  t.eq(math.type(limit), "integer")
  t.eq(limit, 9007199254740991)
  t.eq(request("run -5 --to /x").n, -5)
  t.eq(request("spawn-agent local x --grace 0.5").grace, 0.5)
  t.eq(math.type(request("spawn-agent local x --grace 2").grace), "integer")
  for _, bad in ipairs { "x", "1.5", "0x10", "99999999999999999999", "1e3" } do
    refuse("audit --limit=" .. bad, "%-%-limit must be an integer, not '" .. bad .. "'")
  end
  for _, bad in ipairs { "nan", "inf", "0x1p4", "1e999", "." } do
    refuse("spawn-agent local x --grace=" .. bad, "%-%-grace must be a number")
  end
end)

t.test("times: UNIX seconds, how long ago, dates in UTC", function()
  local function since(word)
    return request("run 1 --to /x", "--since", word).since
  end
  for word, want in pairs { ["0"] = 0, ["1795656696"] = 1795656696, ["1970-01-01"] = 0, ["2000-02-29"] = 951782400,
    ["2026-11-26T01:02"] = 1795654920, ["2026-11-26T01:02:03Z"] = 1795654923, ["2026-11-26 01:02:03"] = 1795654923,
    ["2100-03-01"] = 4107542400, ["9999-12-31T23:59:59"] = 253402300799 } do
    t.eq(since(word), want, word)
    if want > 0 and want < 4e9 and #word > 10 then
      t.eq(clock.iso(want):sub(1, 16), (word:sub(1, 16):gsub(" ", "T")))
    end
  end
  for word, seconds in pairs { ["90s"] = 90, ["10m"] = 600, ["2h"] = 7200, ["7d"] = 604800 } do
    local ago = clock.now() - since(word)
    t.ok(ago >= seconds and ago < seconds + 60, word)
  end
  t.eq(since "99999999d", 0)
  for _, word in ipairs { "", "-1", "1.5", "m", "10y", "1e3", "99999999999999999999", "2026-02-29", "2026-13-01",
    "2026-11-26T24:00", "2026-11-26T01:02:", "2026-11-26T01:0203", "2026-11-26T1:2", "26-11-2026", "now" } do
    local e = t.err("Usage", parse("run 1 --to /x", "--since=" .. word))
    t.ok(e.message:find("--since must be a time: UNIX seconds, 10m", 1, true), e.message)
  end
end)

t.test("any is JSON, or the word", function()
  t.eq(request("run 1 --to /x", "--value", '{"a":[1]}').value, { a = { 1 } })
  t.eq(request("run 1 --to /x --value plain").value, "plain")
end)

t.test("mistakes", function()
  t.eq(refuse("register-tenant a /b a --upate", "unknown option: %-%-upate; did you mean '%-%-update'%?").usage,
    "register-tenant TENANT_ID JAIL_ROOT_PATH COLLECTION_ID [--update]")
  refuse("list-tenants -x", "unknown option: %-x")
  refuse("list-tenants extra", "unexpected argument: 'extra'")
  refuse("delete-tenant", "TENANT_ID is missing")
  refuse("run 1", "%-%-to is missing")
  refuse("delete-tenant x --purge-env --purge-env", "given twice: %-%-purge%-env")
  refuse("delete-tenant x --no-purge-env=1", "takes no value")
  refuse("spawn-agent a b --jail-name", "%-%-jail%-name needs a value")
  refuse("spawn-agent a b --jail-root /x", "%-%-jail%-root needs %-%-jail%-name too")
  refuse("spawn-agent a b --provision afte", "must be one of after, before, not 'afte'; did you mean 'after'%?")
  t.eq(parse("spawn-agent a b --provision BEFORE").request.provision, "before")
  refuse("audit --full=maybe", "must be true or false")
  refuse("delete-tenant \xff", "is not UTF%-8")
  refuse("", "a verb is missing")
  refuse("--x", "unknown option: %-%-x")
end)

t.test("unknown verbs are met with suggestions", function()
  local e = t.err("UnknownCommand", parse "list-tennants")
  t.eq(e.message, "no command 'list-tennants'; did you mean 'list-tenants'?")
  e = t.err("UnknownCommand", parse "register")
  t.eq(e.message, "no command 'register'; did you mean 'register-tenant'?")
  e = t.err("UnknownCommand", parse "qqqqqqqq")
  t.eq(e.message, "no command 'qqqqqqqq'")
end)

t.test("help", function()
  t.eq(parse "help", { help = true })
  t.eq(parse "--help", { help = true })
  t.eq(parse "help audit", { help = "audit" })
  t.eq(parse "unregister-tenant --help", { help = "delete-tenant" })
  t.eq(parse "delete-tenant x -h", { help = "delete-tenant" })
end)

t.test("options of the CLI after the verb", function()
  local parsed = parse "list-tenants --json --timeout 5"
  t.eq(parsed.json, true)
  t.eq(parsed.timeout, 5)
  refuse("list-tenants --socket /x", "%-%-socket goes before the verb")
  refuse("list-tenants --timeout 0", "number of seconds, not '0'")
end)

t.test("options of the CLI before the verb", function()
  local options, rest = args.globals { "--socket", "/s", "--timeout=2.5", "--json", "list-tenants", "--json" }
  t.eq(options, { socket = "/s", timeout = 2.5, json = true })
  t.eq(rest, { "list-tenants", "--json" })
  t.eq(args.globals({ "-h" }).help, true)
  t.eq(args.globals({ "--version" }).version, true)
  for _, bad in ipairs { { "--sockt", "x" }, { "--socket" }, { "--socket=" }, { "--timeout", "soon" }, { "-x" },
    { "--json=1" } } do
    t.err("Usage", args.globals(bad))
  end
end)

t.test("usage lines", function()
  local function usage(verb)
    return args.usage(args.find(verb, COMMANDS))
  end
  t.eq(usage "register-tenant", "register-tenant TENANT_ID JAIL_ROOT_PATH COLLECTION_ID [--update]")
  t.eq(usage "spawn-agent", "spawn-agent PROVIDER MODEL [--jail-name N [--jail-root R]] [--grace GRACE] " ..
    "[--provision after|before] [--arg WORD]... [-- WORD...]")
  t.eq(usage "run", "run N [REST...] --to TO")
  t.eq(usage "audit", "audit [--limit LIMIT] [--no-full]")
  t.eq(usage "list-tenants", "list-tenants")
end)

t.test("help texts", function()
  t.eq(args.help(args.find("delete-tenant", COMMANDS)), [[
usage: colibri delete-tenant TENANT_ID [--purge-env]

forget a tenant

  TENANT_ID    the tenant
  --purge-env  remove its .env too

other names: unregister-tenant
]])
  t.ok(args.help(args.find("audit", COMMANDS)):find("--limit LIMIT  (at least 1; default 50)", 1, true))
  local all = args.overview(COMMANDS)
  for _, want in ipairs { "  delete-tenant    forget a tenant\n", "completion bash|zsh|fish", "--socket PATH",
    "  4  timed out\n" } do
    t.ok(all:find(want, 1, true), want)
  end
  for line in all:gmatch("[^\n]+") do
    t.ok(#line <= 80, line)
  end
end)

t.test("error objects", function()
  local e = err.new("TenantNotFound", "no tenant '%s'", "x")
  t.eq(tostring(e), "TenantNotFound: no tenant 'x'")
  t.ok(err.is(e) and err.is { code = "X", message = "y" })
  t.ok(not err.is "x" and not err.is {} and not err.is { code = 1, message = "y" } and not err.is(nil))
  t.eq(err.new("X", "100% of it").message, "100% of it")
  t.eq(err.new("X", "%s", "a\nb\27").message, "a; b?")
  t.raises(function() err.new("not a code", "x") end, "CamelCase")
  e.where = "x.lua:3"
  local w = err.wrap(e, "tenant %d", 7)
  t.eq(tostring(w), "TenantNotFound: tenant 7: no tenant 'x'")
  t.ok(w.cause == e and w.where == "x.lua:3")
  t.eq(err.wrap("boom", "step").code, "ScriptError")
end)

-- One run of the CLI with its output caught: status, stdout, stderr.
local function run(...)
  local out, errors = {}, {}
  local status = cli.run({ ... }, { is_tty = false, width = 0,
    out = function(s) out[#out + 1] = s return true end, err = function(s) errors[#errors + 1] = s end })
  return status, table.concat(out), table.concat(errors)
end

local NOWHERE = "--socket=/nonexistent/colibri.sock"

t.test("without a daemon a verb fails with 3, help works from the files", function()
  local status, out, errors = run(NOWHERE, "list-tenants")
  t.eq(status, 3)
  t.eq(out, "")
  t.ok(errors:find("^colibri: list%-tenants: DaemonUnreachable: "), errors)
  for _, words in ipairs { { "help" }, { "--help" } } do
    status, out = run(NOWHERE, table.unpack(words))
    t.eq(status, 0)
    t.ok(out:find("register-tenant", 1, true) and out:find("commands on disk", 1, true))
  end
  for _, words in ipairs { { "register-tenant", "--help" }, { "help", "register-tenant" },
    { "--help", "register-tenant" } } do
    status, out = run(NOWHERE, table.unpack(words))
    t.eq(status, 0)
    t.ok(out:find("usage: colibri register-tenant TENANT_ID JAIL_ROOT_PATH COLLECTION_ID", 1, true), out)
  end
  status, out = run(NOWHERE, "completion", "bash")
  t.eq(status, 0)
  t.ok(out:find("complete -F _colibri colibri", 1, true))
end)

t.test("wrong usage is 2", function()
  for _, words in ipairs { {}, { "--bogus" }, { NOWHERE, "help", "nope" }, { "completion" }, { "completion", "tcsh" },
    { "--timeout", "-1", "x" } } do
    local status, out, errors = run(table.unpack(words))
    t.eq(status, 2)
    t.eq(out, "")
    t.ok(errors:find("^colibri: "), errors)
  end
end)

t.test("a closed stdout is no script error", function()
  t.eq(cli.run({ "version" }, { out = function() return false end, err = function() end }), 1)
end)

t.test("what follows the positionals behind -- goes into the list that takes it", function()
  t.eq(request("spawn-agent a b --arg x -- -c --json y --").arg, { "x", "-c", "--json", "y", "--" })
  t.eq(request("spawn-agent -- a b c").arg, { "c" })
  t.eq(request("spawn-agent a b --").arg, nil)
  refuse("spawn-agent a b c", "unexpected argument: 'c'; WORD goes behind %-%-")
  refuse("list-tenants -- c", "unexpected argument: 'c'$")
end)
