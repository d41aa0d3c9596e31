-- core.db in the real host: types, strictness, savepoints, group commit.
local t = require "colibri.test"
local core_db = require "core.db"
local json = require "core.json"
local task = require "core.task"

local function memory()
  local db = assert(core_db.open ":memory:")
  assert(db:migrate(1, "CREATE TABLE t (k TEXT PRIMARY KEY, i INTEGER, r REAL, b TEXT) STRICT"))
  return db
end

local function put(db, k, i)
  return db:write(function(tx) return tx:exec("INSERT INTO t (k, i) VALUES (?, ?)", k, i) end)
end

t.test("values keep their type, rows their order", function()
  local db <close> = memory()
  t.eq(db:write(function(tx)
    return tx:exec("INSERT INTO t VALUES (?, ?, ?, ?)", "a", math.maxinteger, 1.5, nil)
  end), 1)
  local row = db:one("SELECT r, i, k, b FROM t")
  t.eq(row.i, math.maxinteger)
  t.eq(math.type(row.i), "integer")
  t.eq(row.b, nil)
  t.eq(json.encode(row), '{"r":1.5,"i":9223372036854775807,"k":"a"}')
  t.eq(db:one("SELECT k FROM t WHERE k = ?", "none"), nil)
  t.eq(json.encode(db:all("SELECT k FROM t WHERE k = 'none'")), "[]")
end)

t.test("misuse raises", function()
  local db <close> = memory()
  t.raises(function() db:one("SELECT k FROM t WHERE k = ?", {}) end, "table")
  t.raises(function() db:one("SELECT k FROM t WHERE k = ?") end, "parameter")
  t.err("StoreMisuse", db:all("DELETE FROM t"))
end)

t.test("one writer's failure undoes its rows alone", function()
  local db <close> = memory()
  local good = task.go(function() return put(db, "good", 1) end)
  local bad = task.go(function()
    return db:write(function(tx)
      tx:exec("INSERT INTO t (k) VALUES ('bad')")
      return nil, { code = "Nope", message = "no" }
    end)
  end)
  local raising = task.go(function()
    return db:write(function(tx)
      tx:exec("INSERT INTO t (k) VALUES ('raising')")
      error("oops")
    end)
  end)
  t.eq(good:wait(), 1)
  t.err("Nope", bad:wait())
  t.err("ScriptError", raising:wait())
  t.eq(#db:all("SELECT k FROM t"), 1)
end)

t.test("waiting inside a transaction is an error", function()
  local db <close> = memory()
  local _, e = task.go(function() db:write(function() task.sleep(0) end) end):wait()
  t.ok(e and e.message:find("cannot wait here"), tostring(e))
  t.eq(put(db, "after", 1), 1)
end)

t.test("a constraint has its code", function()
  local db <close> = memory()
  put(db, "a", 1)
  t.err("StoreConstraint", put(db, "a", 2))
end)

t.test("a cancelled writer keeps what it wrote, and nobody waits for ever", function()
  local db <close> = memory()
  local writers = {}
  for i = 1, 50 do
    writers[i] = task.go(put, db, "k" .. i, i)
  end
  task.sleep(0)
  writers[1]:cancel()
  for i = 2, 50 do
    t.eq(writers[i]:wait(), 1)
  end
  t.eq(#db:all("SELECT k FROM t"), 50)
end)
