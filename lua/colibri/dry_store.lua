-- dry_store.lua - the store as a dry run sees it.
--
-- Each write really runs, in a savepoint that is undone at the end; what it did
-- is kept, and done again in front of every later statement of the same run. So
-- a dry run meets the errors, the rows and the counts that the real one would.

local M = {}

-- What a write ends with that must leave nothing behind.
local UNDO = { code = "DryRun", message = "undone: this is a dry run" }

local ROWS_MAX = 20 -- of one statement, told one by one

-- Columns that nobody needs to see: fingerprints of values.
local HIDDEN = { print = true }

local WRITES = { INSERT = "insert", REPLACE = "insert", UPDATE = "update", DELETE = "delete" }

-- "insert", "users" of a statement; nil when it writes nothing we know.
local function parse(sql)
  local verb = WRITES[(sql:match("^%s*(%a+)") or ""):upper()]
  if not verb then
    return nil
  end
  local words = {}
  for word in sql:gmatch("[%w_]+") do
    words[#words + 1] = word
    if #words == 5 then
      break
    end
  end
  -- INSERT [OR x] INTO t, REPLACE INTO t, DELETE FROM t, UPDATE [OR x] t
  local at = 2
  if words[2] and words[2]:upper() == "OR" then
    at = 4
  end
  if verb ~= "update" then
    at = at + 1
  end
  return verb, words[at] or "?"
end

-- Do again, inside tx, what the earlier writes did.
local function replay(self, tx)
  for _, entry in ipairs(self.journal) do
    tx:exec(entry.sql, table.unpack(entry, 1, entry.n))
  end
end

-- Run a statement that writes and note the rows it leaves or takes.
local function exec(tx, fresh, sql, ...)
  local verb, name = parse(sql)
  local returning = verb and not sql:upper():find("RETURNING", 1, true)
  local rows, n, e
  if returning then
    rows, e = tx:all(sql .. " RETURNING *", ...)
    n = rows and #rows
  else
    n, e = tx:exec(sql, ...)
  end
  if not n then
    return nil, e
  end
  fresh[#fresh + 1] = { sql = sql, n = select("#", ...), verb = verb or "change", table = name or "?", rows = rows,
    count = n, ... }
  return n
end

-- The transaction as fn sees it.
local function spy(tx, fresh)
  local function query(method)
    return function(_, sql, ...)
      if parse(sql) then
        fresh[#fresh + 1] = { sql = sql, n = select("#", ...), verb = parse(sql), table = select(2, parse(sql)),
          count = 1, ... }
      end
      return method(tx, sql, ...)
    end
  end
  return { one = query(tx.one), all = query(tx.all), exec = function(_, sql, ...) return exec(tx, fresh, sql, ...) end }
end

-- Names of the columns that tell a table's rows apart.
local function key_columns(self, tx, name)
  if not self.keys[name] then
    self.keys[name] = {}
    for i, row in ipairs(tx:all("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", name) or {}) do
      self.keys[name][i] = row.name
    end
  end
  return self.keys[name]
end

-- The row as it stands in the store, and what tells it apart; nil, nil for a table
-- without a key.
local function find(self, name, row)
  local columns, where, values = self.keys[name] or {}, {}, {}
  for i, column in ipairs(columns) do
    where[i], values[i] = column .. " = ?", row[column]
  end
  if #columns == 0 or #values < #columns then
    return nil, nil
  end
  local key = name .. "\0" .. table.concat(values, "\0")
  return self.db:one("SELECT * FROM " .. name .. " WHERE " .. table.concat(where, " AND "), table.unpack(values)), key
end

local function is_same(a, b)
  for column, value in pairs(a) do
    if b[column] ~= value then
      return false
    end
  end
  for column in pairs(b) do
    if a[column] == nil then
      return false
    end
  end
  return true
end

-- One row of a statement: told as what becomes of it in all, so what was told of
-- it before is taken back.
local function tell_row(self, entry, row)
  local before, key = find(self, entry.table, row)
  local action = entry.verb
  if key then
    if self.told[key] then
      self.take_back(self.told[key])
    end
    if action == "delete" then
      action = before and "delete"
    else
      action = not before and "insert" or not is_same(before, row) and "update"
    end
  end
  for name in pairs(HIDDEN) do
    row[name] = nil
  end
  local effect = action and self.report { effect = "store", action = action, table = entry.table, row = row }
  if key then
    self.told[key] = effect or nil
  end
end

local function tell(self, entry)
  if entry.table == "audit" then
    return -- the one row of a dry run is real
  elseif entry.rows and entry.count <= ROWS_MAX then
    for _, row in ipairs(entry.rows) do
      tell_row(self, entry, row)
    end
  elseif entry.count > 0 then
    self.report { effect = "store", action = entry.verb, table = entry.table, rows = entry.count }
  end
end

-- As db:write. Waits until what fn did is undone.
local function write(self, fn)
  local fresh, results = {}, nil
  local _, e = self.db:write(function(tx)
    replay(self, tx)
    results = table.pack(fn(spy(tx, fresh)))
    for _, entry in ipairs(fresh) do
      key_columns(self, tx, entry.table)
    end
    return nil, UNDO
  end)
  if e ~= UNDO then
    return nil, e
  end
  if results.n < 2 or results[1] ~= nil then
    for _, entry in ipairs(fresh) do
      self.journal[#self.journal + 1] = entry
      tell(self, entry)
    end
  end
  return table.unpack(results, 1, results.n)
end

-- As db:one and db:all; waits once something was written.
local function query(self, name, sql, ...)
  if #self.journal == 0 then
    return self.db[name](self.db, sql, ...)
  end
  local binds, results = table.pack(...), nil
  local _, e = self.db:write(function(tx)
    replay(self, tx)
    results = table.pack(tx[name](tx, sql, table.unpack(binds, 1, binds.n)))
    return nil, UNDO
  end)
  if e ~= UNDO then
    return nil, e
  end
  return table.unpack(results, 1, results.n)
end

--- A store with the methods of db that a request uses: one, all, write. Nothing
-- of the real one can be reached through it.
-- @param db the real store
-- @param report function(effect) -> effect
-- @param take_back function(effect): it was told, and is overtaken
function M.new(db, report, take_back)
  local self = { db = db, report = report, take_back = take_back, journal = {}, keys = {}, told = {} }
  return {
    one = function(_, sql, ...) return query(self, "one", sql, ...) end,
    all = function(_, sql, ...) return query(self, "all", sql, ...) end,
    write = function(_, fn) return write(self, fn) end,
  }
end

return M
