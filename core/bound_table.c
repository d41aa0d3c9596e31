/*
 * bound_table.c - table.insert, remove, move, concat, unpack and pack, bounded.
 */
#include <lauxlib.h>
#include <lua.h>

#include "bound.h"
#include "task.h"

#define UNPACK_MAX	50000	/* results; each call with them copies them */
#define BATCH		1000	/* elements between two charges */

/* insert or remove by the stock function, upvalue 1. With a position, which is
 * there from so many arguments on, what stands behind it is shifted. */
static int
shift(lua_State *L, const char *name, int with_position)
{
	lua_CFunction stock = lua_tocfunction(L, lua_upvalueindex(1));
	lua_Integer n = 0;
	int results;

	if (lua_gettop(L) >= with_position && lua_type(L, 1) == LUA_TTABLE)
		n = bound_length(L, name) - lua_tointeger(L, 2);
	results = stock(L);
	if (n > BOUND_SMALL)
		task_charge(L, n);
	return results;
}

/* table.insert(list, [position,] value) */
static int
ltable_insert(lua_State *L)
{
	return shift(L, "insert", 3);
}

/* table.remove(list [, position]) */
static int
ltable_remove(lua_State *L)
{
	return shift(L, "remove", 2);
}

/* table.concat(list [, sep [, i [, j]]]) */
static int
ltable_concat(lua_State *L)
{
	lua_CFunction stock = lua_tocfunction(L, lua_upvalueindex(1));
	lua_Integer n = 0, i, j;

	if (lua_type(L, 1) == LUA_TTABLE) {
		n = bound_length(L, "concat");
		i = luaL_optinteger(L, 3, 1);
		j = luaL_optinteger(L, 4, n);
		/* A list of its own ends where its first hole is; one with an
		 * __index may go on for ever. */
		if (j > n && (i <= 0 || j - i >= UNPACK_MAX) &&
		    luaL_getmetafield(L, 1, "__index") != LUA_TNIL)
			return luaL_error(L, "table.concat: a range of more "
			    "than %d", UNPACK_MAX);
	}
	n = stock(L);
	task_charge(L, lua_type(L, 1) == LUA_TTABLE ?
	    (int64_t)lua_rawlen(L, 1) + (int64_t)lua_rawlen(L, -1) / 16 : 1);
	return (int)n;
}

/* table.unpack(list [, i [, j]]) */
static int
ltable_unpack(lua_State *L)
{
	lua_CFunction stock = lua_tocfunction(L, lua_upvalueindex(1));
	lua_Integer i = luaL_optinteger(L, 2, 1), j;
	int n;

	j = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
	if (i <= j && (lua_Unsigned)j - (lua_Unsigned)i >= UNPACK_MAX)
		return luaL_error(L, "too many results to unpack");
	n = stock(L);
	if (n > BOUND_SMALL)
		task_charge(L, n);
	return n;
}

/* --- move --- */

static int move_run(lua_State *L);

static int
move_continue(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	return move_run(L);
}

/* 1 from, 2 first, 3 last, 4 to where, 5 into what, 6 elements done. */
static int
move_run(lua_State *L)
{
	lua_Integer f = lua_tointeger(L, 2), e = lua_tointeger(L, 3);
	lua_Integer t = lua_tointeger(L, 4), done = lua_tointeger(L, 6);
	bool up = t > e || t <= f || !lua_compare(L, 1, 5, LUA_OPEQ);
	lua_Integer n = e - f + 1, i;

	while (done < n) {
		i = up ? done : n - 1 - done;
		lua_geti(L, 1, f + i);
		lua_seti(L, 5, t + i);
		if (++done % BATCH == 0 && task_charge(L, 2 * BATCH)) {
			lua_pushinteger(L, done);
			lua_replace(L, 6);
			return task_pause(L, 0, move_continue);
		}
	}
	task_charge(L, 2 * (n % BATCH));
	lua_pushvalue(L, 5);
	return 1;
}

static void
check_list(lua_State *L, int idx)
{
	if (lua_type(L, idx) != LUA_TTABLE &&
	    luaL_getmetafield(L, idx, "__index") == LUA_TNIL)
		luaL_checktype(L, idx, LUA_TTABLE);
}

/* table.move(a1, first, last, t [, a2]) */
static int
ltable_move(lua_State *L)
{
	lua_Integer f = luaL_checkinteger(L, 2), e = luaL_checkinteger(L, 3);
	lua_Integer t = luaL_checkinteger(L, 4);

	check_list(L, 1);
	lua_settop(L, 5);
	if (lua_isnil(L, 5)) {
		lua_pushvalue(L, 1);
		lua_replace(L, 5);
	}
	check_list(L, 5);
	if (e < f) {
		lua_pushvalue(L, 5);
		return 1;
	}
	luaL_argcheck(L, f > 0 || e < LUA_MAXINTEGER + f, 3,
	    "too many elements to move");
	luaL_argcheck(L, t <= LUA_MAXINTEGER - (e - f), 4,
	    "destination wrap around");
	lua_settop(L, 5);
	lua_pushinteger(L, 0);
	return move_run(L);
}

/* Give the field `name` of the library on top the function f, with the stock
 * one as its upvalue. */
static void
wrap(lua_State *L, const char *name, lua_CFunction f)
{
	lua_getfield(L, -1, name);
	lua_pushcclosure(L, f, 1);
	lua_setfield(L, -2, name);
}

void
bound_open_table(lua_State *L)
{
	wrap(L, "insert", ltable_insert);
	wrap(L, "remove", ltable_remove);
	wrap(L, "concat", ltable_concat);
	wrap(L, "unpack", ltable_unpack);
	bound_charge(L, "pack");
	lua_pushcfunction(L, ltable_move);
	lua_setfield(L, -2, "move");
	lua_pushcfunction(L, bound_sort);
	lua_setfield(L, -2, "sort");
}
