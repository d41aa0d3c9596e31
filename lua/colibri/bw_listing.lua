-- bw_listing.lua - what bw lists, kept for all who ask, and whether it is whole.
--
-- One listing holds every item that the account can see, most of them other
-- tenants'. It stays as it came, in locked memory; only the items of the
-- collection that was asked for are taken out. bw leaves out, or empties, what
-- it cannot decrypt, and says success.

local cli = require "colibri.bw_cli"
local core_bw = require "core.bw"
local log = require "colibri.log"
local task = require "core.task"

local M = {}

local TRIES, PAUSE = 6, 0.05 -- seconds, times the number of the try
local DAMAGE_MAX = 65536 -- bytes of what bw says of damaged items

local Listing = {}
Listing.__index = Listing

--- The collections that the account can see. Waits.
-- @return list | nil, err
function Listing:collections(vault)
  if self.collection_list then
    return self.collection_list
  end
  local reply, e = vault:list("collections")
  if not reply then
    return nil, e
  end
  local decoded
  decoded, e = core_bw.decode(reply)
  if not decoded then
    return cli.fail("VaultProtocol", "list collections: %s", e.message)
  end
  self.collection_list = decoded.data.data
  return self.collection_list
end

-- Have the listing of all items. Waits.
local function load(self, vault)
  if self.reply then
    return true
  end
  local reply, index, said = vault:list("items")
  if not reply then
    return nil, index
  end
  self.reply, self.index = reply, index
  -- bw says so when it decrypts, and not again at the next list.
  said = said:match("ERROR bitwarden_.*")
  if said then
    self.damaged = ((self.damaged or "") .. said):sub(1, DAMAGE_MAX)
  end
  return true
end

-- The items of the collection as they are in the listing now. Waits.
local function take(self, vault, id)
  local ok, e = load(self, vault)
  if not ok then
    return nil, e
  end
  local ranges, out = self.index[id] or {}, {}
  for i = 1, #ranges, 2 do
    local item
    item, e = core_bw.decode(self.reply, ranges[i], ranges[i + 1])
    if not item then
      return cli.fail("VaultProtocol", "list items: %s", e.message)
    end
    out[#out + 1] = item
  end
  return out
end

-- Are these the items that bw's data file has in this collection, each as it was
-- changed last? The file has that in plain.
-- @return true | false, ids of what is missing, damaged or old | nil, why it cannot be told
local function is_whole(self, id, items)
  if not self.known then
    local data, e = core_bw.read_data(self.dir)
    local known
    if data then
      known, e = core_bw.data_index(data)
    end
    if not known then
      return nil, e.message
    end
    self.known = known
  end
  local known = self.known
  local listed, wrong = {}, {}
  for _, item in ipairs(items) do
    if item.deletedDate == nil and item.archivedDate == nil then
      listed[item.id or ""] = item.name ~= "" and (item.revisionDate or ""):sub(1, #"2026-11-24T01:53:10")
    end
  end
  for item_id, revised in pairs(known[id] or {}) do
    if listed[item_id] ~= revised then
      wrong[#wrong + 1] = item_id
    end
    listed[item_id] = nil
  end
  for item_id in pairs(listed) do
    wrong[#wrong + 1] = item_id
  end
  table.sort(wrong)
  return #wrong == 0, wrong
end

-- An item is damaged, maybe of this collection.
local function damaged(self, wrong, why)
  local bad = wrong or {}
  for found in (wrong and "" or self.damaged):gmatch("decrypt cipher ([%x-]+)") do
    bad[#bad + 1] = found
  end
  local names = table.concat(bad, ", ")
  local _, e = cli.fail("VaultProtocol", "an item that the account can see is damaged%s; find it in the web vault " ..
    "and replace it: %s", names ~= "" and " (" .. names .. ")" or "", why or cli.quote(self.damaged))
  e.keep_session = true
  return nil, e
end

--- The items of one collection, all of them as they were synced, or none. Waits.
--
-- Right after a sync bw may still list what it had before, or nothing: then it
-- is asked again.
-- @param id string: the collection's
-- @return list | nil, err(VaultProtocol, VaultStale); e.keep_session: the others may be well
function Listing:items(vault, id)
  local wrong
  for try = 1, TRIES do
    local out, e = take(self, vault, id)
    if not out then
      return nil, e
    end
    local whole
    whole, wrong = is_whole(self, id, out)
    if whole and self.damaged then
      log.warn("vault", "bw: an item of another collection is damaged",
        { items = self.damaged:match("decrypt cipher ([%x-]+)") })
    end
    if whole or (whole == nil and not self.damaged) then
      return out
    elseif whole == nil then
      return damaged(self, nil, wrong)
    end
    self:rest()
    task.sleep(PAUSE * try)
  end
  if self.damaged then
    return damaged(self, wrong)
  end
  return cli.fail("VaultStale", "what it lists is not what it synced (%s)", table.concat(wrong, ", "))
end

--- Let go of what can be listed again; what bw said of damage is kept.
function Listing:rest()
  self.collection_list, self.reply, self.index, self.known = nil, nil, nil, nil
end

--- The copy of the vault is new as a whole: bw will say again what is damaged.
function Listing:renew()
  self:rest()
  self.damaged = nil
end

-- @param dir string: bw's data directory
function M.new(dir)
  return setmetatable({ dir = dir }, Listing)
end

return M
