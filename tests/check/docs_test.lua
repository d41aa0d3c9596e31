-- docs_test.lua - each listing of docs/SCRIPTING.md and docs/HOOKS.md is what
-- it says: files go into a site where they are loaded and tested, sessions are
-- run against a daemon with that site, word for word.
--
-- In a session `...` stands for anything, on a line of its own for any lines.

local fs = require "core.fs"
local proc = require "core.proc"
local scratch = require "colibri.scratch"
local sys = require "core.sys"
local t = require "colibri.test"

-- Fenced blocks of a page: { kind, text, lines, where }, between two headings.
local function listings(page, first, last)
  local root <close> = assert(fs.open_trusted(sys.conf.share_dir))
  local out, block, n, inside = {}, nil, 0, first == nil
  for line in (assert(root:read(page))):gmatch("([^\n]*)\n") do
    n = n + 1
    inside = (inside or line == first) and line ~= last
    local kind = line:match("^```(%l*)$")
    if kind and not block then
      block = { kind = kind, lines = {}, where = page .. ":" .. n }
    elseif kind then
      block.text = table.concat(block.lines, "\n") .. "\n"
      out[#out + 1] = inside and block or nil
      block = nil
    elseif block then
      block.lines[#block.lines + 1] = line
    end
  end
  return out
end

local function environment(d)
  return { SITE = d.dir .. "/site", HOME = d.dir, TMPDIR = d.dir, COLIBRI_SHARE_DIR = sys.conf.share_dir,
    COLIBRI_JAIL_ROOT_BASE = d.base, COLIBRI_SITE_DIR = d.dir .. "/site", COLIBRI_DAEMON_SOCKET = d.socket, COLIBRI_STATE_DIR = d.dir .. "/state",
    PATH = sys.program("colibri"):match("^(.*)/") .. ":/usr/local/bin:/usr/bin:/bin" }
end

-- Do the lines of an output match those of the page?
local function match(want, got, i, j)
  i, j = i or 1, j or 1
  if not want[i] then
    return not got[j]
  elseif want[i] == "..." then
    return match(want, got, i + 1, j) or got[j] ~= nil and match(want, got, i, j + 1)
  end
  local pattern = want[i]:gsub("%.%.%.", "\0"):gsub("[%p]", "%%%0"):gsub("%z", ".*")
  return got[j] ~= nil and got[j]:find("^" .. pattern .. "$") ~= nil and match(want, got, i + 1, j + 1)
end

local function lines_of(text)
  local out = {}
  for line in text:gmatch("([^\n]*)\n?") do
    out[#out + 1] = line
  end
  while out[#out] == "" do
    out[#out] = nil
  end
  return out
end

-- Run each command of a session and compare what it prints.
local function session(d, block)
  local i = 1
  while i <= #block.lines do
    local command, want = block.lines[i]:match("^%$ (.*)$"), {}
    t.ok(command, block.where .. ": a session begins with '$ '")
    i = i + 1
    while block.lines[i] and not block.lines[i]:find("^%$ ") do
      want[#want + 1] = block.lines[i]
      i = i + 1
    end
    local r = assert(proc.run { "/bin/sh", "-c", "umask 022; exec 2>&1; " .. command, env = environment(d), cwd = d.dir,
      timeout = 60 })
    t.ok(match(want, lines_of(r.stdout)), ("%s: `%s` printed\n%s"):format(block.where, command, r.stdout))
  end
end

-- The name of a listing's file below the site, from its first line.
local function site_file(block)
  return block.text:match("^%-%- SITE/([%w_/.-]+%.lua)")
end

-- The tutorial is what stands in front of this heading.
local REFERENCE = "## The overlay"

t.test("the tutorial, from an empty site directory", function()
  local d <close> = scratch.daemon()
  local files, sessions = 0, 0
  for _, block in ipairs(listings("docs/SCRIPTING.md", nil, REFERENCE)) do
    if block.kind == "console" then
      session(d, block)
      sessions = sessions + 1
    else
      local name = t.ok(site_file(block), block.where .. ": its first line names no file")
      d:tree { ["site/" .. name] = block.text }
      files = files + 1
    end
  end
  t.eq({ files, sessions }, { 7, 5 })
end)

-- Load one listing in a site that has nothing else.
local function load_alone(d, block, name)
  local root <close> = assert(fs.open_trusted(d.dir .. "/site"))
  d:tree { ["site/" .. name] = block.text }
  if name:find("^tests/") then
    local r = assert(proc.run { sys.program("colibri-run"), "test", d.dir .. "/site/" .. name, env = environment(d),
      timeout = 60 })
    t.eq(r.code, 0, block.where .. ": " .. r.stdout .. r.stderr)
  else
    local _, e = d:call "reload"
    t.ok(not e, block.where .. ": " .. (e and e.errors and e.errors[1].message or e and e.message or ""))
  end
  assert(root:unlink(name))
end

t.test("the listings of the reference parts load", function()
  local d <close> = scratch.daemon()
  local n = 0
  for page, heading in pairs { ["docs/SCRIPTING.md"] = REFERENCE, ["docs/HOOKS.md"] = "# Hooks", ["README.md"] = "# colibri" } do
    for _, block in ipairs(listings(page, heading)) do
      local name = block.kind == "lua" and site_file(block)
      if name then
        n = n + 1
        load_alone(d, block, name)
      elseif block.kind == "lua" then
        local ok, e = load(block.text, "=" .. block.where)
        t.ok(ok, e)
      end
    end
  end
  t.ok(n >= 10, n .. " listings")
end)

t.test("`...` in a session", function()
  t.ok(match({ "a ... c", "...", "z" }, { "a b c", "x", "y", "z" }))
  t.ok(match({ "..." }, {}))
  t.ok(not match({ "a.c" }, { "abc" }))
  t.ok(not match({ "a" }, { "a", "b" }))
  t.ok(not match({ "a", "b" }, { "a" }))
end)
