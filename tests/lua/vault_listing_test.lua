-- What bw lists, held against its own data file: damage and listings that are
-- older than the sync.

local core_bw = require "core.bw"
local fs = require "core.fs"
local listing = require "colibri.bw_listing"
local proc = require "core.proc"
local t = require "colibri.test"

local function item(id, revised, more)
  return ([[{"id":"%s","name":"N","collectionIds":["c-1"],"revisionDate":"%s"%s}]]):format(id, revised, more or "")
end

local T1, T2 = "2026-11-24T01:53:10.123Z", "2026-11-24T01:53:11.000Z"

-- A listing whose vault gives these lists of items in turn, with what bw says on
-- stderr, and a data file that has those items (none: there is no data file).
local function world(lists, data, said)
  local base = t.ok(fs.scratch("vault-listing"))
  local root <close> = t.ok(fs.open_trusted(base))
  if data then
    local items = {}
    for i, text in ipairs(data) do
      items[i] = ('"k%d":%s'):format(i, text)
    end
    t.ok(root:write("data.json", ('{"user_u_ciphers_ciphers":{%s}}'):format(table.concat(items, ","))))
  end
  local w = { asked = 0, list = listing.new(base) }
  w.vault = { list = function()
    w.asked = w.asked + 1
    local text = ('{"success":true,"data":{"data":[%s]}}'):format(table.concat(lists[w.asked] or lists[#lists], ","))
    -- As bw prints it: into locked memory.
    local reply = t.ok(proc.run { "/bin/cat", input = text, secret_output = true }).stdout
    local index, e = core_bw.index(reply)
    if not index then
      return nil, e
    end
    return reply, index, w.asked == 1 and said or ""
  end }
  function w.items()
    return w.list:items(w.vault, "c-1")
  end
  return setmetatable(w, { __close = function() fs.remove_tree(base) end })
end

local DAMAGE = "ERROR bitwarden_crypto: error\nFailed to decrypt cipher d-4: DecryptError\n"

t.test("what was synced is taken at once", function()
  local w <close> = world({ { item("a-1", T1), item("a-2", T2) } }, { item("a-1", T1), item("a-2", T2:sub(1, 19) .. "Z") })
  t.eq(#t.ok(w.items()), 2)
  t.eq(#t.ok(w.items()), 2)
  t.eq(w.asked, 1)
end)

t.test("what is older than the sync is asked for again", function()
  for _, before in ipairs { {}, { item("a-1", T1) }, { item("a-1", T2), item("a-9", T1) } } do
    local w <close> = world({ before, before, { item("a-1", T2) } }, { item("a-1", T2) })
    t.eq(#t.ok(w.items()), 1)
    t.eq(w.asked, 3)
  end
  local w <close> = world({ { item("a-1", T1) } }, { item("a-1", T2) })
  t.ok(t.err("VaultStale", w.items()).message:find("a-1", 1, true))
end)

t.test("trash and archive are in neither", function()
  local gone = item("a-2", T1, ',"deletedDate":"' .. T1 .. '"')
  local w <close> = world({ { item("a-1", T1), gone } },
    { item("a-1", T1), gone, item("a-3", T1, ',"archivedDate":"' .. T1 .. '"') })
  t.eq(#t.ok(w.items()), 2)
end)

t.test("without a data file that can be read the list counts", function()
  local w <close> = world({ { item("a-1", T1) } })
  t.eq(#t.ok(w.items()), 1)
  local e
  local damaged <close> = world({ { item("a-1", T1) } }, nil, DAMAGE)
  e = t.err("VaultProtocol", damaged.items())
  t.ok(e.keep_session and e.message:find("d-4", 1, true))
end)

t.test("a damaged item of another collection does no harm, one of this is named", function()
  local w <close> = world({ { item("a-1", T1) } }, { item("a-1", T1) }, DAMAGE)
  t.ok(w.items())
  w.list:rest()
  t.ok(w.items())
  t.ok(w.list.damaged)
  w.list:renew()
  t.ok(w.items())
  t.eq(w.list.damaged, nil)
  local missing <close> = world({ { item("a-1", T1) } }, { item("a-1", T1), item("d-4", T1) }, DAMAGE)
  t.ok(t.err("VaultProtocol", missing.items()).message:find("(d-4)", 1, true))
  local nameless <close> = world({ { (item("a-1", T1):gsub('"N"', '""')) } }, { item("a-1", T1) }, DAMAGE)
  t.ok(t.err("VaultProtocol", nameless.items()).message:find("(a-1)", 1, true))
end)
