-- bw_listing.lua - what bw lists, kept for all who ask, and whether it is whole.
--
-- One listing holds every item that the account can see, most of them other
-- tenants'. It stays as it came, in locked memory; only the items of the
-- collection that was asked for are taken out. bw leaves out, or empties, what
-- it cannot decrypt, and says success.

local cli = require "colibri.bw_cli"
local core_bw = require "core.bw"
local log = require "colibri.log"

local M = {}

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

-- Of what bw's data file has in this collection, in plain, what is not among
-- these items. nil: the two do not belong together, or there is none.
local function missing_from(dir, id, items)
  local data, e = core_bw.read_data(dir)
  local known
  if data then
    known, e = core_bw.data_index(data)
  end
  if not known then
    return nil, e.message
  end
  local listed, missing, left = {}, {}, #items
  for _, item in ipairs(items) do
    listed[item.id or ""] = item.name ~= ""
  end
  for _, item_id in ipairs(known[id] or {}) do
    if listed[item_id] then
      left = left - 1
    else
      missing[#missing + 1] = item_id
    end
  end
  if left > 0 and #missing == 0 then
    return nil, "its data file does not have what it lists"
  end
  return missing
end

-- A damaged item is somewhere: is this collection whole?
local function check_whole(self, id, items)
  local missing, why = missing_from(self.dir, id, items)
  local bad = {}
  for found in self.damaged:gmatch("decrypt cipher ([%x-]+)") do
    bad[#bad + 1] = found
  end
  if missing and #missing == 0 then
    log.warn("vault", "bw: an item of another collection is damaged", { items = table.concat(bad, " ") })
    return true
  end
  local names = table.concat(missing or bad, ", ")
  local _, e = cli.fail("VaultProtocol", "an item that the account can see is damaged%s; find it in the web vault " ..
    "and replace it: %s", names ~= "" and " (" .. names .. ")" or "", why or cli.quote(self.damaged))
  e.keep_session = true
  return nil, e
end

--- The items of one collection, all of them or none. Waits.
-- @param id string: the collection's
-- @return list | nil, err(VaultProtocol); e.keep_session: the others may be well
function Listing:items(vault, id)
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
  if self.damaged then
    ok, e = check_whole(self, id, out)
  end
  return ok and out or nil, e
end

--- Let go of what can be listed again; what bw said of damage is kept.
function Listing:rest()
  self.collection_list, self.reply, self.index = nil, nil, nil
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
