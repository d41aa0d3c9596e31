-- A secret that lives is in no line that colibri-run prints, in none of its forms.

local fs = require "core.fs"
local proc = require "core.proc"
local sys = require "core.sys"
local t = require "colibri.test"

-- What a careless script would do.
local SCRIPT = [==[
return {
  api = 1,
  summary = "prints what it should not",
  run = function(ctx)
    local pairs_list = ctx.fs.parse_env("KEY='hunter2 \"q\"/+'\n", "a note")
    local value = pairs_list[1].value:reveal()
    ctx.out("# raw " .. value .. "\n")
    ctx.out("ok 1 - json " .. ctx.json.encode { v = value } .. "\n")
    ctx.out("# url hunter2%20%22q%22%2F%2B\n")
    ctx.out("# base64 aHVudGVyMiAicSIvKw==\n")
    ctx.err("raw " .. value .. "\n")
    ctx.log.error("log " .. value, { field = value })
    local _, e = ctx.fs.open_trusted("/nowhere/" .. value)
    ctx.err(e.message .. "\n")
    ctx.out("# harmless\n")
    return pairs_list and 0
  end,
}
]==]

t.test("TAP, errors and log of a script", function()
  local base = t.ok(fs.scratch("redact"))
  local _ <close> = setmetatable({}, { __close = function() fs.remove_tree(base) end })
  local root <close> = t.ok(fs.open_trusted(base))
  t.ok(root:write("script.lua", SCRIPT))
  local r = t.ok(proc.run { sys.program("colibri-run"), base .. "/script.lua", timeout = 60,
    env = { COLIBRI_SHARE_DIR = sys.conf.share_dir, PATH = "/usr/bin:/bin" } })
  t.eq(r.code, 0, r.stderr)
  for _, text in ipairs { r.stdout, r.stderr } do
    for _, form in ipairs { "hunter2", "aHVudGVyMi" } do
      t.ok(not text:find(form, 1, true), form .. " is in " .. text)
    end
  end
  t.eq(select(2, r.stdout:gsub("%[secret%]", "")), 4, r.stdout)
  t.eq(select(2, r.stderr:gsub("%[secret%]", "")), 4, r.stderr)
  t.ok(r.stdout:find("# harmless\n", 1, true))
end)
