/*
 * lua_db.c - core.db: the store for library modules; see lua_db_query.c for
 * what a statement takes and gives.
 */
#include <stddef.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_db_priv.h"
#include "lua_open.h"
#include "lx.h"
#include "task.h"
#include "vm.h"

#define DB_CLASS	"colibri.db"
#define TX_CLASS	"colibri.tx"

struct ltx {
	struct ldb *owner;	/* NULL outside of the function; user value */
};

/* db:write: fn's results wait on the stack below the op. */
#define WRITE_OP	3
#define WRITE_RESULTS	6

struct write_op {
	struct op op;
	struct db_waiter waiter;
	struct db *db;
	int nresults;
	bool decided;		/* what is returned is known, whatever comes */
	bool failed;		/* e is returned, not the results */
	struct err e;
};

static struct ldb *
check_db(lua_State *L)
{
	struct ldb *o = luaL_checkudata(L, 1, DB_CLASS);

	if (o->db == NULL)
		luaL_error(L, "the store is closed");
	return o;
}

/* --- the store --- */

/* db:one(sql, ...) -> row | nil (no row) | nil, err */
static int
ldb_one(lua_State *L)
{
	struct ldb *o = check_db(L);

	lua_pushvalue(L, 1);
	return lua_db_query(L, o, false, false);
}

/* db:all(sql, ...) -> list of rows | nil, err */
static int
ldb_all(lua_State *L)
{
	struct ldb *o = check_db(L);

	lua_pushvalue(L, 1);
	return lua_db_query(L, o, true, false);
}

/* db:version() -> integer | nil, err */
static int
ldb_version(lua_State *L)
{
	struct ldb *o = check_db(L);
	struct err e = ERR_INIT;
	int version;

	lx_checknargs(L, 1);
	if (db_version(o->db, &version, &e) != 0)
		return lx_fail(L, &e);
	lua_pushinteger(L, version);
	return 1;
}

/* db:migrate(to, sql) -> true | nil, err: one transaction that also sets the
 * schema version */
static int
ldb_migrate(lua_State *L)
{
	struct ldb *o = check_db(L);
	lua_Integer to = luaL_checkinteger(L, 2);
	const char *sql = lx_checkstr(L, 3);
	struct err e = ERR_INIT;

	lx_checknargs(L, 3);
	luaL_argcheck(L, to > 0 && to <= INT32_MAX, 2, "not a version");
	lua_db_forget_shapes(L, 1, o);
	if (db_migrate(o->db, (int)to, sql, &e) != 0)
		return lx_fail(L, &e);
	lua_pushboolean(L, 1);
	return 1;
}

/* db:close(): commits what is pending. Closing twice is fine. */
static int
ldb_close(lua_State *L)
{
	struct ldb *o = luaL_checkudata(L, 1, DB_CLASS);

	if (o->busy > 0)
		return luaL_error(L, "the store is in use");
	db_close(o->db);
	o->db = NULL;
	return 0;
}

static int
ldb_tostring(lua_State *L)
{
	struct ldb *o = luaL_checkudata(L, 1, DB_CLASS);

	lua_pushfstring(L, "store (%s)", o->db != NULL ? "open" : "closed");
	return 1;
}

/* --- writing --- */

static void
write_told(struct db_waiter *waiter, const struct err *e)
{
	struct write_op *w = (struct write_op *)(void *)((char *)waiter -
	    offsetof(struct write_op, waiter));

	if (e != NULL && !w->decided) {
		w->failed = true;
		w->e = *e;
	}
	op_wake(&w->op);
}

static int
write_push(lua_State *L, struct op *base)
{
	struct write_op *w = (struct write_op *)base;
	int i;

	if (w->failed)
		return lx_fail(L, &w->e);
	luaL_checkstack(L, w->nresults, "results");
	for (i = 0; i < w->nresults; i++)
		lua_pushvalue(L, WRITE_RESULTS + i);
	return w->nresults;
}

static void
write_stop(struct op *base)
{
	struct write_op *w = (struct write_op *)base;

	/* db_close() tells every waiter, so a queued one has its store. */
	if (w->waiter.prevp != NULL)
		db_wait_cancel(w->db, &w->waiter);
}

/* Nothing was written. Return at once, unless the whole group is lost: then the
 * caller's next write could not begin before LOOP_COMMIT. */
static void
write_undone(struct write_op *w, bool failed)
{
	w->decided = true;
	w->failed = failed;
	if (db_is_lost(w->db))
		db_wait(w->db, &w->waiter);
	else
		op_wake(&w->op);
}

/* Call fn(tx) inside the savepoint that is open; nothing in it may wait. The
 * handler, fn and tx are on the stack. Returns lua_pcall's status. */
static int
write_call(lua_State *L, struct ldb *o, struct ltx *tx)
{
	struct vm *vm = vm_of(L);
	int status;

	tx->owner = o;
	o->busy++;
	task_nowait(vm, "inside a transaction");
	status = lua_pcall(L, 1, LUA_MULTRET, WRITE_RESULTS - 1);
	task_nowait(vm, NULL);
	o->busy--;
	tx->owner = NULL;
	return status;
}

/* db:write(fn) -> results of fn | nil, err. fn(tx) runs at once, in a savepoint
 * of its own, and must not wait; when it returns nil, err or raises, its rows
 * are undone. Waits until the group commit made them durable. */
static int
ldb_write(lua_State *L)
{
	struct ldb *o = check_db(L);
	struct write_op *w;
	struct ltx *tx;
	int status;

	lx_checknargs(L, 2);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	w = op_new(L, sizeof(*w), write_push, write_stop);	/* WRITE_OP */
	w->db = o->db;
	w->waiter.cb = write_told;
	tx = lua_newuserdatauv(L, sizeof(*tx), 1);
	tx->owner = NULL;
	luaL_setmetatable(L, TX_CLASS);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	luaL_checkstack(L, 8, "write");
	lua_pushcfunction(L, vm_traceback);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, -3);
	if (db_begin(o->db, &w->e) != 0) {
		write_undone(w, true);
		lua_pushvalue(L, WRITE_OP);
		return op_wait(L, &w->op);
	}
	status = write_call(L, o, tx);
	w->nresults = lua_gettop(L) - WRITE_RESULTS + 1;
	if (!lua_checkstack(L, 4)) {
		db_end(o->db, false, NULL);
		return luaL_error(L, "too many results");
	}
	if (status != LUA_OK) {
		db_end(o->db, false, NULL);
		w->nresults = 0;
		op_wake(&w->op);
		lua_pushvalue(L, WRITE_OP);
		op_wait(L, &w->op);	/* is done: only ends the op */
		lua_settop(L, WRITE_RESULTS);
		return lua_error(L);
	}
	if (w->nresults >= 2 && lua_isnil(L, WRITE_RESULTS)) {
		db_end(o->db, false, NULL);
		write_undone(w, false);
	} else if (db_end(o->db, true, &w->e) != 0) {
		write_undone(w, true);
	} else {
		db_wait(o->db, &w->waiter);
	}
	lua_pushvalue(L, WRITE_OP);
	return op_wait(L, &w->op);
}

/* Push the store of the tx at index 1. */
static struct ldb *
check_tx(lua_State *L)
{
	struct ltx *tx = luaL_checkudata(L, 1, TX_CLASS);

	if (tx->owner == NULL)
		luaL_error(L, "the transaction is over");
	lua_getiuservalue(L, 1, 1);
	return tx->owner;
}

/* tx:one(sql, ...) and tx:all(sql, ...): see db; they see the own rows, and may
 * change some (INSERT ... RETURNING) */
static int
ltx_one(lua_State *L)
{
	return lua_db_query(L, check_tx(L), false, true);
}

static int
ltx_all(lua_State *L)
{
	return lua_db_query(L, check_tx(L), true, true);
}

/* tx:exec(sql, ...) -> number of changed rows | nil, err */
static int
ltx_exec(lua_State *L)
{
	return lua_db_exec(L, check_tx(L));
}

/* db.open(path) -> db | nil, err; path is absolute or ":memory:" */
static int
ldb_open(lua_State *L)
{
	const char *path = lx_checkstr(L, 1);
	struct err e = ERR_INIT;
	struct ldb *o;

	lx_checknargs(L, 1);
	o = lua_newuserdatauv(L, sizeof(*o), 1);
	*o = (struct ldb){ 0 };
	luaL_setmetatable(L, DB_CLASS);
	lua_db_forget_shapes(L, -1, o);
	o->db = db_open(vm_loop(vm_of(L)), path, &e);
	return o->db != NULL ? 1 : lx_fail(L, &e);
}

int
luaopen_core_db(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "one", ldb_one },
		{ "all", ldb_all },
		{ "write", ldb_write },
		{ "version", ldb_version },
		{ "migrate", ldb_migrate },
		{ "close", ldb_close },
		{ NULL, NULL }
	};
	static const luaL_Reg meta[] = {
		{ "__gc", ldb_close },
		{ "__close", ldb_close },
		{ "__tostring", ldb_tostring },
		{ NULL, NULL }
	};
	static const luaL_Reg tx_methods[] = {
		{ "one", ltx_one },
		{ "all", ltx_all },
		{ "exec", ltx_exec },
		{ NULL, NULL }
	};
	static const luaL_Reg funcs[] = {
		{ "open", ldb_open },
		{ NULL, NULL }
	};

	lx_newclass(L, DB_CLASS, methods, meta);
	lx_newclass(L, TX_CLASS, tx_methods, NULL);
	lua_db_query_setup(L);
	luaL_newlib(L, funcs);
	return 1;
}
