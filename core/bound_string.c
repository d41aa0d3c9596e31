/*
 * bound_string.c - string.find, match, gmatch and rep, bounded; the others of
 * string charged.
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "bound_priv.h"
#include "task.h"

/* An `init` argument as an offset; may be beyond the end. */
static size_t
init_offset(lua_State *L, int idx, size_t len)
{
	lua_Integer init = luaL_optinteger(L, idx, 1);

	if (init > 0)
		return (size_t)init - 1;
	if (init == 0 || init < -(lua_Integer)len)
		return 0;
	return len + (size_t)init;
}

/* --- find and match --- */

static int find_run(lua_State *L, struct matching *x);

static int
find_continue(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	return find_run(L, (struct matching *)ctx);
}

static int
find_run(lua_State *L, struct matching *x)
{
	enum pattern_result r = matching_search(L, &x);

	if (r == PATTERN_MORE)
		return task_pause(L, (lua_KContext)x, find_continue);
	if (FUEL - x->m.fuel > BOUND_SMALL)
		task_charge(L, FUEL - x->m.fuel);
	if (r == PATTERN_FAIL) {
		lua_pushnil(L);
		return 1;
	}
	if (!x->find)
		return push_captures(L, &x->m, x->s);
	lua_pushinteger(L, x->s - x->m.text + 1);
	lua_pushinteger(L, x->m.end - x->m.text);
	return 2 + push_captures(L, &x->m, NULL);
}

static int
find_plain(lua_State *L, const char *text, size_t len, const char *word,
    size_t word_len)
{
	/* Linear: the two-way algorithm on the systems we know. */
	const char *at = word_len == 0 ? text : memmem(text, len, word,
	    word_len);
	const char *base = lua_tostring(L, 1);

	if (len + word_len > 16 * BOUND_SMALL)
		task_charge(L, (int64_t)((at != NULL ? (size_t)(at - text) :
		    len) + word_len) / 16);
	if (at == NULL) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, at - base + 1);
	lua_pushinteger(L, at - base + (lua_Integer)word_len);
	return 2;
}

static int
find_or_match(lua_State *L, bool find)
{
	size_t len, pat_len, init;
	const char *text = luaL_checklstring(L, 1, &len);
	const char *pat = luaL_checklstring(L, 2, &pat_len);
	struct matching x;

	init = init_offset(L, 3, len);
	if (init > len) {
		lua_pushnil(L);
		return 1;
	}
	if (find && (lua_toboolean(L, 4) || pattern_is_plain(pat, pat_len)))
		return find_plain(L, text + init, len - init, pat, pat_len);
	lua_settop(L, 3);
	matching_init(&x, 3, text, len, pat, pat_len);
	x.find = find;
	matching_anchor(&x);
	matching_begin(&x, x.m.text + init);
	return find_run(L, &x);
}

/* string.find(s, pattern [, init [, plain]]) */
static int
lstring_find(lua_State *L)
{
	return find_or_match(L, true);
}

/* string.match(s, pattern [, init]) */
static int
lstring_match(lua_State *L)
{
	return find_or_match(L, false);
}

/* --- gmatch --- */

static int gmatch_run(lua_State *L, struct matching *x);

static int
gmatch_continue(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	return gmatch_run(L, (struct matching *)ctx);
}

static int
gmatch_run(lua_State *L, struct matching *x)
{
	enum pattern_result r = matching_search(L, &x);

	if (r == PATTERN_MORE)
		return task_pause(L, (lua_KContext)x, gmatch_continue);
	x->busy = false;
	if (FUEL - x->m.fuel > BOUND_SMALL)
		task_charge(L, FUEL - x->m.fuel);
	x->m.fuel = FUEL;
	if (r == PATTERN_FAIL) {
		x->src = NULL;		/* and so it stays */
		return 0;
	}
	x->src = x->last = x->m.end;
	return push_captures(L, &x->m, x->s);
}

/* The iterator; upvalue 1 is the matching. */
static int
gmatch_next(lua_State *L)
{
	struct matching *x = lua_touserdata(L, lua_upvalueindex(1));

	if (x->busy)
		return luaL_error(L, "this iterator of gmatch is at work in "
		    "another coroutine");
	if (x->src == NULL)
		return 0;
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	x->busy = true;
	matching_begin(x, x->src);
	return gmatch_run(L, x);
}

/* string.gmatch(s, pattern [, init]) */
static int
lstring_gmatch(lua_State *L)
{
	size_t len, pat_len, init;
	const char *text = luaL_checklstring(L, 1, &len);
	const char *pat = luaL_checklstring(L, 2, &pat_len);
	struct matching *x;

	init = init_offset(L, 3, len);
	x = lua_newuserdatauv(L, sizeof(*x), UV_PATTERN);
	matching_init(x, 1, text, len, pat, pat_len);
	x->kept = true;
	x->src = init > len ? NULL : x->m.text + init;
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, UV_TEXT);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, -2, UV_PATTERN);
	lua_pushcclosure(L, gmatch_next, 1);
	return 1;
}

/* --- rep --- */

/* string.rep(s, n [, sep]): upvalue 1 is the stock function, which would count
 * up to n even when there is nothing to repeat. */
static int
lstring_rep(lua_State *L)
{
	lua_CFunction stock = lua_tocfunction(L, lua_upvalueindex(1));
	size_t len, sep_len;
	int n;

	luaL_checklstring(L, 1, &len);
	luaL_checkinteger(L, 2);
	luaL_optlstring(L, 3, "", &sep_len);
	if (len + sep_len == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	n = stock(L);
	task_charge(L, (int64_t)lua_rawlen(L, -1) / 8);
	return n;
}

void
bound_open_string(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{ "find", lstring_find },
		{ "match", lstring_match },
		{ "gmatch", lstring_gmatch },
		{ "gsub", bound_gsub },
		{ NULL, NULL }
	};
	static const char *const linear[] = { "byte", "char", "format",
	    "lower", "pack", "packsize", "reverse", "sub", "unpack", "upper" };
	size_t i;

	luaL_setfuncs(L, funcs, 0);
	for (i = 0; i < ARRAY_LEN(linear); i++)
		bound_charge(L, linear[i]);
	lua_getfield(L, -1, "rep");
	lua_pushcclosure(L, lstring_rep, 1);
	lua_setfield(L, -2, "rep");
}
