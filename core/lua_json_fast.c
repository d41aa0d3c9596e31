/*
 * lua_json_fast.c - the decoder of plain texts.
 *
 * What clients send is nearly always plain: objects, lists, literals, integers
 * and ASCII without escapes. Such a text becomes a value in one pass here, at a
 * seventh of what the scan, lua-cjson and the repair take together
 * (tests/bench). This decoder refuses nothing: whatever it does not know it
 * leaves to them, so their rules and their errors hold. tests/fuzz/json_fuzz.c
 * compares the two.
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_json_priv.h"

#define PLAIN_DEPTH	16
#define PLAIN_DIGITS	15	/* exact in a double, so lua-cjson agrees */
#define PLAIN_MEMBERS	4	/* room in a new object */

struct plain {
	lua_State *L;
	const unsigned char *p, *end;
};

/* Each of these pushes one value and moves on, or returns false. */
static bool plain_value(struct plain *s, int depth);

/* The next byte that is not blank, or '\0' at the end. */
static unsigned char
plain_next(struct plain *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' ||
	    *s->p == '\r' || *s->p == '\n'))
		s->p++;
	return s->p < s->end ? *s->p : '\0';
}

static bool
plain_string(struct plain *s)
{
	const unsigned char *first = ++s->p;

	while (s->p < s->end && *s->p >= 0x20 && *s->p < 0x80 &&
	    *s->p != '"' && *s->p != '\\')
		s->p++;
	if (s->p == s->end || *s->p != '"')
		return false;
	lua_pushlstring(s->L, (const char *)first, (size_t)(s->p - first));
	s->p++;
	return true;
}

static bool
plain_integer(struct plain *s)
{
	bool negative = *s->p == '-';
	const unsigned char *first = s->p += negative;
	lua_Integer v = 0;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9' &&
	    s->p - first <= PLAIN_DIGITS)
		v = v * 10 + (*s->p++ - '0');
	if (s->p == first || s->p - first > PLAIN_DIGITS ||
	    (*first == '0' && s->p - first > 1) ||
	    (s->p < s->end && (*s->p == '.' || (*s->p | 0x20) == 'e')))
		return false;
	lua_pushinteger(s->L, negative ? -v : v);
	return true;
}

static bool
plain_word(struct plain *s, const char *word, size_t len)
{
	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return false;
	s->p += len;
	return true;
}

static bool
plain_list(struct plain *s, int depth)
{
	lua_Integer n = 0;

	lua_newtable(s->L);
	lua_json_mark_array(s->L, -1);
	s->p++;
	if (plain_next(s) == ']') {
		s->p++;
		return true;
	}
	while (plain_value(s, depth)) {
		lua_rawseti(s->L, -2, ++n);
		switch (plain_next(s)) {
		case ',':
			s->p++;
			break;
		case ']':
			s->p++;
			return true;
		default:
			return false;
		}
	}
	return false;
}

static bool
plain_object(struct plain *s, int depth)
{
	lua_createtable(s->L, 0, PLAIN_MEMBERS);
	s->p++;
	if (plain_next(s) == '}') {
		s->p++;
		return true;
	}
	while (plain_next(s) == '"' && plain_string(s) &&
	    plain_next(s) == ':') {
		s->p++;
		if (!plain_value(s, depth))
			return false;
		lua_rawset(s->L, -3);
		switch (plain_next(s)) {
		case ',':
			s->p++;
			break;
		case '}':
			s->p++;
			return true;
		default:
			return false;
		}
	}
	return false;
}

static bool
plain_value(struct plain *s, int depth)
{
	switch (plain_next(s)) {
	case '"':
		return plain_string(s);
	case '{':
		return depth < PLAIN_DEPTH && plain_object(s, depth + 1);
	case '[':
		return depth < PLAIN_DEPTH && plain_list(s, depth + 1);
	case 't':
		lua_pushboolean(s->L, 1);
		return plain_word(s, "true", 4);
	case 'f':
		lua_pushboolean(s->L, 0);
		return plain_word(s, "false", 5);
	case 'n':
		lua_pushlightuserdata(s->L, NULL);	/* json.null */
		return plain_word(s, "null", 4);
	case '-': case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		return plain_integer(s);
	default:
		return false;
	}
}

bool
lua_json_decode_plain(lua_State *L, const char *text, size_t len)
{
	struct plain s = { .L = L, .p = (const unsigned char *)text };
	int top = lua_gettop(L);

	s.end = s.p + len;
	luaL_checkstack(L, 3 * PLAIN_DEPTH + 6, "json");
	if (plain_value(&s, 0)) {
		plain_next(&s);
		if (s.p == s.end)
			return true;
	}
	lua_settop(L, top);
	return false;
}
