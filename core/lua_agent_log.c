/*
 * lua_agent_log.c - what an agent wrote, from the shim's files.
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_agent_priv.h"
#include "lx.h"
#include "utf8.h"

#define READ_MAX	(256 * 1024)

static bool
check_stream(lua_State *L, int idx)
{
	static const char *const names[] = { "out", "err", NULL };

	return luaL_checkoption(L, idx, "out", names) == 1;
}

static uint64_t
check_pos(lua_State *L, int idx)
{
	lua_Integer n = luaL_checkinteger(L, idx);

	luaL_argcheck(L, n >= 0, idx, "not a position");
	return (uint64_t)n;
}

/* How much of the bytes to give out: whole lines, if there is one. */
static size_t
whole_lines(const char *bytes, size_t len)
{
	const char *nl = memrchr(bytes, '\n', len);

	return nl != NULL ? (size_t)(nl - bytes) + 1 : len;
}

static bool
is_utf8(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t i = 0, n;

	while (i < len) {
		if (p[i] < 0x80) {
			i++;
			continue;
		}
		n = utf8_len(p + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static void
push_base64(lua_State *L, const char *text, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)text;
	luaL_Buffer out;
	char four[4];
	uint32_t v;
	size_t i;

	luaL_buffinitsize(L, &out, (len + 2) / 3 * 4);
	for (i = 0; i < len; i += 3) {
		v = (uint32_t)p[i] << 16;
		v |= i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0;
		v |= i + 2 < len ? p[i + 2] : 0;
		four[0] = digits[v >> 18];
		four[1] = digits[v >> 12 & 63];
		four[2] = i + 1 < len ? digits[v >> 6 & 63] : '=';
		four[3] = i + 2 < len ? digits[v & 63] : '=';
		luaL_addlstring(&out, four, 4);
	}
	luaL_pushresult(&out);
}

/* agent.read_log(dir, "out" | "err", pos, max) -> text, next pos, missed,
 * encoding | nil at the end | nil, err: whole lines as far as max bytes hold
 * one; a line that is not complete is given out as far as it is there. missed:
 * bytes before text that rotation has removed. encoding: nil, or "base64" when
 * the bytes are no UTF-8 and text is their base64. */
int
lagent_read_log(lua_State *L)
{
	const char *dir = lx_checkstr(L, 1);
	struct agent_log_pos pos = { .err = check_stream(L, 2),
	    .at = check_pos(L, 3) };
	lua_Integer max = luaL_checkinteger(L, 4);
	struct err e = ERR_INIT;
	uint64_t missed;
	char *bytes;
	ssize_t got;
	size_t n;

	lx_checknargs(L, 4);
	luaL_argcheck(L, max >= 1 && max <= READ_MAX, 4, "not a size");
	bytes = lua_newuserdatauv(L, (size_t)max, 0);
	got = agent_log_read(dir, &pos, bytes, (size_t)max, &missed, &e);
	if (got < 0)
		return lx_fail(L, &e);
	if (got == 0) {
		lua_pushnil(L);
		return 1;
	}
	n = whole_lines(bytes, (size_t)got);
	pos.at -= (size_t)got - n;
	if (is_utf8(bytes, n))
		lua_pushlstring(L, bytes, n);
	else
		push_base64(L, bytes, n);
	lua_pushinteger(L, (lua_Integer)pos.at);
	lua_pushinteger(L, (lua_Integer)missed);
	if (is_utf8(bytes, n))
		return 3;
	lua_pushliteral(L, "base64");
	return 4;
}

/* agent.log_range(dir, "out" | "err" [, since]) -> begin, end, from | nil, err:
 * positions of the first byte that is kept and behind the last, and where what
 * came at or after `since` (UNIX seconds) begins */
int
lagent_log_range(lua_State *L)
{
	const char *dir = lx_checkstr(L, 1);
	bool err = check_stream(L, 2);
	lua_Integer since = luaL_optinteger(L, 3, 0);
	uint64_t begin, end, from;
	struct err e = ERR_INIT;

	lx_checknargs(L, 3);
	if (agent_log_range(dir, err, since, &begin, &end, &from, &e) != 0)
		return lx_fail(L, &e);
	lua_pushinteger(L, (lua_Integer)begin);
	lua_pushinteger(L, (lua_Integer)end);
	lua_pushinteger(L, (lua_Integer)from);
	return 3;
}

/* agent.log_tail(dir, "out" | "err", lines) -> pos | nil, err: where the last
 * lines begin */
int
lagent_log_tail(lua_State *L)
{
	const char *dir = lx_checkstr(L, 1);
	bool err = check_stream(L, 2);
	uint64_t lines = check_pos(L, 3), from;
	struct err e = ERR_INIT;

	lx_checknargs(L, 3);
	if (agent_log_tail(dir, err, lines, &from, &e) != 0)
		return lx_fail(L, &e);
	lua_pushinteger(L, (lua_Integer)from);
	return 1;
}
