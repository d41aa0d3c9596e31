-- api.lua - the script API, described once.
--
-- Everything below is data; `make docs` turns it into docs/API.md, the tables in
-- docs/HOOKS.md, hooks/README.md and docs/PROTOCOL.md, and the LuaLS type files
-- in lua/meta/. `colibri help api NAME` reads it as it is, and
-- tests/check/api_test.lua compares it with what is there.
--
-- A new function is one line in docs/api/PART.lua:
--
--	{ "fs.open(base: string, path: string): Root", "what it gives",
--	  errors = "TargetMissing @files", waits = true, since = 2, internal = true },
--
-- The signature is in the notation of LuaLS: `name?: type` may be left out,
-- results stand behind the colon. With `errors` it may return `nil, err`: codes
-- of docs/api/errors.lua, or `@group` for all of a group. `waits`: other tasks
-- run meanwhile. `since`: API level, 1 unless told. `internal`: for the library
-- and tests only. A new name in front of the dot goes into `names` of its part:
--
--	fs = { binding = "core.fs", ctx = true, about = "..." }	-- require "core.fs"; is ctx.fs
--	err = { module = "colibri.err", require = true }	-- a script may require it
--	Root = { class = "colibri.fs.root" }			-- objects; methods are Root:name(...)
--
-- `unchecked = true` beside them, or in a part: arguments are not checked (proofs
-- and tests only); of all others tests/check/api_args_test.lua makes wrong calls.
--
-- Types: { "Name", "what it is", fields = { { "field?: type", "what" }, ... } };
-- `options = true` when unknown fields raise, `also = "Other"` for the fields of
-- another. Plain values: { "fs.name: type", "what" }.
local part = ... -- loads docs/api/NAME.lua

return {
  level = 1,
  parts = { part "ctx", part "fs", part "proc", part "task", part "json", part "sys", part "library", part "client",
    part "kit", part "host" },
  scripts = part "scripts",
  events = part "events",
  errors = part "errors",
}
