/*
 * lua_json.c - core.json: decoding by lua-cjson behind our rules.
 *
 * lua-cjson turns 1 into 1.0, 12345678901234567890 into something else, [] into
 * {} and accepts bytes that are no UTF-8. One pass over the text before it
 * (json_scan) refuses or notes those things; a walk over the result repairs it,
 * and is left out when the scan saw neither numbers nor lists. Plain texts do
 * not come this far: lua_json_fast.c. The encoder is lua_json_enc.c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_json.h"
#include "lua_json_priv.h"
#include "lua_open.h"
#include "lx.h"
#include "task.h"
#include "utf8.h"
#include "vm.h"
#include "vm_load.h"

#define EXACT_MAX	9007199254740992.0	/* 2^53 */

#define NUMBER_MAX	400	/* bytes of one number */

/* Stands for [] while lua-cjson decodes: a list with this one string, random
 * so that nobody can send it. */
static char empty_mark[33];

static const char decode_key, array_key;	/* registry keys */

struct json_scan {
	bool numbers, lists;	/* at least one outside strings */
	size_t empties;		/* how many [] */
	const char *wrong;	/* NULL: fine */
};

/* Past the closing quote of the string that starts at p, or NULL. */
static const unsigned char *
json_scan_string(const unsigned char *p, const unsigned char *end,
    struct json_scan *scan)
{
	size_t n;

	for (p++; p < end; p += n) {
		if (*p == '"')
			return p + 1;
		n = 1;
		if (*p == '\\') {
			n = 2;
		} else if (*p < 0x20) {
			scan->wrong = "control byte in a string";
			return NULL;
		} else if (*p >= 0x80) {
			n = utf8_len(p, (size_t)(end - p));
			if (n == 0) {
				scan->wrong = "invalid UTF-8";
				return NULL;
			}
		}
	}
	scan->wrong = "string without an end";
	return NULL;
}

static const unsigned char *
json_scan_digits(const unsigned char *p, const unsigned char *end,
    struct json_scan *scan)
{
	const unsigned char *first = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	if (p == first)
		scan->wrong = "malformed number";
	return p;
}

/* Past the number at p (RFC 8259, 6); refuses what a double cannot keep: an
 * integer beyond 2^53, a number beyond its range. */
static const unsigned char *
json_scan_number(const unsigned char *p, const unsigned char *end,
    struct json_scan *scan)
{
	const unsigned char *first = p, *digits;
	char text[NUMBER_MAX + 1];
	bool integer = true;

	scan->numbers = true;
	digits = p += *p == '-';
	p = json_scan_digits(p, end, scan);
	if (p - digits > 1 && *digits == '0')
		scan->wrong = "malformed number";
	if (p < end && *p == '.') {
		integer = false;
		p = json_scan_digits(p + 1, end, scan);
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		integer = false;
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = json_scan_digits(p, end, scan);
	}
	if (p - first > NUMBER_MAX) {
		scan->wrong = "number that is too long";
	} else if (scan->wrong == NULL && p - first > 15) {
		memcpy(text, first, (size_t)(p - first));
		text[p - first] = '\0';
		if (integer && fabs(strtod(text, NULL)) >= EXACT_MAX)
			scan->wrong = "integer beyond 2^53 in size";
	}
	if (scan->wrong == NULL && !integer) {
		memcpy(text, first, (size_t)(p - first));
		text[p - first] = '\0';
		if (!isfinite(strtod(text, NULL)))
			scan->wrong = "number out of range";
	}
	return p;
}

static const unsigned char *
json_skip_blank(const unsigned char *p, const unsigned char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' ||
	    *p == '\n'))
		p++;
	return p;
}

/* One pass before lua-cjson sees the text. */
static void
json_scan(const char *text, size_t len, struct json_scan *scan)
{
	const unsigned char *p = (const unsigned char *)text, *q;
	const unsigned char *end = p + len;
	int depth = 0;

	while (p != NULL && p < end && scan->wrong == NULL) {
		if (*p == '"') {
			p = json_scan_string(p, end, scan);
		} else if (*p == '-' || (*p >= '0' && *p <= '9')) {
			p = json_scan_number(p, end, scan);
		} else if (*p >= 0x80 || *p == '\0') {
			scan->wrong = "unexpected byte";
		} else {
			if (*p == '[') {
				scan->lists = true;
				q = json_skip_blank(p + 1, end);
				scan->empties += q < end && *q == ']';
			}
			if (*p == '[' || *p == '{')
				depth++;
			else if (*p == ']' || *p == '}')
				depth--;
			if (depth > JSON_DEPTH)
				scan->wrong = "nested too deeply";
			p++;
		}
	}
}

/* A copy of the text, pushed, in which every [] holds empty_mark. */
static void
json_mark_empties(lua_State *L, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *q, *from = p;
	const unsigned char *end = p + len;
	struct json_scan scan = { 0 };
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	while (p < end) {
		if (*p == '"') {
			p = json_scan_string(p, end, &scan);
			continue;
		}
		if (*p++ != '[')
			continue;
		q = json_skip_blank(p, end);
		if (q < end && *q == ']') {
			luaL_addlstring(&b, (const char *)from,
			    (size_t)(p - from));
			luaL_addchar(&b, '"');
			luaL_addstring(&b, empty_mark);
			luaL_addchar(&b, '"');
			from = p = q;
		}
	}
	luaL_addlstring(&b, (const char *)from, (size_t)(end - from));
	luaL_pushresult(&b);
}

void
lua_json_mark_array(lua_State *L, int idx)
{
	idx = lua_absindex(L, idx);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
	lua_setmetatable(L, idx);
}

static bool
json_is_empty_mark(lua_State *L, int idx)
{
	const char *s;
	size_t len;
	bool yes;

	if (lua_rawlen(L, idx) != 1)
		return false;
	lua_rawgeti(L, idx, 1);
	s = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
	yes = s != NULL && len == sizeof(empty_mark) - 1 &&
	    memcmp(s, empty_mark, len) == 0;
	lua_pop(L, 1);
	return yes;
}

/* Repair the value on top: exact integers, empty lists. */
static void
json_repair(lua_State *L)
{
	double d;

	if (lua_type(L, -1) == LUA_TNUMBER && !lua_isinteger(L, -1)) {
		d = lua_tonumber(L, -1);
		if (d >= -EXACT_MAX && d <= EXACT_MAX &&
		    d == (double)(int64_t)d) {
			lua_pop(L, 1);
			lua_pushinteger(L, (lua_Integer)d);
		}
		return;
	}
	if (lua_type(L, -1) != LUA_TTABLE)
		return;
	if (json_is_empty_mark(L, -1)) {
		lua_pushnil(L);
		lua_rawseti(L, -2, 1);
		lua_json_mark_array(L, -1);
		return;
	}
	if (lua_rawlen(L, -1) > 0)
		lua_json_mark_array(L, -1);
	luaL_checkstack(L, 6, "json");
	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		if (lua_type(L, -1) == LUA_TNUMBER ||
		    lua_type(L, -1) == LUA_TTABLE) {
			json_repair(L);
			lua_pushvalue(L, -2);
			lua_insert(L, -2);
			lua_rawset(L, -4);	/* existing key: allowed */
		} else {
			lua_pop(L, 1);
		}
	}
}

int
lua_json_decode_any(lua_State *L, const char *text, size_t len, struct err *e)
{
	struct json_scan scan = { 0 };

	json_scan(text, len, &scan);
	if (scan.wrong != NULL)
		return err_set(e, "BadJson", "%s", scan.wrong);
	luaL_checkstack(L, 10, "json");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &decode_key);
	if (scan.empties > 0)
		json_mark_empties(L, text, len);
	else
		lua_pushlstring(L, text, len);
	if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
		err_set(e, "BadJson", "%s", lua_tostring(L, -1));
		lua_pop(L, 1);
		return -1;
	}
	if (scan.numbers || scan.lists)
		json_repair(L);
	return 0;
}

int
lua_json_decode(lua_State *L, const char *text, size_t len, struct err *e)
{
	if (lua_json_decode_plain(L, text, len))
		return 0;
	return lua_json_decode_any(L, text, len, e);
}

/* --- the module --- */

/* json.decode(text) -> value | nil, err(BadJson) */
static int
ljson_decode(lua_State *L)
{
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);
	struct err e = ERR_INIT;

	lx_checknargs(L, 1);
	task_charge(L, (int64_t)len / 2);
	if (lua_json_decode(L, text, len, &e) != 0)
		return lx_fail(L, &e);
	return 1;
}

static int
lbuf_gc(lua_State *L)
{
	buf_free(lua_touserdata(L, 1));
	return 0;
}

/* json.encode(value) -> text | nil, err(BadValue) */
static int
ljson_encode(lua_State *L)
{
	struct err e = ERR_INIT;
	struct buf *b;

	luaL_checkany(L, 1);
	lx_checknargs(L, 1);
	b = lua_newuserdatauv(L, sizeof(*b), 0);
	memset(b, 0, sizeof(*b));
	if (luaL_newmetatable(L, "colibri.buf")) {
		lua_pushcfunction(L, lbuf_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	if (lua_json_encode(L, 1, b, &e) != 0)
		return lx_fail(L, &e);
	lua_pushlstring(L, b->len > 0 ? b->data : "", b->len);
	task_charge(L, (int64_t)b->len / 2);
	buf_free(b);
	return 1;
}

/* json.array(t) -> t, marked as a list */
static int
ljson_array(lua_State *L)
{
	lx_checknargs(L, 1);
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_json_mark_array(L, 1);
	return 1;
}

/* json.is_array(v) -> boolean: a table marked as a list, or with [1] */
static int
ljson_is_array(lua_State *L)
{
	bool yes = false;

	lx_checknargs(L, 1);
	luaL_checkany(L, 1);
	if (lua_istable(L, 1)) {
		yes = lua_rawlen(L, 1) > 0;
		if (lua_getmetatable(L, 1)) {
			lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
			yes = yes || lua_rawequal(L, -1, -2);
		}
	}
	lua_pushboolean(L, yes);
	return 1;
}

static void
json_make_mark(lua_State *L)
{
	unsigned char bytes[16];
	size_t i;

	if (empty_mark[0] != '\0')
		return;
	if (getentropy(bytes, sizeof(bytes)) != 0)
		luaL_error(L, "no random bytes from the system");
	for (i = 0; i < sizeof(bytes); i++)
		snprintf(empty_mark + 2 * i, 3, "%02x", bytes[i]);
}

int
luaopen_core_json(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{ "decode", ljson_decode },
		{ "encode", ljson_encode },
		{ "array", ljson_array },
		{ "is_array", ljson_is_array },
		{ "ordered", lua_json_ordered },
		{ NULL, NULL }
	};

	json_make_mark(L);
	vm_push_cjson(L);
	lua_getfield(L, -1, "decode_max_depth");
	lua_pushinteger(L, JSON_DEPTH);
	lua_call(L, 1, 0);
	lua_getfield(L, -1, "decode_invalid_numbers");
	lua_pushboolean(L, 0);
	lua_call(L, 1, 0);
	lua_getfield(L, -1, "decode");
	lua_rawsetp(L, LUA_REGISTRYINDEX, &decode_key);
	lua_createtable(L, 0, 2);
	lua_pushliteral(L, "list");
	lua_setfield(L, -2, "__name");
	lua_pushboolean(L, 1);
	lua_rawsetp(L, -2, &lua_json_kind_key);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);
	luaL_newlib(L, funcs);
	lua_pushlightuserdata(L, NULL);		/* lua-cjson's null */
	lua_setfield(L, -2, "null");
	return 1;
}
