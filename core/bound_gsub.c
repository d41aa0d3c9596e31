/*
 * bound_gsub.c - string.gsub, bounded: it pauses, and its callback may wait.
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "bound_priv.h"
#include "task.h"

static struct matching *
out_add(lua_State *L, struct matching *x, const void *p, size_t len)
{
	size_t size = x->size;
	char *out;

	x->m.fuel -= (int64_t)(len / 16);
	if (len > size - x->len) {
		x = matching_keep(L, x);
		while (len > size - x->len)
			size *= 2;
		out = lua_newuserdatauv(L, size, 0);
		memcpy(out, x->out, x->len);
		lua_setiuservalue(L, x->slot, UV_OUT);
		x->out = out;
		x->size = size;
	}
	if (len > 0)
		memcpy(x->out + x->len, p, len);
	x->len += len;
	return x;
}

/* The value on top, a string or number, goes to the result. */
static struct matching *
out_add_value(lua_State *L, struct matching *x)
{
	size_t len;
	const char *p = lua_tolstring(L, -1, &len);

	/* It stays on the stack below what out_add() may push. */
	x = out_add(L, x, p, len);
	lua_pop(L, 1);
	return x;
}

/* A replacement string, with its %0 to %9 and %%. */
static struct matching *
out_add_text(lua_State *L, struct matching *x)
{
	size_t len;
	const char *p = lua_tolstring(L, 3, &len), *end = p + len, *esc;

	while ((esc = memchr(p, '%', (size_t)(end - p))) != NULL) {
		x = out_add(L, x, p, (size_t)(esc - p));
		p = esc + 1;
		if (p < end && *p == '%') {
			x = out_add(L, x, p, 1);
		} else if (p < end && *p == '0') {
			x = out_add(L, x, x->s, (size_t)(x->m.end - x->s));
		} else if (p < end && *p > '0' && *p <= '9') {
			push_capture(L, &x->m, *p - '1', x->s, x->m.end);
			x = out_add_value(L, x);
		} else {
			luaL_error(L, "invalid use of '%%' in replacement "
			    "string");
		}
		p++;
	}
	return out_add(L, x, p, (size_t)(end - p));
}

/* What a table or function gave for a match: false and nil keep it. */
static struct matching *
gsub_got(lua_State *L, struct matching *x)
{
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		return out_add(L, x, x->s, (size_t)(x->m.end - x->s));
	}
	if (!lua_isstring(L, -1))
		luaL_error(L, "invalid replacement value (a %s)",
		    luaL_typename(L, -1));
	x->changed = true;
	return out_add_value(L, x);
}

static int gsub_run(lua_State *L, struct matching *x);

static int
gsub_continue(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	return gsub_run(L, (struct matching *)ctx);
}

/* After the next match was replaced. Returns whether to go on. */
static bool
gsub_next(struct matching *x)
{
	x->src = x->last = x->m.end;
	if (x->anchored || x->n >= x->max)
		return false;
	matching_begin(x, x->src);
	return true;
}

static int
gsub_called(lua_State *L, int status, lua_KContext ctx)
{
	struct matching *x = gsub_got(L, (struct matching *)ctx);

	(void)status;
	x->max = gsub_next(x) ? x->max : x->n;
	return gsub_run(L, x);
}

static int
gsub_finish(lua_State *L, struct matching *x)
{
	if (x->changed) {
		x = out_add(L, x, x->src, (size_t)(x->m.text_end - x->src));
		lua_pushlstring(L, x->out, x->len);
	} else {
		lua_pushvalue(L, 1);
	}
	lua_pushinteger(L, x->n);
	if (FUEL - x->m.fuel > BOUND_SMALL)
		task_charge(L, FUEL - x->m.fuel);
	return 2;
}

static int
gsub_run(lua_State *L, struct matching *x)
{
	enum pattern_result r;
	int n;

	while (x->n < x->max) {
		r = matching_search(L, &x);
		if (r == PATTERN_MORE)
			return task_pause(L, (lua_KContext)x, gsub_continue);
		if (r == PATTERN_FAIL)
			break;
		x->n++;
		x = out_add(L, x, x->src, (size_t)(x->s - x->src));
		switch (lua_type(L, 3)) {
		case LUA_TFUNCTION:
			x = matching_keep(L, x);
			lua_pushvalue(L, 3);
			n = push_captures(L, &x->m, x->s);
			lua_callk(L, n, 1, (lua_KContext)x, gsub_called);
			x = gsub_got(L, x);
			break;
		case LUA_TTABLE:
			push_capture(L, &x->m, 0, x->s, x->m.end);
			lua_gettable(L, 3);
			x = gsub_got(L, x);
			break;
		default:
			x = out_add_text(L, x);
			x->changed = true;
		}
		if (!gsub_next(x))
			break;
	}
	return gsub_finish(L, x);
}

int
bound_gsub(lua_State *L)
{
	size_t len, pat_len;
	const char *text = luaL_checklstring(L, 1, &len);
	const char *pat = luaL_checklstring(L, 2, &pat_len);
	int type = lua_type(L, 3);
	struct matching x;

	luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING ||
	    type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
	    "string/function/table");
	matching_init(&x, 4, text, len, pat, pat_len);
	x.max = luaL_optinteger(L, 4, (lua_Integer)len + 1);
	lua_settop(L, 4);
	matching_anchor(&x);
	x.src = x.m.text;
	matching_begin(&x, x.src);
	return gsub_run(L, &x);
}
