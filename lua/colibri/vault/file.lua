-- vault/file.lua - a vault of files: <vault_dir>/<collection>.env.
--
-- For a quick start and for sites that bring the files by other means. The
-- directory is 0700 and each file 0600, owned by root or the daemon's user; a
-- file holds KEY=VALUE lines as a .env does. Nothing is cached.

local err = require "colibri.err"

local GROUP_OR_OTHERS = 0x3f -- 0077

-- What core.fs says about a file, in the words of a vault.
local CODES = {
  NotFound = "CollectionNotFound", InvalidLine = "InvalidNote", InvalidKey = "InvalidKey",
  DuplicateKey = "ItemAmbiguous", TooLarge = "InvalidNote", NotTrusted = "VaultNotConfigured",
  NotRegular = "VaultNotConfigured",
}
local ADVICE = {
  CollectionNotFound = "create the file, mode 0600", InvalidNote = "mend the file", InvalidKey = "mend the file",
  ItemAmbiguous = "remove one of them",
  VaultNotConfigured = "it must be a file with mode 0600, owned by root or the daemon's user",
}

local function not_configured(fmt, ...)
  return nil, err.new("VaultNotConfigured", "file vault: " .. fmt, ...)
end

-- The directory itself must not be open to others.
local function check_dir(ctx, dir)
  local parent, name = dir:match("^(.*)/([^/]+)/*$")
  if not parent then
    return not_configured("vault_dir must be an absolute path below /, not '%s'", dir)
  end
  local root <close>, e = ctx.fs.open_trusted(parent == "" and "/" or parent)
  local st
  if root then
    st, e = root:stat(name)
  end
  if not st then
    return not_configured("%s; create %s with mode 0700", e.message, dir)
  end
  if st.type ~= "dir" then
    return not_configured("%s is not a directory (a symlink is none)", dir)
  end
  if st.uid ~= 0 and st.uid ~= ctx.sys.uid then
    return not_configured("%s is owned by uid %d; chown it to root or to the daemon's user", dir, st.uid)
  end
  if st.mode & GROUP_OR_OTHERS ~= 0 then
    return not_configured("%s has mode %04o; chmod it to 0700", dir, st.mode)
  end
  return true
end

local Session = {}
Session.__index = Session

function Session.__close(session)
  session:close()
end

--- The pairs of one collection.
-- @param name string
-- @return { { key, value = secret, item }, ... } | nil, err(CollectionNotFound, CollectionEmpty, ItemAmbiguous,
--   InvalidKey, InvalidNote, VaultNotConfigured)
function Session:fetch(name)
  if #name > 64 or not name:match("^[A-Za-z0-9_][A-Za-z0-9_-]*$") then
    return nil, err.new("CollectionNotFound", "'%s' is not a name for a collection of the file vault", name)
  end
  local path = self.dir .. "/" .. name .. ".env"
  local list, e = self.ctx.fs.read_env(path)
  if not list then
    local code = CODES[e.code] or "VaultNotConfigured"
    return nil, err.new(code, "file vault: %s; %s", e.message, ADVICE[code])
  end
  if #list == 0 then
    return nil, err.new("CollectionEmpty", "file vault: %s holds no key; add KEY=VALUE lines", path)
  end
  for _, pair in ipairs(list) do
    pair.item = name .. ":" .. pair.key
  end
  return list
end

--- Nothing is held open; here for the interface.
function Session:close() -- luacheck: ignore self
end

return {
  api = 1,
  summary = "KEY=VALUE files in a private directory",
  open = function(ctx)
    local dir = ctx.conf.vault_dir
    if not dir then
      return not_configured("vault_dir is not set; set COLIBRI_VAULT_DIR")
    end
    local ok, e = check_dir(ctx, dir)
    if not ok then
      return nil, e
    end
    return setmetatable({ ctx = ctx, dir = dir:gsub("/+$", "") }, Session)
  end,
}
