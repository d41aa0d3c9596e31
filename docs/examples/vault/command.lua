-- A vault that is a command: `PROGRAM COLLECTION` prints KEY=VALUE lines.
--
-- Copy it to SITE/vault/command.lua, set PROGRAM, `colibri-daemon --vault command`.
-- Exit status 0: the lines are all there is; 3: there is no such collection;
-- anything else: it failed, and its first line on stderr says why. Like every
-- program that the daemon runs it must not be writable by others.
local PROGRAM = "/usr/local/libexec/colibri-secrets"
local SECONDS = 20
local MAX_OUTPUT = 1048576

-- A failure: nil and an error object. What it says goes to logs and replies, so
-- never put a value into it; say what to do next.
local function fail(code, fmt, ...)
  return nil, { code = code, message = ("command vault: " .. fmt):format(...) }
end

-- What ctx.fs.parse_env says, in the words of a vault.
local CODES = { InvalidKey = "InvalidKey", DuplicateKey = "ItemAmbiguous" }

local Session = {}
Session.__index = Session

-- Run it for one collection. Its output goes straight into locked memory.
local function run(ctx, collection)
  local r, e = ctx.proc.run { PROGRAM, collection, env = { PATH = "/usr/bin:/bin" }, cwd = "/", timeout = SECONDS,
    secret_output = true, max_stdout = MAX_OUTPUT, kill_on_overflow = true }
  if not r then
    return fail("VaultNotConfigured", "%s; install %s", e.message, PROGRAM)
  elseif r.timed_out then
    return fail("VaultTimeout", "no answer in %d s; see why %s waits", SECONDS, PROGRAM)
  elseif r.overflow then
    return fail("VaultProtocol", "more than %d bytes; it prints KEY=VALUE lines only", MAX_OUTPUT)
  elseif r.code == 3 then
    return fail("CollectionNotFound", "no collection '%s'; create it", collection)
  elseif r.code ~= 0 then
    local why = r.stderr:match("[^\n]+") or "it said nothing"
    return fail("VaultUnreachable", "exit status %d: %s; see its own documentation", r.code, why:gsub("%c", "?"):sub(1, 200))
  end
  return r.stdout
end

function Session:fetch(collection)
  -- It becomes an argument of the command: nothing that could be an option or a path.
  if #collection > 64 or not collection:match("^[A-Za-z0-9_][A-Za-z0-9_-]*$") then
    return fail("CollectionNotFound", "not a name for a collection; use letters, digits, _ and -")
  end
  local text, e = run(self.ctx, collection)
  if not text then
    return nil, e
  end
  local list
  list, e = self.ctx.fs.parse_env(text, "collection " .. collection)
  if not list then
    return fail(CODES[e.code] or "InvalidNote", "%s; mend what it prints", e.message)
  elseif #list == 0 then
    return fail("CollectionEmpty", "collection '%s' holds no key; add one", collection)
  end
  for _, pair in ipairs(list) do
    pair.item = collection .. ":" .. pair.key
  end
  return list
end

-- Nothing is held open. Called once or twice.
function Session:close()
  self.closed = true
end

return {
  api = 1,
  summary = "KEY=VALUE lines of a command",
  open = function(ctx)
    return setmetatable({ ctx = ctx }, Session)
  end,
}
