/*
 * lua_script.c - core.script: names and texts of the overlay.
 *
 * Mechanism only: which files there are, and a text chunk with an environment.
 * What a script must return is checked in lua/colibri/scripts.lua.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_open.h"
#include "lx.h"
#include "mem.h"
#include "overlay.h"
#include "siphash.h"
#include "task.h"
#include "vm.h"
#include "vm_load.h"

/* A scan result that Lua owns while tables are built from it. */
struct scanned {
	struct overlay_list list;
	struct conf_errors errors;
	char *site;
};

static int
scanned_gc(lua_State *L)
{
	struct scanned *s = lua_touserdata(L, 1);

	overlay_list_free(&s->list);
	conf_errors_free(&s->errors);
	free(s->site);
	memset(s, 0, sizeof(*s));
	return 0;
}

/*
 * script.scan([site_dir]) -> entries, errors: every script of both layers as
 * { name, site = path | nil, stock = path | nil }, sorted by name; errors is a
 * list of texts, one per untrusted or badly named file. Default: the site
 * directory of the settings.
 */
static int
lscript_scan(lua_State *L)
{
	static const char *const layers[] = { "site", "stock" };
	struct conf conf = *vm_conf(vm_of(L));
	const char *site = luaL_optstring(L, 1, NULL);
	struct scanned *s;
	size_t i;
	int layer;

	lx_checknargs(L, 1);
	s = lua_newuserdatauv(L, sizeof(*s), 0);
	memset(s, 0, sizeof(*s));
	if (luaL_newmetatable(L, "colibri.scanned")) {
		lua_pushcfunction(L, scanned_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	if (site != NULL)
		conf.site_dir = s->site = xstrdup(site);
	overlay_scan(&conf, &s->list, &s->errors);
	lua_createtable(L, (int)s->list.n, 0);
	for (i = 0; i < s->list.n; i++) {
		lua_createtable(L, 0, 3);
		lua_pushstring(L, s->list.entries[i].name);
		lua_setfield(L, -2, "name");
		for (layer = 0; layer < OVERLAY_LAYERS; layer++) {
			lua_pushstring(L, s->list.entries[i].path[layer]);
			lua_setfield(L, -2, layers[layer]);
		}
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_createtable(L, (int)s->errors.n, 0);
	for (i = 0; i < s->errors.n; i++) {
		lua_pushstring(L, s->errors.texts[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 2;
}

#define DIGEST_SIZE	(2 * SIPHASH_SIZE + 1)

/* 32 hexadecimal digits that tell this text from another version of it.
 * The key is known to all: against drift, not against enemies. */
static void
digest(const char *text, size_t len, char hex[DIGEST_SIZE])
{
	static const unsigned char key[SIPHASH_KEY_SIZE] = "colibri scripts";
	unsigned char sum[SIPHASH_SIZE];
	struct siphash h;
	size_t i;

	siphash_start(&h, key);
	siphash_add(&h, text, len);
	siphash_end(&h, sum);
	for (i = 0; i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

/*
 * script.load(path, chunkname, env) -> function, digest | nil, err: the text
 * chunk of a trusted file, and what tells it from another version. Codes:
 * NotFound, NotTrusted, TooLarge, ScriptSyntax.
 */
static int
lscript_load(lua_State *L)
{
	const char *path = lx_checkstr(L, 1);
	const char *chunkname = lx_checkstr(L, 2);
	struct err e = ERR_INIT;
	char *text, hex[DIGEST_SIZE];
	size_t len;
	int rc;

	lx_checknargs(L, 3);
	luaL_checktype(L, 3, LUA_TTABLE);
	if (overlay_read(path, &text, &len, &e) != 0)
		return lx_fail(L, &e);
	digest(text, len, hex);
	rc = vm_load(L, text, len, chunkname, 3, &e);
	free(text);
	if (rc != 0)
		return lx_fail(L, &e);
	lua_pushstring(L, hex);
	return 2;
}

/*
 * script.compile(text, chunkname, env) -> function | nil, err(ScriptSyntax):
 * text only, never a binary chunk.
 */
static int
lscript_compile(lua_State *L)
{
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);
	const char *chunkname = lx_checkstr(L, 2);
	struct err e = ERR_INIT;

	lx_checknargs(L, 3);
	luaL_checktype(L, 3, LUA_TTABLE);
	return vm_load(L, text, len, chunkname, 3, &e) == 0 ? 1 :
	    lx_fail(L, &e);
}

/*
 * script.call(fn, ...) -> results | nil, err: the protected call of loading
 * code; nothing inside can wait. err has `where` and `traceback`.
 */
static int
lscript_call(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	if (vm_call(L, lua_gettop(L) - 1, LUA_MULTRET, NULL) != 0) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	return lua_gettop(L);
}

/* Results, or the error, are above the handler that try put at `handler`. */
static int
try_end(lua_State *L, int status, lua_KContext handler)
{
	if (status == LUA_OK || status == LUA_YIELD)
		return lua_gettop(L) - (int)handler;
	lua_pushboolean(L, 0);
	lua_replace(L, (int)handler + 1);
	return 2;
}

/*
 * script.try(fn, ...) -> true, results | false, err: a protected call that may
 * wait. err is an object with `where` and `traceback`. What xpcall with
 * script.traceback does, without a closure for each call.
 */
static int
lscript_try(lua_State *L)
{
	int i, n = lua_gettop(L);

	luaL_checktype(L, 1, LUA_TFUNCTION);
	luaL_checkstack(L, n + 4, "try");
	lua_pushcfunction(L, vm_traceback);
	lua_pushboolean(L, 1);
	for (i = 1; i <= n; i++)
		lua_pushvalue(L, i);
	return try_end(L, lua_pcallk(L, n - 1, LUA_MULTRET, n + 1, n + 1,
	    try_end), n + 1);
}

/* __index of a ctx: upvalues shared, places, make. */
static int
lookup(lua_State *L)
{
	lua_settop(L, 2);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
		return 1;
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TNIL)
		return 1;
	if (lua_rawget(L, 1) != LUA_TNIL)
		return 1;
	lua_pushvalue(L, lua_upvalueindex(3));
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 2);
	lua_call(L, 2, 1);
	return 1;
}

/* script.lookup(shared, places, make) -> function(t, key): shared[key], else
 * what t holds raw at places[key], else make(t, key), which cannot wait; nil for
 * a key without a place. As an __index it takes a third of a Lua function's time. */
static int
lscript_lookup(lua_State *L)
{
	lx_checknargs(L, 3);
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TTABLE);
	luaL_checktype(L, 3, LUA_TFUNCTION);
	lua_pushcclosure(L, lookup, 3);
	return 1;
}

/* script.setmetatable(t, mt) -> t: for scripts, as Lua's own but without
 * finalizers, which run between any two instructions of anybody */
static int
lscript_setmetatable(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argexpected(L, lua_istable(L, 2) ||
	    lua_type(L, 2) == LUA_TNIL, 2, "nil or table");
	lua_settop(L, 2);
	if (lua_istable(L, 2)) {
		lua_pushliteral(L, "__gc");
		if (lua_rawget(L, 2) != LUA_TNIL)
			return luaL_error(L, "__gc is not for scripts; use a "
			    "<close> variable");
		lua_pop(L, 1);
	}
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "cannot change a protected metatable");
	lua_setmetatable(L, 1);
	return 1;
}

/* script.where(fn) -> "site/hooks/x/y.lua:12": where a function is defined */
static int
lscript_where(lua_State *L)
{
	lua_Debug ar;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_getinfo(L, ">S", &ar);
	lua_pushfstring(L, "%s:%d", ar.short_src, ar.linedefined);
	return 1;
}

/* A task's message handler for xpcall: complete errors as vm_call does. */
static int
lscript_traceback(lua_State *L)
{
	lua_settop(L, 1);
	return vm_traceback(L);
}

/* script.trace(): remember the last line outside the library that runs in this
 * task, from here on */
static int
lscript_trace(lua_State *L)
{
	lx_checknargs(L, 0);
	task_trace(L);
	return 0;
}

/* script.traced() -> "file:line" | nil: that line; the end of the trace */
static int
lscript_traced(lua_State *L)
{
	lx_checknargs(L, 0);
	lua_pushstring(L, task_traced(L));
	return 1;
}

int
luaopen_core_script(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{ "scan", lscript_scan },
		{ "load", lscript_load },
		{ "compile", lscript_compile },
		{ "call", lscript_call },
		{ "try", lscript_try },
		{ "lookup", lscript_lookup },
		{ "setmetatable", lscript_setmetatable },
		{ "where", lscript_where },
		{ "trace", lscript_trace },
		{ "traced", lscript_traced },
		{ "traceback", lscript_traceback },
		{ NULL, NULL }
	};

	luaL_newlib(L, funcs);
	return 1;
}
