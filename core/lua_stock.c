/*
 * lua_stock.c - `require "colibri"` in a stock Lua interpreter: the parts that
 * need no host.
 *
 *	local colibri = require "colibri"
 *	local root = assert(colibri.fs.open_trusted("/var/db/app"))
 *	root:write_env(".env", { KEY = "it's quoted for sh" })
 *
 * libcolibri.so, found by package.cpath under the name colibri.so. It has json,
 * fs (with .env files and secrets), clock, err and params; the first three are
 * this code, the others are the shipped Lua files, which a searcher of its own
 * finds. Nothing here waits; what waits needs a host (colibri-run, colibri.h).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "core.h"
#include "log.h"
#include "lua_open.h"
#include "platform.h"

#define SHARE_KEY	"colibri.share"	/* registry: the shipped tree */

static const luaL_Reg stock_bindings[] = {
	{ "clock", luaopen_core_clock },
	{ "fs", luaopen_core_fs },
	{ "json", luaopen_core_json },
};
static const char *const stock_modules[] = { "err", "params" };

static bool
is_share_dir(lua_State *L, const char *dir)
{
	struct stat st;
	bool is;

	is = stat(lua_pushfstring(L, "%s/lua/colibri", dir), &st) == 0 &&
	    S_ISDIR(st.st_mode);
	lua_pop(L, 1);
	return is;
}

/* Push the shipped tree: COLIBRI_SHARE_DIR, or PREFIX/share/colibri for a
 * library anywhere in PREFIX/lib, or the build tree the library lies in. */
static void
push_share_dir(lua_State *L)
{
	const char *dir = getenv("COLIBRI_SHARE_DIR");
	char path[4096], *slash;

	if (dir != NULL) {
		lua_pushstring(L, dir);
		return;
	}
	if (platform_library(path, sizeof(path)) != 0)
		path[0] = '\0';
	while ((slash = strrchr(path, '/')) != NULL) {
		*slash = '\0';
		dir = lua_pushfstring(L, "%s/share/colibri", path);
		if (is_share_dir(L, dir))
			return;
		lua_pop(L, 1);
		if (is_share_dir(L, path)) {
			lua_pushstring(L, path);
			return;
		}
	}
	lua_pushliteral(L, COLIBRI_PREFIX "/share/colibri");
}

/* The searcher: core.json and its like, and colibri.NAME in the shipped tree. */
static int
lstock_search(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1), *file;
	size_t i;

	for (i = 0; i < ARRAY_LEN(stock_bindings); i++) {
		if (strncmp(name, "core.", 5) == 0 &&
		    strcmp(name + 5, stock_bindings[i].name) == 0) {
			lua_pushcfunction(L, stock_bindings[i].func);
			return 1;
		}
	}
	if (strncmp(name, "core.", 5) == 0) {
		lua_pushfstring(L, "'%s' needs a host (colibri-run)", name);
		return 1;
	}
	if (strncmp(name, "colibri.", 8) != 0)
		return 0;
	luaL_gsub(L, name, ".", "/");
	lua_getfield(L, LUA_REGISTRYINDEX, SHARE_KEY);
	file = lua_pushfstring(L, "%s/lua/%s.lua", lua_tostring(L, -1),
	    lua_tostring(L, -2));
	if (access(file, R_OK) != 0) {
		lua_pushfstring(L, "no file '%s'", file);
		return 1;
	}
	if (luaL_loadfilex(L, file, "t") != LUA_OK)
		return lua_error(L);
	return 1;
}

static void
add_searcher(lua_State *L)
{
	lua_getglobal(L, LUA_LOADLIBNAME);
	if (!lua_istable(L, -1) ||
	    lua_getfield(L, -1, "searchers") != LUA_TTABLE)
		luaL_error(L, "colibri: there is no package.searchers");
	lua_pushcfunction(L, lstock_search);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 2);
}

/* Field `name` of the table on top: require(prefix .. name). */
static void
set_module(lua_State *L, const char *prefix, const char *name)
{
	lua_getglobal(L, "require");
	lua_pushfstring(L, "%s%s", prefix, name);
	lua_call(L, 1, 1);
	lua_setfield(L, -2, name);
}

int luaopen_colibri(lua_State *L);

int
luaopen_colibri(lua_State *L)
{
	size_t i;

	luaL_checkversion(L);
	log_setup(STDERR_FILENO, LOG_WARN, LOG_TEXT);
	push_share_dir(L);
	lua_setfield(L, LUA_REGISTRYINDEX, SHARE_KEY);
	add_searcher(L);
	lua_newtable(L);
	lua_pushliteral(L, COLIBRI_VERSION);
	lua_setfield(L, -2, "version");
	lua_pushinteger(L, COLIBRI_API);
	lua_setfield(L, -2, "api");
	for (i = 0; i < ARRAY_LEN(stock_bindings); i++)
		set_module(L, "core.", stock_bindings[i].name);
	for (i = 0; i < ARRAY_LEN(stock_modules); i++)
		set_module(L, "colibri.", stock_modules[i]);
	return 1;
}
