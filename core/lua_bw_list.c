/*
 * lua_bw_list.c - core.bw: listings that stay in locked memory, bw's data file,
 * and the one text that we send to bw.
 *
 * What is found is first kept in plain C, in a buffer that a userdata owns, and
 * only then pushed: an error of Lua's in between leaks nothing.
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "bw.h"
#include "bw_list.h"
#include "lua_bw_priv.h"
#include "lx.h"
#include "mem.h"

#define FOUND_CLASS	"colibri.bw.found"

struct found {
	struct buf buf;			/* struct place, one after the other */
};

struct place {
	size_t from, to;
	char collection[BW_ID_MAX];
	char id[BW_ID_MAX];
	char revised[BW_TIME_MAX];
};

static int
lfound_gc(lua_State *L)
{
	struct found *f = luaL_checkudata(L, 1, FOUND_CLASS);

	buf_free(&f->buf);
	return 0;
}

static struct found *
found_new(lua_State *L)
{
	struct found *f = lua_newuserdatauv(L, sizeof(*f), 0);

	memset(f, 0, sizeof(*f));
	luaL_setmetatable(L, FOUND_CLASS);
	return f;
}

/* One place for each collection of an element, one without any for none. */
static int
found_add(const struct bw_element *el, void *arg)
{
	struct place place;
	struct found *f = arg;
	size_t i = 0;

	do {
		memset(&place, 0, sizeof(place));
		place.from = el->from;
		place.to = el->to;
		memcpy(place.id, el->id, sizeof(place.id));
		memcpy(place.revised, el->revised, sizeof(place.revised));
		if (i < el->nids)
			memcpy(place.collection, el->ids[i],
			    sizeof(place.collection));
		buf_add(&f->buf, &place, sizeof(place));
	} while (++i < el->nids);
	return 0;
}

static int
found_add_present(const struct bw_element *el, void *arg)
{
	return el->gone ? 0 : found_add(el, arg);
}

/* Push the list for this collection in the table at idx. */
static void
push_collection(lua_State *L, int idx, const char *collection)
{
	if (lua_getfield(L, idx, collection) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_setfield(L, idx, collection);
}

static void
push_places(lua_State *L, const struct found *f, bool ranges)
{
	struct place place;
	size_t off;
	int idx;

	lua_newtable(L);
	idx = lua_gettop(L);
	for (off = 0; off < f->buf.len; off += sizeof(place)) {
		memcpy(&place, f->buf.data + off, sizeof(place));
		push_collection(L, idx, place.collection);
		if (ranges) {
			lua_pushinteger(L, (lua_Integer)place.from);
			lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
			lua_pushinteger(L, (lua_Integer)place.to);
			lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
		} else {
			lua_pushstring(L, place.revised);
			lua_setfield(L, -2, place.id);
		}
		lua_pop(L, 1);
	}
}

/* bw.index(reply: secret) -> { [collection id or ""] = { from, to, from, to,
 * ... } } | nil, err(VaultProtocol): where the elements of a listing stand, for
 * bw.decode(reply, from, to) */
static int
lbw_index(lua_State *L)
{
	struct secret *s = lx_checksecret(L, 1);
	struct err e = ERR_INIT;
	struct found *f;

	lx_checknargs(L, 1);
	f = found_new(L);
	if (bw_list_each(secret_bytes(s), secret_len(s), found_add, f, &e) != 0)
		return lx_fail(L, &e);
	push_places(L, f, true);
	buf_free(&f->buf);
	return 1;
}

/* bw.data_index(data: secret) -> { [collection id or ""] = { [item id] = second
 * of its last change, ... } } | nil, err(VaultProtocol): what bw's data file has,
 * without trash and archive */
static int
lbw_data_index(lua_State *L)
{
	struct secret *s = lx_checksecret(L, 1);
	struct err e = ERR_INIT;
	struct found *f;

	lx_checknargs(L, 1);
	f = found_new(L);
	if (bw_data_each(secret_bytes(s), secret_len(s), found_add_present, f,
	    &e) != 0)
		return lx_fail(L, &e);
	push_places(L, f, false);
	buf_free(&f->buf);
	return 1;
}

/* bw.token_time(data: secret) -> UNIX seconds by the server's clock | nil */
static int
lbw_token_time(lua_State *L)
{
	struct secret *s = lx_checksecret(L, 1);
	int64_t at;

	lx_checknargs(L, 1);
	at = bw_data_token_time(secret_bytes(s), secret_len(s));
	if (at < 0)
		lua_pushnil(L);
	else
		lua_pushinteger(L, at);
	return 1;
}

/* bw.read_data(dir) -> secret, the text of bw's data file | nil,
 * err(NotFound, VaultNotConfigured, VaultProtocol) */
static int
lbw_read_data(lua_State *L)
{
	const char *dir = lx_checkstr(L, 1);
	struct err e = ERR_INIT;
	struct secret *s;

	lx_checknargs(L, 1);
	s = bw_data_read(dir, &e);
	if (s == NULL)
		return lx_fail(L, &e);
	lx_push_secret(L, s);
	return 1;
}

/* bw.stamp(path) -> string: another one when the file has changed, "" when it
 * cannot be read; tells nothing about its content */
static int
lbw_stamp(lua_State *L)
{
	char stamp[BW_STAMP_MAX];

	lx_checknargs(L, 1);
	bw_stamp(lx_checkstr(L, 1), stamp);
	lua_pushstring(L, stamp);
	return 1;
}

/* bw.password_json(string | secret) -> secret, {"password":"..."} | nil,
 * err(VaultNotConfigured: not UTF-8) */
static int
lbw_password_json(lua_State *L)
{
	struct err e = ERR_INIT;
	const char *text;
	struct secret *s;
	size_t len;

	lx_checknargs(L, 1);
	text = lbw_check_text(L, 1, &len);
	s = bw_password_json(text, len, &e);
	if (s == NULL)
		return lx_fail(L, &e);
	lx_push_secret(L, s);
	return 1;
}

void
lbw_list_setup(lua_State *L)
{
	static const luaL_Reg meta[] = {
		{ "__gc", lfound_gc },
		{ NULL, NULL }
	};
	static const luaL_Reg funcs[] = {
		{ "index", lbw_index },
		{ "data_index", lbw_data_index },
		{ "token_time", lbw_token_time },
		{ "read_data", lbw_read_data },
		{ "stamp", lbw_stamp },
		{ "password_json", lbw_password_json },
		{ NULL, NULL }
	};

	lx_newclass(L, FOUND_CLASS, NULL, meta);
	luaL_setfuncs(L, funcs, 0);
}
