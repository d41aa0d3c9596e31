/*
 * lua_json_order.c - the order of an object's keys, prepared once.
 *
 * json.ordered() makes a metatable that carries a struct json_order: the keys as
 * the encoder writes them, and a table that finds a key's place by the address
 * of its string. Lua keeps one copy of each string of up to 40 bytes, and the
 * list in the user value keeps that copy alive; longer keys are compared.
 */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_json_priv.h"
#include "lx.h"
#include "mem.h"

#define ORDER_CLASS	"colibri.order"
#define ORDER_MAX	1000	/* keys */
#define SHORT_MAX	40	/* LUAI_MAXSHORTLEN */

const char lua_json_kind_key = 0;

struct order_key {
	const char *name;	/* the Lua string's bytes */
	size_t len;
	size_t text, text_len;	/* "name": in texts */
};
struct json_order {
	size_t n, mask;
	struct order_key *keys;
	uint16_t *places;	/* by address: index + 1, 0: free */
	struct buf texts;
};

static size_t
order_hash(const struct json_order *o, const char *name)
{
	uint64_t h = (uint64_t)(uintptr_t)name * 0x9e3779b97f4a7c15u;

	return (size_t)(h >> 40) & o->mask;
}

size_t
lua_json_order_rank(const struct json_order *o, const char *name, size_t len)
{
	size_t at, i;

	for (at = order_hash(o, name); o->places[at] != 0;
	    at = (at + 1) & o->mask) {
		if (o->keys[o->places[at] - 1].name == name)
			return o->places[at] - 1u;
	}
	for (i = 0; len > SHORT_MAX && i < o->n; i++) {
		if (o->keys[i].len == len &&
		    memcmp(o->keys[i].name, name, len) == 0)
			return i;
	}
	return o->n;
}

size_t
lua_json_order_count(const struct json_order *o)
{
	return o->n;
}

const char *
lua_json_order_text(const struct json_order *o, size_t rank, size_t *len)
{
	*len = o->keys[rank].text_len;
	return o->texts.data + o->keys[rank].text;
}

static void
order_add(struct json_order *o, const char *name, size_t len)
{
	struct order_key *k = &o->keys[o->n];
	size_t at = order_hash(o, name);

	if (lua_json_order_rank(o, name, len) < o->n)
		return;			/* named twice */
	*k = (struct order_key){ name, len, o->texts.len, 0 };
	lua_json_add_string(&o->texts, name, len);
	buf_add_byte(&o->texts, ':');
	k->text_len = o->texts.len - k->text;
	while (o->places[at] != 0)
		at = (at + 1) & o->mask;
	o->places[at] = (uint16_t)++o->n;
}

static int
lorder_gc(lua_State *L)
{
	struct json_order *o = luaL_checkudata(L, 1, ORDER_CLASS);

	free(o->keys);
	free(o->places);
	buf_free(&o->texts);
	*o = (struct json_order){ 0 };
	return 0;
}

/* Push the order of the list at idx; what is no string in it is left out. */
static void
order_push(lua_State *L, int idx)
{
	static const luaL_Reg meta[] = { { "__gc", lorder_gc }, { NULL, NULL } };
	size_t i, len, n = lua_rawlen(L, idx), slots = 4;
	struct json_order *o;
	const char *name;

	luaL_argcheck(L, n <= ORDER_MAX, idx, "too many keys");
	while (slots < 2 * n)
		slots *= 2;
	o = lua_newuserdatauv(L, sizeof(*o), 1);
	*o = (struct json_order){ .mask = slots - 1,
	    .keys = xcalloc(n, sizeof(*o->keys)),
	    .places = xcalloc(slots, sizeof(*o->places)) };
	lx_newclass(L, ORDER_CLASS, NULL, meta);
	luaL_setmetatable(L, ORDER_CLASS);
	lua_createtable(L, (int)n, 0);
	for (i = 1; i <= n; i++) {
		if (lua_rawgeti(L, idx, (lua_Integer)i) != LUA_TSTRING) {
			lua_pop(L, 1);
			continue;
		}
		name = lua_tolstring(L, -1, &len);
		lua_rawseti(L, -2, (lua_Integer)i);
		order_add(o, name, len);
	}
	lua_setiuservalue(L, -2, 1);
}

int
lua_json_ordered(lua_State *L)
{
	lx_checknargs(L, 1);
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_createtable(L, 0, 1);
	order_push(L, 1);
	lua_rawsetp(L, -2, &lua_json_kind_key);
	return 1;
}
