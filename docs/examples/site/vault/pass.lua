-- Entries colibri/COLLECTION of pass(1), KEY=VALUE lines: `colibri-daemon --vault pass`.
-- Any command that prints such lines will do: change `argv`.
local function argv(collection)
  return { "/usr/bin/pass", "show", "colibri/" .. collection }
end

local Session = {}
Session.__index = Session

function Session:fetch(collection)
  if not collection:match("^[A-Za-z0-9_][A-Za-z0-9_-]*$") then
    return nil, { code = "CollectionNotFound", message = "not a name for an entry of pass" }
  end
  local call = argv(collection)
  call.env = { HOME = "/root", PATH = "/usr/bin:/bin" }
  call.secret_output, call.timeout, call.max_stdout, call.kill_on_overflow = true, 20, 1048576, true
  local r, e = self.ctx.proc.run(call)
  if not r then
    return nil, e
  elseif r.timed_out then
    return nil, { code = "VaultTimeout", message = "pass took more than 20 s; is it waiting for a passphrase?" }
  elseif r.overflow then
    return nil, { code = "VaultProtocol", message = "pass printed more than 1 MiB" }
  elseif r.code ~= 0 then
    return nil, { code = "CollectionNotFound", message = "pass has no colibri/" .. collection }
  end
  local list
  list, e = self.ctx.fs.parse_env(r.stdout, "pass colibri/" .. collection)
  if not list then
    return nil, { code = "InvalidNote", message = e.message }
  end
  for _, pair in ipairs(list) do
    pair.item = collection .. ":" .. pair.key
  end
  return list
end

function Session:close()
  self.closed = true
end

return {
  api = 1,
  summary = "entries of pass(1)",
  open = function(ctx)
    return setmetatable({ ctx = ctx }, Session)
  end,
}
