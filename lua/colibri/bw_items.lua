-- bw_items.lua - from what `bw` lists to the pairs of a collection.
--
-- Pure: lists in, pairs or an error out. Names are compared exactly; what is
-- not in the collection, in the trash, or neither login nor secure note is left
-- out; anything that would make a doubtful .env is refused, naming the item.

local cli = require "colibri.bw_cli"
local fs = require "core.fs"

local M = {}

local fail, quote = cli.fail, cli.quote

--- The id of the one collection of this very name.
-- @param list list: of `bw list collections`
-- @return id | nil, err(CollectionNotFound, CollectionAmbiguous, VaultProtocol)
function M.find_collection(list, name)
  local found, n = nil, 0
  for _, collection in ipairs(list) do
    if type(collection) == "table" and collection.name == name then
      found, n = collection, n + 1
    end
  end
  if n == 0 then
    return fail("CollectionNotFound", "no collection is named '%s'; create it, or let the account see it", name)
  elseif n > 1 then
    return fail("CollectionAmbiguous", "%d collections are named '%s'; rename all but one", n, name)
  end
  -- An empty id would list every item of the account.
  if type(found.id) ~= "string" or not found.id:match("^%x+%-[%x-]+$") then
    return fail("VaultProtocol", "collection '%s' has no proper id", name)
  end
  return found.id
end

local function contains(values, wanted)
  for _, value in ipairs(type(values) == "table" and values or {}) do
    if value == wanted then
      return true
    end
  end
  return false
end

local function item_name(item)
  return ("'%s' (%s)"):format(quote(item.name), item.id)
end

-- A login item is one pair: its name and its password.
local function login_pair(item, out)
  if not item.name:match("^[A-Za-z_][A-Za-z0-9_]*$") then
    return fail("InvalidKey", "item %s is not named like a variable; use letters, digits and _", item_name(item))
  end
  local password = type(item.login) == "table" and item.login.password or nil
  if password == nil or password:len() == 0 then
    return fail("InvalidValue", "item %s has no password that the account may see; set it, or let the account see it",
      item_name(item))
  end
  out[#out + 1] = { key = item.name, value = password, item = item_name(item) }
  return true
end

local NOTE_CODES = { InvalidKey = "InvalidKey", DuplicateKey = "ItemAmbiguous" }

-- A secure note is KEY=VALUE lines.
local function note_pairs(item, out)
  if item.notes == nil or item.notes:len() == 0 then
    return fail("InvalidNote", "secure note %s is empty; write KEY=VALUE lines or delete it", item_name(item))
  end
  local lines, e = fs.parse_env(item.notes, "secure note " .. item_name(item))
  if not lines then
    return fail(NOTE_CODES[e.code] or "InvalidNote", "%s; mend the note", e.message)
  end
  for _, pair in ipairs(lines) do
    out[#out + 1] = { key = pair.key, value = pair.value, item = item_name(item) }
  end
  return true
end

--- The pairs of the items that are in this collection and not in the trash.
-- @param items list: of `bw list items`
-- @param id string: of the collection
-- @return { { key, value = secret, item }, ... } | nil, err(InvalidKey, InvalidValue, InvalidNote, ItemAmbiguous,
--   VaultProtocol)
function M.pairs(items, id)
  local out = {}
  for _, item in ipairs(items) do
    if type(item) ~= "table" or type(item.id) ~= "string" or item.id == "" or type(item.name) ~= "string" then
      return fail("VaultProtocol", "list items: an item without id or name")
    end
    local ok, e = true, nil
    if contains(item.collectionIds, id) and item.deletedDate == nil then
      if item.type == 1 then
        ok, e = login_pair(item, out)
      elseif item.type == 2 then
        ok, e = note_pairs(item, out)
      end
    end
    if not ok then
      return nil, e
    end
  end
  return out
end

return M
