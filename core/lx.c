/*
 * lx.c - what every binding needs between C and the Lua stack; see lx.h.
 */
#include <string.h>

#include <lua.h>
#include <lauxlib.h>

#include "log.h"
#include "lx.h"

#define ERR_CLASS	"colibri.err"
#define SECRET_CLASS	"colibri.secret"

/* --- error objects --- */

static int
lerr_tostring(lua_State *L)
{
	lua_getfield(L, 1, "code");
	lua_pushliteral(L, ": ");
	lua_getfield(L, 1, "message");
	if (!lua_isstring(L, 2) || !lua_isstring(L, 4)) {
		lua_pushliteral(L, "error");
		return 1;
	}
	lua_concat(L, 3);
	return 1;
}

void
lx_push_err(lua_State *L, const struct err *e)
{
	lua_createtable(L, 0, 4);
	lua_pushstring(L, e->code[0] != '\0' ? e->code : "Failed");
	lua_setfield(L, -2, "code");
	lua_pushstring(L, e->text);
	lua_setfield(L, -2, "message");
	if (e->sys != 0) {
		lua_pushinteger(L, e->sys);
		lua_setfield(L, -2, "errno");
	}
	if (luaL_newmetatable(L, ERR_CLASS)) {
		lua_pushcfunction(L, lerr_tostring);
		lua_setfield(L, -2, "__tostring");
		lua_pushliteral(L, "error");
		lua_setfield(L, -2, "__name");
	}
	lua_setmetatable(L, -2);
}

int
lx_fail(lua_State *L, const struct err *e)
{
	lua_pushnil(L);
	lx_push_err(L, e);
	return 2;
}

void
lx_to_err(lua_State *L, int idx, struct err *e)
{
	const char *code = "ScriptError", *text = "(no message)";

	idx = lua_absindex(L, idx);
	if (lua_type(L, idx) == LUA_TTABLE) {
		lua_pushliteral(L, "code");
		lua_rawget(L, idx);
		lua_pushliteral(L, "message");
		lua_rawget(L, idx);
		if (lua_type(L, -2) == LUA_TSTRING)
			code = err_intern(lua_tostring(L, -2));
		if (lua_type(L, -1) == LUA_TSTRING)
			text = lua_tostring(L, -1);
		err_set(e, code, "%s", text);
		lua_pop(L, 2);
		return;
	}
	if (lua_type(L, idx) == LUA_TSTRING)
		text = lua_tostring(L, idx);
	err_set(e, code, "%s", text);
}

/* --- arguments and option tables --- */

void
lx_checknargs(lua_State *L, int n)
{
	if (lua_gettop(L) > n)
		luaL_error(L, "too many arguments: expected at most %d, got %d",
		    n, lua_gettop(L));
}

void
lx_checkfields(lua_State *L, int idx, const char *const *names)
{
	size_t i;

	idx = lua_absindex(L, idx);
	luaL_checktype(L, idx, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, idx) != 0) {
		lua_pop(L, 1);
		if (lua_type(L, -1) != LUA_TSTRING)
			continue;	/* positional part: argv and the like */
		for (i = 0; names[i] != NULL; i++) {
			if (strcmp(names[i], lua_tostring(L, -1)) == 0)
				break;
		}
		if (names[i] == NULL)
			luaL_error(L, "unknown field '%s'",
			    lua_tostring(L, -1));
	}
}

/* Push the field; returns false (and pops) when it is absent. */
static bool
lx_field(lua_State *L, int idx, const char *name, int type, const char *what)
{
	int got = lua_getfield(L, idx, name);

	if (got == LUA_TNIL) {
		lua_pop(L, 1);
		return false;
	}
	if (got != type)
		luaL_error(L, "field '%s' must be %s, got %s", name, what,
		    luaL_typename(L, -1));
	return true;
}

const char *
lx_field_str(lua_State *L, int idx, const char *name, const char *def)
{
	const char *s;
	size_t len;

	if (!lx_field(L, idx, name, LUA_TSTRING, "a string"))
		return def;
	s = lua_tolstring(L, -1, &len);
	if (strlen(s) != len)
		luaL_error(L, "field '%s' holds a NUL byte", name);
	lua_pop(L, 1);		/* the table keeps it alive */
	return s;
}

lua_Integer
lx_field_int(lua_State *L, int idx, const char *name, lua_Integer def)
{
	lua_Integer v;
	int ok;

	if (!lx_field(L, idx, name, LUA_TNUMBER, "an integer"))
		return def;
	v = lua_tointegerx(L, -1, &ok);
	if (!ok)
		luaL_error(L, "field '%s' must be an integer", name);
	lua_pop(L, 1);
	return v;
}

double
lx_field_num(lua_State *L, int idx, const char *name, double def)
{
	double v;

	if (!lx_field(L, idx, name, LUA_TNUMBER, "a number"))
		return def;
	v = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return v;
}

bool
lx_field_bool(lua_State *L, int idx, const char *name, bool def)
{
	bool v;

	if (!lx_field(L, idx, name, LUA_TBOOLEAN, "a boolean"))
		return def;
	v = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return v;
}

const char *
lx_checkstr(lua_State *L, int idx)
{
	size_t len;
	const char *s = luaL_checklstring(L, idx, &len);

	luaL_argcheck(L, strlen(s) == len, idx, "holds a NUL byte");
	return s;
}

const char **
lx_checkstrlist(lua_State *L, int idx, size_t max)
{
	const char **list;
	size_t i, len, n;

	idx = lua_absindex(L, idx);
	luaL_checktype(L, idx, LUA_TTABLE);
	n = lua_rawlen(L, idx);
	if (n > max)
		luaL_error(L, "too many words: %d", (int)n);
	list = lua_newuserdatauv(L, (n + 1) * sizeof(*list), 0);
	for (i = 0; i < n; i++) {
		if (lua_rawgeti(L, idx, (lua_Integer)i + 1) != LUA_TSTRING)
			luaL_error(L, "word %d must be a string, got %s",
			    (int)i + 1, luaL_typename(L, -1));
		list[i] = lua_tolstring(L, -1, &len);
		if (strlen(list[i]) != len)
			luaL_error(L, "word %d holds a NUL byte", (int)i + 1);
		lua_pop(L, 1);
	}
	list[n] = NULL;
	return list;
}

/* --- classes --- */

void
lx_newclass(lua_State *L, const char *name, const luaL_Reg *methods,
    const luaL_Reg *meta)
{
	if (!luaL_newmetatable(L, name)) {
		lua_pop(L, 1);
		return;
	}
	if (meta != NULL)
		luaL_setfuncs(L, meta, 0);
	lua_newtable(L);
	if (methods != NULL)
		luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}

/* --- secrets --- */

static int
lsecret_gc(lua_State *L)
{
	struct secret **s = luaL_checkudata(L, 1, SECRET_CLASS);

	secret_unref(*s);
	*s = NULL;
	return 0;
}

static int
lsecret_tostring(lua_State *L)
{
	lua_pushliteral(L, "[secret]");
	return 1;
}

/* secret:reveal() -> string. The explicit way out, recorded in the log with
 * the script and line that took it. */
static int
lsecret_reveal(lua_State *L)
{
	struct secret *s = lx_checksecret(L, 1);

	lx_checknargs(L, 1);
	luaL_where(L, 1);
	log_info("secret", "%sa secret was revealed", lua_tostring(L, -1));
	lua_pushlstring(L, secret_bytes(s), secret_len(s));
	return 1;
}

/* secret:len() -> bytes */
static int
lsecret_len(lua_State *L)
{
	lx_checknargs(L, 1);
	lua_pushinteger(L, (lua_Integer)secret_len(lx_checksecret(L, 1)));
	return 1;
}

/* Constant time in the content, so that scripts may compare. */
static int
lsecret_eq(lua_State *L)
{
	struct secret *a = lx_tosecret(L, 1), *b = lx_tosecret(L, 2);
	unsigned char diff = 0;
	size_t i;

	if (a == NULL || b == NULL || secret_len(a) != secret_len(b)) {
		lua_pushboolean(L, 0);
		return 1;
	}
	for (i = 0; i < secret_len(a); i++)
		diff |= (unsigned char)(secret_bytes(a)[i] ^
		    secret_bytes(b)[i]);
	lua_pushboolean(L, diff == 0);
	return 1;
}

static const luaL_Reg lsecret_methods[] = {
	{ "reveal", lsecret_reveal },
	{ "len", lsecret_len },
	{ NULL, NULL }
};
static const luaL_Reg lsecret_meta[] = {
	{ "__gc", lsecret_gc },
	{ "__tostring", lsecret_tostring },
	{ "__eq", lsecret_eq },
	{ NULL, NULL }
};

void
lx_push_secret(lua_State *L, struct secret *s)
{
	struct secret **p;

	/* The reference is owned by the userdata before anything can raise,
	 * except for the allocation of the userdata itself. */
	p = lua_newuserdatauv(L, sizeof(*p), 0);
	*p = s;
	lx_newclass(L, SECRET_CLASS, lsecret_methods, lsecret_meta);
	luaL_setmetatable(L, SECRET_CLASS);
}

struct secret *
lx_tosecret(lua_State *L, int idx)
{
	struct secret **p = luaL_testudata(L, idx, SECRET_CLASS);

	return p != NULL ? *p : NULL;
}

struct secret *
lx_checksecret(lua_State *L, int idx)
{
	struct secret **p = luaL_checkudata(L, idx, SECRET_CLASS);

	luaL_argcheck(L, *p != NULL, idx, "secret is gone");
	return *p;
}
