/*
 * lua_fs.c - core.fs: opening roots and looking below them.
 *
 * The thin Lua face of fs.c, for library modules. A root is a userdata that
 * owns a descriptor; all names are relative to it. Nothing here waits.
 * Changing files is in lua_fs_write.c, .env files are in lua_fs_env.c.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_fs_priv.h"
#include "lua_open.h"
#include "lx.h"

#define ROOT_CLASS	"colibri.fs.root"
#define HOLD_CLASS	"colibri.fs.hold"

#define READ_MAX	(1024 * 1024)		/* unless told */

/* --- what the other files use --- */

void
lfs_hold_drop(struct lfs_hold *h)
{
	free(h->data);
	fs_list_free(h->names, h->n_names);
	envfile_free(&h->env);
	secret_unref(h->secret);
	secret_buf_free(&h->buf);
	*h = (struct lfs_hold){ 0 };
}

static int
lhold_gc(lua_State *L)
{
	lfs_hold_drop(luaL_checkudata(L, 1, HOLD_CLASS));
	return 0;
}

struct lfs_hold *
lfs_hold_new(lua_State *L)
{
	struct lfs_hold *h = lua_newuserdatauv(L, sizeof(*h), 0);

	*h = (struct lfs_hold){ 0 };
	luaL_setmetatable(L, HOLD_CLASS);
	return h;
}

struct fs_root *
lfs_checkroot(lua_State *L, int idx)
{
	struct fs_root **r = luaL_checkudata(L, idx, ROOT_CLASS);

	luaL_argcheck(L, *r != NULL, idx, "root is closed");
	return *r;
}

size_t
lfs_optmax(lua_State *L, int idx)
{
	lua_Integer max = luaL_optinteger(L, idx, READ_MAX);

	luaL_argcheck(L, max >= 0 && max <= LFS_READ_MAX, idx,
	    "must be between 0 and 256 MiB");
	return (size_t)max;
}

/* --- opening --- */

/* fs.contain(base, path) -> { base=, rel=, path= } | nil, err */
static int
lfs_contain(lua_State *L)
{
	const char *base = lx_checkstr(L, 1), *path = lx_checkstr(L, 2);
	char cbase[PATH_MAX], rel[PATH_MAX];
	struct err e = ERR_INIT;

	lx_checknargs(L, 2);
	if (fs_contain(base, path, cbase, sizeof(cbase), rel, sizeof(rel),
	    &e) != 0)
		return lx_fail(L, &e);
	lua_createtable(L, 0, 3);
	lua_pushstring(L, cbase);
	lua_setfield(L, -2, "base");
	lua_pushstring(L, rel);
	lua_setfield(L, -2, "rel");
	lua_pushfstring(L, "%s/%s", strcmp(cbase, "/") == 0 ? "" : cbase, rel);
	lua_setfield(L, -2, "path");
	return 1;
}

static struct fs_root **
root_new(lua_State *L)
{
	struct fs_root **r = lua_newuserdatauv(L, sizeof(*r), 0);

	*r = NULL;
	luaL_setmetatable(L, ROOT_CLASS);
	return r;
}

/* fs.open(base, path) -> root | nil, err */
static int
lfs_open(lua_State *L)
{
	const char *base = lx_checkstr(L, 1), *path = lx_checkstr(L, 2);
	struct err e = ERR_INIT;

	lx_checknargs(L, 2);
	if (fs_root_open(base, path, root_new(L), &e) != 0)
		return lx_fail(L, &e);
	return 1;
}

/* fs.open_trusted(path) -> root | nil, err */
static int
lfs_open_trusted(lua_State *L)
{
	const char *path = lx_checkstr(L, 1);
	struct err e = ERR_INIT;

	lx_checknargs(L, 1);
	if (fs_root_open_trusted(path, root_new(L), &e) != 0)
		return lx_fail(L, &e);
	return 1;
}

/* root:close(); again is allowed */
static int
lroot_close(lua_State *L)
{
	struct fs_root **r = luaL_checkudata(L, 1, ROOT_CLASS);

	fs_root_close(*r);
	*r = NULL;
	return 0;
}

/* As a method; the other is __close and __gc too, which get more. */
static int
lroot_close_method(lua_State *L)
{
	lx_checknargs(L, 1);
	return lroot_close(L);
}

static int
lroot_tostring(lua_State *L)
{
	struct fs_root **r = luaL_checkudata(L, 1, ROOT_CLASS);

	if (*r == NULL)
		lua_pushliteral(L, "root (closed)");
	else
		lua_pushfstring(L, "root (fd %d)", fs_root_fd(*r));
	return 1;
}

/* --- looking --- */

/* root:read(name, max?) -> string | nil, err */
static int
lroot_read(lua_State *L)
{
	struct fs_root *r = lfs_checkroot(L, 1);
	const char *name = lx_checkstr(L, 2);
	size_t len, max = lfs_optmax(L, 3);
	struct err e = ERR_INIT;
	struct lfs_hold *h;

	lx_checknargs(L, 3);
	h = lfs_hold_new(L);
	if (fs_read(r, name, max, &h->data, &len, &e) != 0)
		return lx_fail(L, &e);
	lua_pushlstring(L, h->data, len);
	lfs_hold_drop(h);
	return 1;
}

/* fs.read_trusted(path, forbidden_bits, max?) -> string | nil, err */
static int
lfs_read_trusted(lua_State *L)
{
	const char *path = lx_checkstr(L, 1);
	lua_Integer forbidden = luaL_checkinteger(L, 2);
	size_t len, max = lfs_optmax(L, 3);
	struct err e = ERR_INIT;
	struct lfs_hold *h;

	lx_checknargs(L, 3);
	luaL_argcheck(L, forbidden >= 0 && forbidden <= 07777, 2,
	    "must be between 0 and 07777 octal");
	h = lfs_hold_new(L);
	if (fs_read_trusted(path, (mode_t)forbidden, max, &h->data, &len,
	    &e) != 0)
		return lx_fail(L, &e);
	lua_pushlstring(L, h->data, len);
	lfs_hold_drop(h);
	return 1;
}

static void
set_integer(lua_State *L, const char *name, lua_Integer v)
{
	lua_pushinteger(L, v);
	lua_setfield(L, -2, name);
}

/* root:stat(name) -> { mode=, uid=, gid=, size=, nlink=, mtime=, type= } */
static int
lroot_stat(lua_State *L)
{
	struct fs_root *r = lfs_checkroot(L, 1);
	const char *name = lx_checkstr(L, 2), *type = "other";
	struct err e = ERR_INIT;
	struct stat st;

	lx_checknargs(L, 2);
	if (fs_stat(r, name, &st, &e) != 0)
		return lx_fail(L, &e);
	if (S_ISREG(st.st_mode))
		type = "file";
	else if (S_ISDIR(st.st_mode))
		type = "dir";
	else if (S_ISLNK(st.st_mode))
		type = "link";
	lua_createtable(L, 0, 7);
	set_integer(L, "mode", (lua_Integer)(st.st_mode & 07777));
	set_integer(L, "uid", (lua_Integer)st.st_uid);
	set_integer(L, "gid", (lua_Integer)st.st_gid);
	set_integer(L, "size", (lua_Integer)st.st_size);
	set_integer(L, "nlink", (lua_Integer)st.st_nlink);
	set_integer(L, "mtime", (lua_Integer)st.st_mtime);
	lua_pushstring(L, type);
	lua_setfield(L, -2, "type");
	return 1;
}

/* root:list(name = ".") -> sorted names | nil, err */
static int
lroot_list(lua_State *L)
{
	struct fs_root *r = lfs_checkroot(L, 1);
	const char *name = lua_isnoneornil(L, 2) ? "." : lx_checkstr(L, 2);
	struct err e = ERR_INIT;
	struct lfs_hold *h;
	size_t i;

	lx_checknargs(L, 2);
	h = lfs_hold_new(L);
	if (fs_list(r, name, &h->names, &h->n_names, &e) != 0)
		return lx_fail(L, &e);
	lua_createtable(L, (int)h->n_names, 0);
	for (i = 0; i < h->n_names; i++) {
		lua_pushstring(L, h->names[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lfs_hold_drop(h);
	return 1;
}

static const luaL_Reg lroot_methods[] = {
	{ "read", lroot_read },
	{ "write", lroot_write },
	{ "write_env", lroot_write_env },
	{ "read_env", lroot_read_env },
	{ "unlink", lroot_unlink },
	{ "stat", lroot_stat },
	{ "list", lroot_list },
	{ "mkdir", lroot_mkdir },
	{ "copy_in", lroot_copy_in },
	{ "close", lroot_close_method },
	{ NULL, NULL }
};
static const luaL_Reg lroot_meta[] = {
	{ "__gc", lroot_close },
	{ "__close", lroot_close },
	{ "__tostring", lroot_tostring },
	{ NULL, NULL }
};
static const luaL_Reg lhold_meta[] = {
	{ "__gc", lhold_gc },
	{ NULL, NULL }
};
static const luaL_Reg lfs_functions[] = {
	{ "contain", lfs_contain },
	{ "open", lfs_open },
	{ "open_trusted", lfs_open_trusted },
	{ "read_trusted", lfs_read_trusted },
	{ "read_env", lfs_read_env },
	{ "parse_env", lfs_parse_env },
	{ "scratch", lfs_scratch },
	{ "remove_tree", lfs_remove_tree },
	{ "make_private", lfs_make_private },
	{ "exists", lfs_exists },
	{ NULL, NULL }
};

int
luaopen_core_fs(lua_State *L)
{
	lx_newclass(L, ROOT_CLASS, lroot_methods, lroot_meta);
	lx_newclass(L, HOLD_CLASS, NULL, lhold_meta);
	luaL_newlib(L, lfs_functions);
	return 1;
}
