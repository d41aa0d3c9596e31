/*
 * lua_db_query.c - statements of core.db: Lua values in, rows out.
 *
 * Between db_prepare() and db_finish() nothing can raise but the building of
 * rows, which is therefore a protected call. The names of a statement's columns
 * and the metatable that keeps their order in JSON (its shape) are made once
 * per statement text and kept in the store's user value.
 */
#include <sqlite3.h>

#include <math.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_db_priv.h"
#include "lx.h"
#include "vm_load.h"

#define MAX_SHAPES	256	/* then they are forgotten */

struct query {
	struct db *db;
	sqlite3_stmt *stmt;
	struct ldb *owner;
	bool many;
	int rc;
};

static char ordered_key, array_key;	/* registry: functions of core.json */

void
lua_db_query_setup(lua_State *L)
{
	vm_require(L, "core.json");
	lua_getfield(L, -1, "ordered");
	lua_rawsetp(L, LUA_REGISTRYINDEX, &ordered_key);
	lua_getfield(L, -1, "array");
	lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);
	lua_pop(L, 1);
}

void
lua_db_forget_shapes(lua_State *L, int idx, struct ldb *o)
{
	lua_pushvalue(L, idx);
	lua_newtable(L);
	lua_setiuservalue(L, -2, 1);
	lua_pop(L, 1);
	o->nshapes = 0;
}

/* --- values into a statement --- */

static void
check_values(lua_State *L, int first, int last)
{
	int i;

	for (i = first; i <= last; i++) {
		switch (lua_type(L, i)) {
		case LUA_TNUMBER:
			luaL_argcheck(L, !isnan(lua_tonumber(L, i)), i,
			    "not a number cannot be stored");
			break;
		case LUA_TNIL:
		case LUA_TBOOLEAN:
		case LUA_TSTRING:
			break;
		default:
			luaL_argerror(L, i, lua_pushfstring(L, "string, "
			    "number, boolean or nil expected, got %s",
			    luaL_typename(L, i)));
		}
	}
}

/* The strings stay on the stack until db_finish(): no copy is needed. */
static int
bind_value(lua_State *L, sqlite3_stmt *stmt, int param, int idx)
{
	const char *s;
	size_t len;

	switch (lua_type(L, idx)) {
	case LUA_TBOOLEAN:
		return sqlite3_bind_int(stmt, param, lua_toboolean(L, idx));
	case LUA_TNUMBER:
		if (lua_isinteger(L, idx))
			return sqlite3_bind_int64(stmt, param,
			    lua_tointeger(L, idx));
		return sqlite3_bind_double(stmt, param,
		    lua_tonumber(L, idx));
	case LUA_TSTRING:
		s = lua_tolstring(L, idx, &len);
		return sqlite3_bind_text64(stmt, param, s, len,
		    SQLITE_STATIC, SQLITE_UTF8);
	default:
		return sqlite3_bind_null(stmt, param);
	}
}

/* Prepare the statement at index 2 and bind what follows up to last. Raises on
 * misuse, with nothing held; returns NULL with e otherwise. */
static sqlite3_stmt *
prepare(lua_State *L, struct db *d, int last, bool change, struct err *e)
{
	const char *sql;
	sqlite3_stmt *stmt;
	size_t len;
	int i, want;

	luaL_checktype(L, 2, LUA_TSTRING);
	sql = lua_tolstring(L, 2, &len);
	check_values(L, 3, last);
	luaL_checkstack(L, 12, "query");
	stmt = db_prepare(d, sql, len, change, e);
	if (stmt == NULL)
		return NULL;
	want = sqlite3_bind_parameter_count(stmt);
	if (want != last - 2) {
		db_finish(d, stmt);
		luaL_error(L, "the statement has %d parameters, %d values "
		    "were given", want, last - 2);
	}
	for (i = 1; i <= want; i++) {
		if (bind_value(L, stmt, i, i + 2) != SQLITE_OK) {
			db_error(d, stmt, "bind", e);
			db_finish(d, stmt);
			return NULL;
		}
	}
	return stmt;
}

/* --- rows out of a statement --- */

/* Push the list of column names and the metatable of the statement's rows.
 * Stack: query, shapes, sql. */
static void
push_shape(lua_State *L, struct query *q)
{
	int i, j, n = sqlite3_column_count(q->stmt);

	lua_pushvalue(L, 3);
	if (lua_rawget(L, 2) == LUA_TTABLE) {
		lua_rawgeti(L, -1, 1);
		lua_rawgeti(L, -2, 2);
		lua_remove(L, -3);
		if (lua_rawlen(L, -2) == (lua_Unsigned)n)
			return;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	lua_createtable(L, n, 0);
	for (i = 0; i < n; i++) {
		lua_pushstring(L, sqlite3_column_name(q->stmt, i));
		for (j = 1; j <= i; j++) {
			lua_rawgeti(L, -2, j);
			if (lua_rawequal(L, -1, -2))
				luaL_error(L, "two columns are called '%s'",
				    lua_tostring(L, -1));
			lua_pop(L, 1);
		}
		lua_rawseti(L, -2, i + 1);
	}
	lua_rawgetp(L, LUA_REGISTRYINDEX, &ordered_key);
	lua_pushvalue(L, -2);
	lua_call(L, 1, 1);
	lua_pushvalue(L, 3);
	lua_createtable(L, 2, 0);
	lua_pushvalue(L, -4);
	lua_rawseti(L, -2, 1);
	lua_pushvalue(L, -3);
	lua_rawseti(L, -2, 2);
	lua_rawset(L, 2);
	q->owner->nshapes++;
}

/* Push the current row; the list of names and the metatable are at shape and
 * shape + 1. */
static void
push_row(lua_State *L, sqlite3_stmt *stmt, int shape)
{
	int i, n = sqlite3_data_count(stmt);

	lua_createtable(L, 0, n);
	for (i = 0; i < n; i++) {
		int type = sqlite3_column_type(stmt, i);

		if (type == SQLITE_NULL)
			continue;
		lua_rawgeti(L, shape, i + 1);
		if (type == SQLITE_INTEGER) {
			lua_pushinteger(L, sqlite3_column_int64(stmt, i));
		} else if (type == SQLITE_FLOAT) {
			lua_pushnumber(L, sqlite3_column_double(stmt, i));
		} else {
			const char *p = sqlite3_column_blob(stmt, i);
			int len = sqlite3_column_bytes(stmt, i);

			lua_pushlstring(L, p != NULL ? p : "", (size_t)len);
		}
		lua_rawset(L, -3);
	}
	lua_pushvalue(L, shape + 1);
	lua_setmetatable(L, -2);
}

/* Protected: (query, shapes, sql) -> row | nil, or the list of rows. */
static int
query_rows(lua_State *L)
{
	struct query *q = lua_touserdata(L, 1);
	lua_Integer n = 0;
	int shape = 0;

	if (q->many) {
		lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
		lua_newtable(L);
		lua_call(L, 1, 1);
	}
	while ((q->rc = sqlite3_step(q->stmt)) == SQLITE_ROW) {
		if (shape == 0) {
			shape = lua_gettop(L) + 1;
			push_shape(L, q);
		}
		push_row(L, q->stmt, shape);
		if (!q->many)
			return 1;
		lua_rawseti(L, 4, ++n);
	}
	if (q->many)
		lua_settop(L, 4);
	else
		lua_pushnil(L);
	return 1;
}

int
lua_db_query(lua_State *L, struct ldb *o, bool many, bool change)
{
	int owner = lua_gettop(L), status;
	struct query q = { .db = o->db, .owner = o, .many = many };
	struct lua_db_limit limit;
	struct err e = ERR_INIT;

	if (o->nshapes >= MAX_SHAPES)
		lua_db_forget_shapes(L, owner, o);
	q.stmt = prepare(L, o->db, owner - 1, change, &e);
	if (q.stmt == NULL)
		return lx_fail(L, &e);
	o->busy++;
	lua_pushcfunction(L, query_rows);
	lua_pushlightuserdata(L, &q);
	lua_getiuservalue(L, owner, 1);
	lua_pushvalue(L, 2);
	lua_db_limit_begin(&limit, q.stmt);
	status = lua_pcall(L, 3, 1, 0);
	if (status == LUA_OK && q.rc != SQLITE_ROW && q.rc != SQLITE_DONE)
		db_error(q.db, q.stmt, "query", &e);
	lua_db_limit_end(&limit, &e);
	db_finish(q.db, q.stmt);
	o->busy--;
	if (status != LUA_OK)
		return lua_error(L);
	return e.code[0] != '\0' ? lx_fail(L, &e) : 1;
}

int
lua_db_exec(lua_State *L, struct ldb *o)
{
	struct db *d = o->db;
	struct err e = ERR_INIT;
	sqlite3_stmt *stmt;
	sqlite3_int64 before;
	lua_Integer changes = 0;
	struct lua_db_limit limit;
	sqlite3 *c;
	int rc;

	stmt = prepare(L, d, lua_gettop(L) - 1, true, &e);
	if (stmt == NULL)
		return lx_fail(L, &e);
	c = sqlite3_db_handle(stmt);
	before = sqlite3_total_changes(c);
	lua_db_limit_begin(&limit, stmt);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		continue;
	if (rc != SQLITE_DONE)
		db_error(d, stmt, "change", &e);
	else if (sqlite3_total_changes(c) != before)
		changes = sqlite3_changes(c);	/* else: an older one's */
	lua_db_limit_end(&limit, &e);
	db_finish(d, stmt);
	if (rc != SQLITE_DONE)
		return lx_fail(L, &e);
	lua_pushinteger(L, changes);
	return 1;
}
