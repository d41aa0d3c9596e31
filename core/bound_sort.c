/*
 * bound_sort.c - table.sort(list [, less]), bounded.
 *
 * A merge sort from the bottom up, between two lists of its own, as a machine
 * that can stop before each comparison: so a long sort pauses, `less` may wait,
 * and one that contradicts itself ends like any other. What it gives is stable.
 * The list is written back at the end, so an error leaves it as it was.
 */
#include <limits.h>

#include <lauxlib.h>
#include <lua.h>

#include "bound.h"
#include "task.h"

#define BATCH	500		/* units between two charges */

enum { LIST = 1, LESS, STATE, FROM, TO };	/* stack indices */

struct sort {
	lua_Integer n;
	lua_Integer width;		/* of the runs that are merged */
	lua_Integer lo, mid, hi;	/* runs [lo, mid) and [mid, hi) */
	lua_Integer i, j, k;		/* next of each; where it goes */
	int64_t units;
};

/* Set up the merge at lo. */
static void
sort_pair(struct sort *s, lua_Integer lo)
{
	lua_Integer n = s->n;

	s->lo = lo;
	s->mid = lo + s->width < n ? lo + s->width : n;
	s->hi = s->mid + s->width < n ? s->mid + s->width : n;
	s->i = s->k = s->lo;
	s->j = s->mid;
}

/* Next pair of runs, or next width; false when all is sorted. */
static bool
sort_next(lua_State *L, struct sort *s)
{
	if (s->hi < s->n) {
		sort_pair(s, s->hi);
		return true;
	}
	s->width *= 2;
	lua_insert(L, FROM);		/* TO, which is on top */
	sort_pair(s, 0);
	return s->width < s->n;
}

/* What comparing two values costs: strings are read as far as they agree. */
static int64_t
sort_cost(lua_State *L, int a, int b)
{
	size_t la, lb;

	if (lua_type(L, a) != LUA_TSTRING || lua_type(L, b) != LUA_TSTRING)
		return 10;
	la = lua_rawlen(L, a);
	lb = lua_rawlen(L, b);
	return 10 + (int64_t)((la < lb ? la : lb) / 16);
}

/* Take element i of FROM as the next one of TO. */
static void
sort_take(lua_State *L, struct sort *s, lua_Integer i)
{
	lua_rawgeti(L, FROM, i + 1);
	lua_rawseti(L, TO, ++s->k);
}

static void
sort_took(lua_State *L, struct sort *s, bool less)
{
	if (less)
		sort_take(L, s, s->j++);
	else
		sort_take(L, s, s->i++);
}

static int sort_run(lua_State *L, struct sort *s);

static int
sort_continue(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	return sort_run(L, (struct sort *)ctx);
}

static int
sort_compared(lua_State *L, int status, lua_KContext ctx)
{
	struct sort *s = (struct sort *)ctx;
	bool less = lua_toboolean(L, -1);

	(void)status;
	lua_pop(L, 1);
	sort_took(L, s, less);
	return sort_run(L, s);
}

/* Is the next of the right run less than the next of the left one? */
static void
sort_compare(lua_State *L, struct sort *s)
{
	bool less;

	if (lua_isnil(L, LESS)) {
		lua_rawgeti(L, FROM, s->j + 1);
		lua_rawgeti(L, FROM, s->i + 1);
		s->units += sort_cost(L, -1, -2);
		less = lua_compare(L, -2, -1, LUA_OPLT);
		lua_pop(L, 2);
	} else {
		lua_pushvalue(L, LESS);
		lua_rawgeti(L, FROM, s->j + 1);
		lua_rawgeti(L, FROM, s->i + 1);
		s->units += 10;
		lua_callk(L, 2, 1, (lua_KContext)s, sort_compared);
		less = lua_toboolean(L, -1);
		lua_pop(L, 1);
	}
	sort_took(L, s, less);
}

static int
sort_run(lua_State *L, struct sort *s)
{
	lua_Integer i;

	do {
		while (s->i < s->mid && s->j < s->hi) {
			if (s->units > BATCH) {
				i = s->units;
				s->units = 0;
				if (task_charge(L, i))
					return task_pause(L, (lua_KContext)s,
					    sort_continue);
			}
			sort_compare(L, s);
		}
		s->units += s->hi - s->k;
		while (s->i < s->mid)
			sort_take(L, s, s->i++);
		while (s->j < s->hi)
			sort_take(L, s, s->j++);
	} while (sort_next(L, s));
	for (i = 1; i <= s->n; i++) {
		lua_rawgeti(L, FROM, i);
		lua_seti(L, LIST, i);
	}
	task_charge(L, s->units + s->n);
	return 0;
}

int
bound_sort(lua_State *L)
{
	lua_Integer n, i;
	struct sort *s;

	luaL_checkany(L, 1);
	if (lua_type(L, 1) != LUA_TTABLE &&
	    luaL_getmetafield(L, 1, "__len") == LUA_TNIL)
		luaL_checktype(L, 1, LUA_TTABLE);
	n = bound_length(L, "sort");
	if (n < 2)
		return 0;
	luaL_argcheck(L, n < INT_MAX, 1, "array too big");
	if (!lua_isnoneornil(L, LESS))
		luaL_checktype(L, LESS, LUA_TFUNCTION);
	lua_settop(L, LESS);
	s = lua_newuserdatauv(L, sizeof(*s), 0);
	*s = (struct sort){ .n = n, .width = 1 };
	lua_createtable(L, (int)n, 0);
	lua_createtable(L, (int)n, 0);
	for (i = 1; i <= n; i++) {
		lua_geti(L, LIST, i);
		lua_rawseti(L, FROM, i);
	}
	sort_pair(s, 0);
	return sort_run(L, s);
}
