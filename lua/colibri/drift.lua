-- drift.lua - does a tenant's .env stand as it was written last?
--
-- Each finding is one word, in the order below; `detail` says more to a person.
-- What is compared is what the store remembers (env_record.lua), not the vault.

local env_record = require "colibri.env_record"
local err = require "colibri.err"
local json = require "core.json"

local M = {}

local ENV_FILE, ENV_MODE = ".env", 0x180 -- 0600
local NAMES_MAX = 200 -- bytes of names, in a text for a person
local ROW = json.ordered { "tenant_id", "drift", "findings", "status", "detail", "added", "removed", "changed" }

-- What is found, and more about it.
local function report()
  local self = { findings = json.array {}, details = {} }
  function self.add(word, fmt, ...)
    self.findings[#self.findings + 1] = word
    self.details[#self.details + 1] = word .. ": " .. fmt:format(...)
  end
  return self
end

-- Mode, owner and links of what lstat says.
local function check_stat(r, row, st)
  if st.mode ~= ENV_MODE then
    r.add("mode", "%04o, not %04o", st.mode, ENV_MODE)
  end
  if row.env_uid and (st.uid ~= row.env_uid or st.gid ~= row.env_gid) then
    r.add("owner", "%d:%d, not %d:%d", st.uid, st.gid, row.env_uid, row.env_gid)
  end
  if st.nlink ~= 1 then
    r.add("links", "%d hard links, not 1", st.nlink)
  end
end

-- "added X; changed A, B": names come from a file that may be hostile.
local function names_of(diff)
  local parts = {}
  for _, how in ipairs { "added", "removed", "changed" } do
    if #diff[how] > 0 then
      local names = table.concat(diff[how], ", ")
      parts[#parts + 1] = how .. " " .. (#names <= NAMES_MAX and names or names:sub(1, NAMES_MAX) .. "...")
    end
  end
  return table.concat(parts, "; ")
end

-- Names and fingerprints of what is in the file. Returns how the keys differ.
local function check_content(r, row, root, stored)
  local prints, own = env_record.prints_of_file(row.tenant_id, root, ENV_FILE)
  if not prints then
    r.add(own.code == "PermissionDenied" and "unreadable" or "content", "%s", own.message)
    return nil
  end
  local diff, differs = env_record.diff(stored, prints)
  if differs then
    r.add("content", "%s", names_of(diff))
    return diff
  elseif not own then
    r.add("content", "the same keys and values, written otherwise")
  end
  return nil
end

local function check_file(r, row, root, stored)
  local st, e = root:stat(ENV_FILE)
  if not st and e.code ~= "NotFound" then
    r.add("unreadable", "%s", e.message)
  elseif not st then
    if row.status == "active" then
      r.add("missing", "there is no %s", ENV_FILE)
    end
  elseif row.status ~= "active" then
    r.add("unexpected", "a %s that colibri has not written", ENV_FILE)
  elseif st.type ~= "file" then
    r.add(st.type == "link" and "symlink" or "type", "%s is a %s", ENV_FILE, st.type == "link" and "symlink" or st.type)
  else
    check_stat(r, row, st)
    if next(stored) == nil then
      r.add("unrecorded", "an earlier colibri wrote it; provision once")
      return nil
    end
    return check_content(r, row, root, stored)
  end
  return nil
end

--- Compare one tenant's .env with what was written.
-- @param ctx table: with fs, conf, db
-- @param row of the tenant, with env_uid and env_gid
-- @return { tenant_id, drift, findings, status, detail?, added?, removed?, changed? } | nil, err of the store or
--   of the fingerprints' key
function M.check(ctx, row)
  local stored, e = env_record.stored(ctx.db, row.tenant_id)
  if not stored then
    return nil, e
  end
  local usable
  usable, e = env_record.usable()
  if not usable then
    return nil, e
  end
  local r, diff = report(), nil
  local root <close>, why = ctx.fs.open(ctx.conf.jail_root_base, row.jail_root_path)
  if root then
    diff = check_file(r, row, root, stored)
  else
    r.add("root", "%s: %s", why.code, why.message)
  end
  local out = diff or {}
  out.tenant_id, out.status, out.drift, out.findings = row.tenant_id, row.status, #r.findings > 0, r.findings
  out.detail = #r.details > 0 and table.concat(r.details, "; ") or nil
  return setmetatable(out, ROW)
end

--- Drift as a failure, for scripts that look at the exit status alone.
-- @param list of what check() gave
-- @return err(Drifted) | nil: there is none
function M.failure(list)
  local names = {}
  for _, one in ipairs(list) do
    if one.drift then
      names[#names + 1] = ("%s (%s)"):format(one.tenant_id, table.concat(one.findings, ", "))
    end
  end
  return #names > 0 and err.new("Drifted", "not as written: %s", table.concat(names, "; ")) or nil
end

return M
