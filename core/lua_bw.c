/*
 * lua_bw.c - core.bw: what `bw` prints, and where it keeps things.
 *
 * bw.decode() walks bw's JSON and builds the value straight from locked memory:
 * a string becomes a Lua string only under a key that cannot hold a secret,
 * any other string becomes an opaque handle. A text with a key that we have
 * never heard of is therefore safe by default.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "bw.h"
#include "bw_json.h"
#include "lua_bw_priv.h"
#include "lua_open.h"
#include "lua_proc_priv.h"
#include "lx.h"

#define READER_CLASS	"colibri.bw.reader"
#define LOCK_CLASS	"colibri.bw.lock"
#define KEY_MAX		256

/* --- decode --- */

const char *
lbw_check_text(lua_State *L, int idx, size_t *len)
{
	struct secret *s = lx_tosecret(L, idx);

	if (s == NULL)
		return luaL_checklstring(L, idx, len);
	*len = secret_len(s);
	return secret_bytes(s);
}

/* Owned by Lua, so that an error while values are pushed leaks nothing. */
struct reader {
	struct bw_json json;
	struct secret *pending;		/* made, not pushed yet */
	struct err e;
};

static void
reader_drop(struct reader *rd)
{
	bw_json_free(&rd->json);
	secret_unref(rd->pending);
	rd->pending = NULL;
}

static int
lreader_gc(lua_State *L)
{
	reader_drop(luaL_checkudata(L, 1, READER_CLASS));
	return 0;
}

/* May the string under this key be an ordinary one? `message` is the text of a
 * failure at the top, but the session's key inside the reply to unlock. */
static bool
key_is_plain(const char *key, int depth)
{
	static const char *const plain[] = { "archivedDate", "collectionIds",
	    "creationDate", "deletedDate", "folderId", "id", "lastSync",
	    "name", "object", "organizationId", "revisionDate", "serverUrl",
	    "status", "userEmail", "userId" };
	size_t i;

	if (strcmp(key, "message") == 0)
		return depth == 1;
	for (i = 0; i < ARRAY_LEN(plain); i++) {
		if (strcmp(key, plain[i]) == 0)
			return true;
	}
	return false;
}

static void
push_string(lua_State *L, struct reader *rd, bool plain)
{
	const char *text = rd->json.text.len != 0 ?
	    (const char *)rd->json.text.data : "";

	if (plain) {
		lua_pushlstring(L, text, rd->json.text.len);
		return;
	}
	rd->pending = secret_new(text, rd->json.text.len);
	lx_push_secret(L, secret_ref(rd->pending));
	secret_unref(rd->pending);
	rd->pending = NULL;
}

static int push_value(lua_State *L, struct reader *rd, enum bw_token token,
    bool plain);

static int
push_object(lua_State *L, struct reader *rd)
{
	struct bw_json *json = &rd->json;
	enum bw_token token;
	int depth = json->depth;
	const char *key;
	bool plain;

	lua_newtable(L);
	while ((token = bw_json_next(json, &rd->e)) == BW_KEY) {
		if (json->text.len > KEY_MAX)
			return err_set(&rd->e, "VaultProtocol",
			    "a key of %zu bytes", json->text.len);
		lua_pushlstring(L, json->text.len != 0 ?
		    (const char *)json->text.data : "", json->text.len);
		key = lua_tostring(L, -1);
		plain = key_is_plain(key, depth);
		lua_pushvalue(L, -1);
		if (lua_rawget(L, -3) != LUA_TNIL)
			return err_set(&rd->e, "VaultProtocol",
			    "the same key twice in an object");
		lua_pop(L, 1);
		token = bw_json_next(json, &rd->e);
		if (token == BW_NULL) {
			lua_pop(L, 1);
			continue;
		}
		if (push_value(L, rd, token, plain) != 0)
			return -1;
		lua_rawset(L, -3);
	}
	return token == BW_OBJECT_END ? 0 : -1;
}

static int
push_list(lua_State *L, struct reader *rd, bool plain)
{
	enum bw_token token;
	lua_Integer n = 0;

	lua_newtable(L);
	while ((token = bw_json_next(&rd->json, &rd->e)) != BW_LIST_END) {
		if (push_value(L, rd, token, plain) != 0)
			return -1;
		lua_rawseti(L, -2, ++n);
	}
	return 0;
}

/* Push the value that begins with this token; -1 with rd->e. */
static int
push_value(lua_State *L, struct reader *rd, enum bw_token token, bool plain)
{
	luaL_checkstack(L, 6, "bw");
	switch (token) {
	case BW_OBJECT:
		return push_object(L, rd);
	case BW_LIST:
		return push_list(L, rd, plain);
	case BW_STRING:
		push_string(L, rd, plain);
		return 0;
	case BW_INTEGER:
		lua_pushinteger(L, rd->json.integer);
		return 0;
	case BW_NUMBER:
		lua_pushnumber(L, rd->json.number);
		return 0;
	case BW_TRUE:
	case BW_FALSE:
		lua_pushboolean(L, token == BW_TRUE);
		return 0;
	case BW_NULL:			/* core.json's null, in a list */
		lua_pushlightuserdata(L, NULL);
		return 0;
	default:
		return -1;
	}
}

/* bw.decode(secret | string[, from, to]) -> table | nil, err(VaultProtocol). The
 * text, or the part of it that bw.index() named, must be one JSON object. A null
 * member is left out, a null in a list is core.json's null. */
static int
lbw_decode(lua_State *L)
{
	lua_Integer from, to;
	struct reader *rd;
	const char *text;
	enum bw_token token;
	size_t len;

	lx_checknargs(L, 3);
	text = lbw_check_text(L, 1, &len);
	from = luaL_optinteger(L, 2, 0);
	to = luaL_optinteger(L, 3, (lua_Integer)len);
	if (from < 0 || from > to || (size_t)to > len)
		return luaL_error(L, "not a part of the text");
	text += from;
	len = (size_t)(to - from);
	rd = lua_newuserdatauv(L, sizeof(*rd), 0);
	memset(rd, 0, sizeof(*rd));
	luaL_setmetatable(L, READER_CLASS);
	bw_json_start(&rd->json, text, len);
	token = bw_json_next(&rd->json, &rd->e);
	if (token != BW_OBJECT && token != BW_FAILED)
		err_set(&rd->e, "VaultProtocol", "not a JSON object");
	if (token != BW_OBJECT || push_value(L, rd, token, false) != 0 ||
	    bw_json_next(&rd->json, &rd->e) != BW_END) {
		reader_drop(rd);
		return lx_fail(L, &rd->e);
	}
	reader_drop(rd);
	return 1;
}

/* --- the server, the session, the directory --- */

/* bw.check_server(url: string | secret) -> the URL as bw keeps it | nil,
 * err(VaultNotConfigured) */
static int
lbw_check_server(lua_State *L)
{
	char url[BW_SERVER_MAX];
	struct err e = ERR_INIT;
	const char *text;
	size_t len;

	lx_checknargs(L, 1);
	text = lbw_check_text(L, 1, &len);
	if (bw_server_check(text, len, url, &e) != 0)
		return lx_fail(L, &e);
	lua_pushstring(L, url);
	return 1;
}

/* bw.is_session(string | secret) -> boolean: the shape of a session's key */
static int
lbw_is_session(lua_State *L)
{
	const char *text;
	size_t len;

	lx_checknargs(L, 1);
	text = lbw_check_text(L, 1, &len);
	lua_pushboolean(L, bw_session_ok(text, len));
	return 1;
}

/* bw.dir_name(server, account: string | secret) -> name of the data directory
 * of this account */
static int
lbw_dir_name(lua_State *L)
{
	const char *server = lx_checkstr(L, 1), *account;
	char name[BW_NAME_MAX];
	size_t len;

	lx_checknargs(L, 2);
	account = lbw_check_text(L, 2, &len);
	bw_dir_name(server, account, len, name);
	lua_pushstring(L, name);
	return 1;
}

/* bw.lock_dir(path) -> guard with :release() and __close | nil,
 * err(VaultBusy, VaultNotConfigured). Does not wait. */
static int
lbw_lock_dir(lua_State *L)
{
	const char *path = lx_checkstr(L, 1);
	struct err e = ERR_INIT;
	int *fd;

	lx_checknargs(L, 1);
	fd = lua_newuserdatauv(L, sizeof(*fd), 0);
	*fd = -1;
	luaL_setmetatable(L, LOCK_CLASS);
	*fd = bw_lock(path, &e);
	if (*fd < 0)
		return lx_fail(L, &e);
	return 1;
}

/* guard:release(); again is allowed */
static int
llock_release(lua_State *L)
{
	int *fd = luaL_checkudata(L, 1, LOCK_CLASS);

	bw_unlock(*fd);
	*fd = -1;
	return 0;
}

/* guard:fd() -> a descriptor for a child's `fds`: the lock then lives until that
 * child has ended too | nil, err(SpawnFailed) */
static int
llock_fd(lua_State *L)
{
	int *lock = luaL_checkudata(L, 1, LOCK_CLASS), *fd;
	struct err e = ERR_INIT;

	lx_checknargs(L, 1);
	fd = lproc_fd_new(L);
	if (*lock < 0)
		errno = EBADF;
	else
		*fd = fcntl(*lock, F_DUPFD_CLOEXEC, 0);
	if (*fd >= 0)
		return 1;
	err_sys(&e, "SpawnFailed", "duplicate a lock");
	return lx_fail(L, &e);
}

int
luaopen_core_bw(lua_State *L)
{
	static const luaL_Reg reader_meta[] = {
		{ "__gc", lreader_gc },
		{ NULL, NULL }
	};
	static const luaL_Reg lock_methods[] = {
		{ "release", llock_release },
		{ "fd", llock_fd },
		{ NULL, NULL }
	};
	static const luaL_Reg lock_meta[] = {
		{ "__gc", llock_release },
		{ "__close", llock_release },
		{ NULL, NULL }
	};
	static const luaL_Reg funcs[] = {
		{ "decode", lbw_decode },
		{ "check_server", lbw_check_server },
		{ "is_session", lbw_is_session },
		{ "dir_name", lbw_dir_name },
		{ "lock_dir", lbw_lock_dir },
		{ NULL, NULL }
	};

	lx_newclass(L, READER_CLASS, NULL, reader_meta);
	lx_newclass(L, LOCK_CLASS, lock_methods, lock_meta);
	luaL_newlib(L, funcs);
	lbw_list_setup(L);
	return 1;
}
