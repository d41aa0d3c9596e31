/*
 * lua_fs_env.c - the .env part of core.fs.
 *
 * Between the vault and the file no value is ever a Lua string, unless the
 * script brought one: secrets go in as handles and come out as handles, and
 * the formatted file exists in locked memory only.
 */
#include <lauxlib.h>
#include <lua.h>

#include "lua_fs_priv.h"
#include "lx.h"

#define ENV_MAX		(1024 * 1024)

/* { KEY = secret | string, ... } at idx into h->env. Raises for other types;
 * what h holds by then is the collector's. */
static int
env_collect(lua_State *L, int idx, struct lfs_hold *h, struct err *e)
{
	struct secret *s;
	const char *key, *v;
	size_t keylen, len;
	int rc;

	lua_pushnil(L);
	while (lua_next(L, idx) != 0) {
		if (lua_type(L, -2) != LUA_TSTRING)
			return luaL_error(L, "a key must be a string, got %s",
			    luaL_typename(L, -2));
		key = lua_tolstring(L, -2, &keylen);
		s = lx_tosecret(L, -1);
		if (s != NULL) {
			s = secret_ref(s);
		} else if (lua_type(L, -1) == LUA_TSTRING) {
			v = lua_tolstring(L, -1, &len);
			s = secret_new(v, len);
		} else
			return luaL_error(L, "value of '%s' must be a secret "
			    "or a string, got %s", key, luaL_typename(L, -1));
		rc = envfile_add(&h->env, key, keylen, s, e);
		secret_unref(s);
		if (rc != 0)
			return -1;
		lua_pop(L, 1);
	}
	return 0;
}

/* root:write_env(name, { KEY = secret | string }, { mode=, uid=, gid=,
 * dry_run= }?) -> { change=, keys = sorted } | nil, err */
int
lroot_write_env(lua_State *L)
{
	struct fs_root *r = lfs_checkroot(L, 1);
	const char *name = lx_checkstr(L, 2);
	enum fs_change change = FS_UNCHANGED;
	struct err e = ERR_INIT;
	struct fs_write_spec spec;
	struct lfs_hold *h;
	size_t i;

	lx_checknargs(L, 4);
	luaL_checktype(L, 3, LUA_TTABLE);
	lfs_checkspec(L, 4, false, &spec);
	h = lfs_hold_new(L);
	if (env_collect(L, 3, h, &e) != 0)
		goto fail;
	envfile_sort(&h->env);
	h->secret = envfile_format(&h->env, &e);
	if (h->secret == NULL || fs_write(r, name, secret_bytes(h->secret),
	    secret_len(h->secret), &spec, &change, &e) != 0)
		goto fail;
	lua_createtable(L, 0, 2);
	lua_pushstring(L, lfs_change_name(change));
	lua_setfield(L, -2, "change");
	lua_createtable(L, (int)h->env.n, 0);
	for (i = 0; i < h->env.n; i++) {
		lua_pushstring(L, h->env.pairs[i].key);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "keys");
	lfs_hold_drop(h);
	return 1;
fail:
	lfs_hold_drop(h);
	return lx_fail(L, &e);
}

/* { { key=, value=secret }, ... } in the order of the file */
static int
env_push(lua_State *L, struct lfs_hold *h)
{
	size_t i;

	lua_createtable(L, (int)h->env.n, 0);
	for (i = 0; i < h->env.n; i++) {
		lua_createtable(L, 0, 2);
		lua_pushstring(L, h->env.pairs[i].key);
		lua_setfield(L, -2, "key");
		lx_push_secret(L, secret_ref(h->env.pairs[i].value));
		lua_setfield(L, -2, "value");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lfs_hold_drop(h);
	return 1;
}

/* Parse what has been read into h->buf, or pass the failure on. */
static int
env_read(lua_State *L, struct lfs_hold *h, int rc, const char *what,
    struct err *e)
{
	if (rc == 0)
		rc = envfile_parse(&h->env, h->buf.len != 0 ?
		    (const char *)h->buf.data : "", h->buf.len, what, e);
	secret_buf_free(&h->buf);
	if (rc == 0)
		return env_push(L, h);
	lfs_hold_drop(h);
	return lx_fail(L, e);
}

/* root:read_env(name) -> { { key=, value=secret }, ... } | nil, err */
int
lroot_read_env(lua_State *L)
{
	struct fs_root *r = lfs_checkroot(L, 1);
	const char *name = lx_checkstr(L, 2);
	struct err e = ERR_INIT;
	struct lfs_hold *h;

	lx_checknargs(L, 2);
	h = lfs_hold_new(L);
	return env_read(L, h, fs_read_locked(r, name, ENV_MAX, &h->buf, &e),
	    name, &e);
}

/* fs.read_env(path) -> the same; the file must be 0600 and ours or root's */
int
lfs_read_env(lua_State *L)
{
	const char *path = lx_checkstr(L, 1);
	struct err e = ERR_INIT;
	struct lfs_hold *h;

	lx_checknargs(L, 1);
	h = lfs_hold_new(L);
	return env_read(L, h, fs_read_trusted_locked(path, 077, ENV_MAX,
	    &h->buf, &e), path, &e);
}

/* fs.parse_env(secret | string, what) -> the same */
int
lfs_parse_env(lua_State *L)
{
	struct secret *s = lx_tosecret(L, 1);
	const char *what = lx_checkstr(L, 2), *text;
	struct err e = ERR_INIT;
	struct lfs_hold *h;
	size_t len;

	lx_checknargs(L, 2);
	if (s != NULL) {
		text = secret_bytes(s);
		len = secret_len(s);
	} else
		text = luaL_checklstring(L, 1, &len);
	h = lfs_hold_new(L);
	if (envfile_parse(&h->env, text, len, what, &e) != 0)
		return lx_fail(L, &e);
	return env_push(L, h);
}
