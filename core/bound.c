/*
 * bound.c - library functions that cannot keep the loop busy; see bound.h.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "bound.h"
#include "task.h"

#define BYTES_A_UNIT	16	/* what C code does in the time of a unit */
#define CLAIM_MAX	100000	/* elements of a list with a metatable */

static int64_t
weight(lua_State *L, int idx)
{
	return lua_type(L, idx) == LUA_TSTRING ?
	    (int64_t)(lua_rawlen(L, idx) / BYTES_A_UNIT) + 1 : 1;
}

/* Upvalue 1 is the function of the standard library. It runs in this very
 * call, so its error messages are the same. */
static int
charged(lua_State *L)
{
	lua_CFunction f = lua_tocfunction(L, lua_upvalueindex(1));
	int64_t units = 0;
	int i, n = lua_gettop(L);

	for (i = 1; i <= n; i++)
		units += weight(L, i);
	n = f(L);
	if (n > 0)
		units += n + weight(L, -1);
	if (units > BOUND_SMALL)
		task_charge(L, units);
	return n;
}

void
bound_charge(lua_State *L, const char *name)
{
	lua_getfield(L, -1, name);
	lua_pushcclosure(L, charged, 1);
	lua_setfield(L, -2, name);
}

lua_Integer
bound_length(lua_State *L, const char *name)
{
	lua_Integer n = luaL_len(L, 1);

	if (n > CLAIM_MAX && luaL_getmetafield(L, 1, "__len") != LUA_TNIL)
		return luaL_error(L, "table.%s: a list of more than %d", name,
		    CLAIM_MAX);
	return n;
}

void
bound_open(lua_State *L)
{
	static const char *const linear[] = { "char", "codepoint", "len",
	    "offset" };
	size_t i;

	lua_getglobal(L, LUA_STRLIBNAME);
	bound_open_string(L);
	lua_pop(L, 1);
	lua_getglobal(L, LUA_TABLIBNAME);
	bound_open_table(L);
	lua_pop(L, 1);
	lua_getglobal(L, LUA_UTF8LIBNAME);
	for (i = 0; i < ARRAY_LEN(linear); i++)
		bound_charge(L, linear[i]);
	lua_pop(L, 1);
}
