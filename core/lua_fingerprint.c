/*
 * lua_fingerprint.c - core.fingerprint: for library modules only.
 *
 * Values are hashed in locked memory; what Lua sees are names and hex digits.
 * Nothing here waits.
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "fingerprint.h"
#include "lua_fs_priv.h"
#include "lua_open.h"
#include "lx.h"

#define KEY_CLASS	"colibri.fingerprint.key"
#define ENV_MAX		(1024 * 1024)

static int
lkey_gc(lua_State *L)
{
	struct secret **key = luaL_checkudata(L, 1, KEY_CLASS);

	secret_unref(*key);
	*key = NULL;
	return 0;
}

static struct secret *
check_key(lua_State *L)
{
	struct secret **key = luaL_checkudata(L, 1, KEY_CLASS);

	luaL_argcheck(L, *key != NULL, 1, "key is gone");
	return *key;
}

/* fingerprint.key(dir, name) -> key | nil, err(KeyDamaged, NotTrusted, ...) */
static int
lfingerprint_key(lua_State *L)
{
	const char *dir = lx_checkstr(L, 1), *name = lx_checkstr(L, 2);
	struct err e = ERR_INIT;
	struct secret **key;

	lx_checknargs(L, 2);
	key = lua_newuserdatauv(L, sizeof(*key), 0);
	*key = NULL;
	luaL_setmetatable(L, KEY_CLASS);
	*key = fingerprint_key(dir, name, &e);
	return *key != NULL ? 1 : lx_fail(L, &e);
}

/* key:of(tenant, name, string | secret) -> 32 hex digits */
static int
lkey_of(lua_State *L)
{
	struct secret *key = check_key(L), *s = lx_tosecret(L, 4);
	const char *tenant = lx_checkstr(L, 2), *name = lx_checkstr(L, 3);
	char text[FINGERPRINT_TEXT];
	const char *value;
	size_t len;

	lx_checknargs(L, 4);
	if (s != NULL) {
		value = secret_bytes(s);
		len = secret_len(s);
	} else
		value = luaL_checklstring(L, 4, &len);
	fingerprint_of(key, tenant, name, value, len, text);
	lua_pushstring(L, text);
	return 1;
}

/* Is this the very text that we write for these pairs? */
static bool
is_own_text(const struct envfile *env, const struct secret_buf *b)
{
	struct secret *s = envfile_format(env, NULL);
	bool own;

	own = s != NULL && secret_len(s) == b->len &&
	    (b->len == 0 || memcmp(secret_bytes(s), b->data, b->len) == 0);
	secret_unref(s);
	return own;
}

/* key:env(root, file, tenant) -> { KEY = 32 hex digits }, is it the very text
 * that write_env() gives for these values?, of a .env that may be hostile |
 * nil, err as root:read_env() */
static int
lkey_env(lua_State *L)
{
	struct secret *key = check_key(L);
	struct fs_root *r = lfs_checkroot(L, 2);
	const char *file = lx_checkstr(L, 3), *tenant = lx_checkstr(L, 4);
	char text[FINGERPRINT_TEXT];
	struct err e = ERR_INIT;
	struct lfs_hold *h;
	size_t i;
	bool own;
	int rc;

	lx_checknargs(L, 4);
	h = lfs_hold_new(L);
	rc = fs_read_locked(r, file, ENV_MAX, &h->buf, &e);
	if (rc == 0)
		rc = envfile_parse(&h->env, h->buf.len != 0 ?
		    (const char *)h->buf.data : "", h->buf.len, file, &e);
	own = rc == 0 && is_own_text(&h->env, &h->buf);
	secret_buf_free(&h->buf);
	if (rc != 0) {
		lfs_hold_drop(h);
		return lx_fail(L, &e);
	}
	lua_createtable(L, 0, (int)h->env.n);
	for (i = 0; i < h->env.n; i++) {
		fingerprint_of(key, tenant, h->env.pairs[i].key,
		    secret_bytes(h->env.pairs[i].value),
		    secret_len(h->env.pairs[i].value), text);
		lua_pushstring(L, text);
		lua_setfield(L, -2, h->env.pairs[i].key);
	}
	lfs_hold_drop(h);
	lua_pushboolean(L, own);
	return 2;
}

static const luaL_Reg lkey_methods[] = {
	{ "of", lkey_of },
	{ "env", lkey_env },
	{ NULL, NULL }
};
static const luaL_Reg lkey_meta[] = {
	{ "__gc", lkey_gc },
	{ NULL, NULL }
};
static const luaL_Reg lfingerprint_functions[] = {
	{ "key", lfingerprint_key },
	{ NULL, NULL }
};

int
luaopen_core_fingerprint(lua_State *L)
{
	lx_newclass(L, KEY_CLASS, lkey_methods, lkey_meta);
	luaL_newlib(L, lfingerprint_functions);
	return 1;
}
