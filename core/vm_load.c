/*
 * vm_load.c - which text may become a function; see vm_load.h.
 *
 * `require` knows two places: the bindings that lua_open.c lists (core.*) and
 * the shipped library <share_dir>/lua/<name>.lua. There is no package table,
 * no search path and no environment variable to steer it.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "fs.h"
#include "lx.h"
#include "vm_load.h"

#define LOADED_KEY	"colibri.loaded"	/* registry: name -> module */
#define PRELOAD_KEY	"colibri.preload"	/* registry: name -> opener */
#define MODULE_MAX	(1024 * 1024)

int
vm_load(lua_State *L, const char *text, size_t len, const char *chunkname,
    int env, struct err *e)
{
	if (env != 0)
		env = lua_absindex(L, env);
	if (luaL_loadbufferx(L, text, len, chunkname, "t") != LUA_OK) {
		err_set(e, "ScriptSyntax", "%s", lua_tostring(L, -1));
		lua_pop(L, 1);
		return -1;
	}
	if (env != 0) {
		lua_pushvalue(L, env);
		lua_setupvalue(L, -2, 1);	/* a main chunk has one: _ENV */
	}
	return 0;
}

/* "colibri.vault.file" -> "colibri/vault/file", pushed. */
static const char *
module_file(lua_State *L, const char *name)
{
	const char *p;

	for (p = name; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-' &&
		    (*p != '.' || p == name || p[1] == '.' || p[1] == '\0'))
			luaL_error(L, "bad module name '%s'", name);
	}
	return luaL_gsub(L, name, ".", "/");
}

/* Push the chunk of a library module; raises when it cannot be had. */
static void
module_load(lua_State *L, const char *name)
{
	struct vm *vm = vm_of(L);
	const char *file = module_file(L, name), *dir, *path, *chunk;
	struct err e = ERR_INIT;
	char *text;
	size_t len, i = 0;
	int rc;

	dir = lua_pushfstring(L, "%s/lua", vm_conf(vm)->share_dir);
	for (;;) {
		path = lua_pushfstring(L, "%s/%s.lua", dir, file);
		/* "@lua/colibri/x.lua": in a build tree and installed. */
		chunk = i == 0 ? lua_pushfstring(L, "@lua/%s.lua", file) :
		    lua_pushfstring(L, "@%s", path);
		if (fs_read_trusted(path, 022, MODULE_MAX, &text, &len,
		    &e) == 0)
			break;
		dir = strcmp(e.code, "NotFound") == 0 ? vm_path(vm, i++) :
		    NULL;
		if (dir == NULL)
			luaL_error(L, "module '%s': %s", name, e.text);
	}
	rc = vm_load(L, text, len, chunk, 0, &e);
	free(text);
	if (rc != 0) {
		lx_push_err(L, &e);
		lua_error(L);
	}
}

/* require(name) -> module */
static int
lvm_require(lua_State *L)
{
	const char *name = lx_checkstr(L, 1);

	lua_settop(L, 1);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LOADED_KEY);
	if (lua_getfield(L, 2, name) != LUA_TNIL) {
		if (lua_islightuserdata(L, -1))
			luaL_error(L, "module '%s' requires itself", name);
		return 1;
	}
	lua_pop(L, 1);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, PRELOAD_KEY);
	if (lua_getfield(L, 3, name) == LUA_TNIL) {
		lua_pop(L, 1);
		module_load(L, name);
	}
	lua_pushlightuserdata(L, &lvm_require);
	lua_setfield(L, 2, name);
	lua_pushvalue(L, 1);
	if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
		lua_pushnil(L);		/* a later try starts afresh */
		lua_setfield(L, 2, name);
		return lua_error(L);
	}
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushboolean(L, 1);
	}
	lua_pushvalue(L, -1);
	lua_setfield(L, 2, name);
	return 1;
}

void
vm_load_setup(lua_State *L)
{
	lua_pushcfunction(L, lvm_require);
	lua_setglobal(L, "require");
}

void
vm_preload(lua_State *L, const char *name, lua_CFunction open)
{
	luaL_getsubtable(L, LUA_REGISTRYINDEX, PRELOAD_KEY);
	lua_pushcfunction(L, open);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

void
vm_require(lua_State *L, const char *name)
{
	lua_pushcfunction(L, lvm_require);
	lua_pushstring(L, name);
	lua_call(L, 1, 1);
}

void
vm_push_cjson(lua_State *L)
{
	bool stock;

	/* A stock interpreter (lua_stock.c) has it open. */
	stock = lua_getglobal(L, LUA_LOADLIBNAME) == LUA_TTABLE;
	lua_pop(L, 1);
	if (stock) {
		lua_getglobal(L, "require");
		lua_pushliteral(L, "cjson");
		lua_call(L, 1, 1);
		return;
	}
	/* The stock package library is opened for this one module, with
	 * LUA_PATH and friends ignored (LUA_NOENV, as `lua -E` does). */
	lua_pushboolean(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
	luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 0);
	lua_getfield(L, -1, "searchers");
	lua_rawgeti(L, -1, 3);		/* the C library searcher */
	lua_pushliteral(L, "cjson");
	lua_call(L, 1, 2);
	if (!lua_isfunction(L, -2))
		luaL_error(L, "lua-cjson is not installed: %s",
		    luaL_tolstring(L, -2, NULL));
	lua_pushliteral(L, "cjson");
	lua_insert(L, -2);
	lua_call(L, 2, 1);
	lua_replace(L, -3);
	lua_pop(L, 1);
	/* luaopen_package also put its own `require` into the globals. */
	lua_pushcfunction(L, lvm_require);
	lua_setglobal(L, "require");
	lua_pushnil(L);
	lua_setglobal(L, "package");
}
