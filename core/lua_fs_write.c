/*
 * lua_fs_write.c - the part of core.fs that changes files.
 */
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_fs_priv.h"
#include "lx.h"

static lua_Integer
check_range(lua_State *L, const char *what, lua_Integer v, lua_Integer max)
{
	if (v < 0 || v > max)
		luaL_error(L, "%s must be between 0 and %I", what,
		    (LUAI_UACINT)max);
	return v;
}

void
lfs_checkspec(lua_State *L, int idx, bool may_exclude,
    struct fs_write_spec *spec)
{
	static const char *const fields[] = { "mode", "uid", "gid",
	    "exclusive", "dry_run", NULL };
	static const char *const env_fields[] = { "mode", "uid", "gid",
	    "dry_run", NULL };
	lua_Integer v;

	*spec = (struct fs_write_spec){ .mode = 0600, .uid = (uid_t)-1,
	    .gid = (gid_t)-1 };
	if (lua_isnoneornil(L, idx))
		return;
	lx_checkfields(L, idx, may_exclude ? fields : env_fields);
	v = lx_field_int(L, idx, "mode", 0600);
	spec->mode = (mode_t)check_range(L, "field 'mode'", v, 07777);
	v = lx_field_int(L, idx, "uid", -1);
	if (v != -1)
		spec->uid = (uid_t)check_range(L, "field 'uid'", v,
		    0xfffffffeLL);
	v = lx_field_int(L, idx, "gid", -1);
	if (v != -1)
		spec->gid = (gid_t)check_range(L, "field 'gid'", v,
		    0xfffffffeLL);
	if (may_exclude)
		spec->exclusive = lx_field_bool(L, idx, "exclusive", false);
	spec->look = lx_field_bool(L, idx, "dry_run", false);
}

const char *
lfs_change_name(enum fs_change change)
{
	return change == FS_CHANGED ? "changed" : "unchanged";
}

static mode_t
check_mode(lua_State *L, int idx, mode_t def)
{
	lua_Integer mode = luaL_optinteger(L, idx, (lua_Integer)def);

	luaL_argcheck(L, mode >= 0 && mode <= 07777, idx,
	    "must be between 0 and 07777 octal");
	return (mode_t)mode;
}

/* root:write(name, string | secret, { mode=, uid=, gid=, exclusive=,
 * dry_run= }?)
 * -> "changed" | "unchanged" | nil, err */
int
lroot_write(lua_State *L)
{
	struct fs_root *r = lfs_checkroot(L, 1);
	const char *name = lx_checkstr(L, 2), *data;
	struct secret *s = lx_tosecret(L, 3);
	enum fs_change change = FS_UNCHANGED;
	struct err e = ERR_INIT;
	struct fs_write_spec spec;
	size_t len;

	lx_checknargs(L, 4);
	lfs_checkspec(L, 4, true, &spec);
	if (s != NULL) {
		data = secret_bytes(s);
		len = secret_len(s);
	} else
		data = luaL_checklstring(L, 3, &len);
	if (fs_write(r, name, data, len, &spec, &change, &e) != 0)
		return lx_fail(L, &e);
	lua_pushstring(L, lfs_change_name(change));
	return 1;
}

/* root:copy_in(source, name, mode?) -> "changed" | "unchanged" | nil, err */
int
lroot_copy_in(lua_State *L)
{
	struct fs_root *r = lfs_checkroot(L, 1);
	const char *source = lx_checkstr(L, 2), *name = lx_checkstr(L, 3);
	struct fs_write_spec spec = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	enum fs_change change = FS_UNCHANGED;
	struct err e = ERR_INIT;
	char *data = NULL;
	size_t len = 0;
	int rc;

	lx_checknargs(L, 4);
	spec.mode = check_mode(L, 4, 0600);
	rc = fs_read_host(source, LFS_READ_MAX, &data, &len, &e);
	if (rc == 0) {
		rc = fs_write(r, name, data, len, &spec, &change, &e);
		free(data);
	}
	if (rc != 0)
		return lx_fail(L, &e);
	lua_pushstring(L, lfs_change_name(change));
	return 1;
}

/* root:mkdir(name, mode?) -> true | nil, err */
int
lroot_mkdir(lua_State *L)
{
	struct fs_root *r = lfs_checkroot(L, 1);
	const char *name = lx_checkstr(L, 2);
	mode_t mode = check_mode(L, 3, 0700);
	struct err e = ERR_INIT;

	lx_checknargs(L, 3);
	if (fs_mkdir(r, name, mode, &e) != 0)
		return lx_fail(L, &e);
	lua_pushboolean(L, 1);
	return 1;
}

/* root:unlink(name) -> was it there | nil, err */
int
lroot_unlink(lua_State *L)
{
	struct fs_root *r = lfs_checkroot(L, 1);
	const char *name = lx_checkstr(L, 2);
	struct err e = ERR_INIT;
	bool removed = false;

	lx_checknargs(L, 2);
	if (fs_unlink(r, name, &removed, &e) != 0)
		return lx_fail(L, &e);
	lua_pushboolean(L, removed);
	return 1;
}

/* fs.scratch(prefix) -> path | nil, err */
int
lfs_scratch(lua_State *L)
{
	const char *prefix = lx_checkstr(L, 1);
	struct err e = ERR_INIT;
	struct lfs_hold *h;

	lx_checknargs(L, 1);
	h = lfs_hold_new(L);
	h->data = fs_scratch(prefix, &e);
	if (h->data == NULL)
		return lx_fail(L, &e);
	lua_pushstring(L, h->data);
	lfs_hold_drop(h);
	return 1;
}

/* fs.remove_tree(path) -> true | nil, err */
int
lfs_remove_tree(lua_State *L)
{
	const char *path = lx_checkstr(L, 1);
	struct err e = ERR_INIT;

	lx_checknargs(L, 1);
	if (fs_remove_tree(path, &e) != 0)
		return lx_fail(L, &e);
	lua_pushboolean(L, 1);
	return 1;
}

/* fs.make_private(path) -> true | nil, err: a directory of the daemon's own,
 * 0700, made when it is missing */
int
lfs_make_private(lua_State *L)
{
	struct err e = ERR_INIT;

	lx_checknargs(L, 1);
	if (fs_make_private(lx_checkstr(L, 1), &e) != 0)
		return lx_fail(L, &e);
	lua_pushboolean(L, 1);
	return 1;
}

/* fs.exists(path) -> boolean: is there anything of this name on the host? */
int
lfs_exists(lua_State *L)
{
	struct stat st;

	lx_checknargs(L, 1);
	lua_pushboolean(L, lstat(lx_checkstr(L, 1), &st) == 0);
	return 1;
}
