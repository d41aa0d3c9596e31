-- kit/vault.lua - a fake vault adapter: collections are tables.

local err = require "colibri.err"
local kit_proc = require "colibri.kit.proc"

local M = {}

local Vault = {}
Vault.__index = Vault

function M.new(dir)
  return setmetatable({ dir = dir, collections = {}, failures = {}, fetched = {}, opened = 0, closed = 0 }, Vault)
end

--- A collection; nil takes it away.
-- @param values { KEY = "value", ... } or a list of { key =, value =, item = }
function Vault:set(collection, values)
  self.collections[collection] = values
end

--- The next fetches fail (of one collection, or of all), until ok().
-- @param code string: a code of the vault, docs/PROTOCOL.md
-- @param collection string|nil
function Vault:fail(code, collection)
  self.failures[collection or "*"] = err.new(code, "as the test wants it")
end

--- Opening a session fails, until ok().
function Vault:fail_open(code)
  self.open_failure = err.new(code, "as the test wants it")
end

--- No more failures.
function Vault:ok()
  self.failures, self.open_failure = {}, nil
end

local function pairs_of(self, collection)
  local values = self.collections[collection]
  local list = {}
  for key, value in pairs(values) do
    local pair = type(value) == "table" and value or { key = key, value = value, item = key }
    list[#list + 1] = { key = pair.key, item = pair.item or pair.key,
      value = type(pair.value) == "string" and kit_proc.to_secret(self, pair.value) or pair.value }
  end
  table.sort(list, function(a, b) return a.item < b.item end)
  return list
end

local Session = {}
Session.__index = Session

function Session:fetch(collection)
  local vault = self.vault
  vault.fetched[#vault.fetched + 1] = collection
  local e = vault.failures[collection] or vault.failures["*"]
  if not e and not vault.collections[collection] then
    e = err.new("CollectionNotFound", "no collection '%s'", collection)
  elseif not e and next(vault.collections[collection]) == nil then
    e = err.new("CollectionEmpty", "collection '%s' holds no key", collection)
  end
  if e then
    return nil, e
  end
  return pairs_of(vault, collection)
end

function Session:close()
  if not self.done then
    self.done = true
    self.vault.closed = self.vault.closed + 1
  end
end

--- The adapter: as a script vault/NAME.lua returns it.
function Vault:adapter()
  return {
    api = 1,
    summary = "collections of the test",
    open = function()
      if self.open_failure then
        return nil, self.open_failure
      end
      self.opened = self.opened + 1
      return setmetatable({ vault = self }, Session)
    end,
  }
end

return M
