/*
 * bound_match.c - a search that can stop in the middle; see bound_priv.h.
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "bound_priv.h"
#include "task.h"

void
matching_init(struct matching *x, int slot, const char *text, size_t len,
    const char *pat, size_t pat_len)
{
	x->m.text = (const unsigned char *)text;
	x->m.text_end = x->m.text + len;
	x->m.pat = (const unsigned char *)pat;
	x->m.pat_end = x->m.pat + pat_len;
	x->m.fuel = FUEL;
	x->m.stack = x->first;
	x->m.stack_size = ARRAY_LEN(x->first);
	x->last = NULL;
	x->anchored = x->find = x->busy = x->kept = false;
	x->slot = slot;
	x->out = x->first_out;
	x->size = sizeof(x->first_out);
	x->len = 0;
	x->n = 0;
	x->changed = false;
}

/* A leading "^" is not for the matcher. */
void
matching_anchor(struct matching *x)
{
	if (x->m.pat < x->m.pat_end && *x->m.pat == '^') {
		x->m.pat++;
		x->anchored = true;
	}
}

void
matching_begin(struct matching *x, const unsigned char *s)
{
	x->s = s;
	pattern_start(&x->m, s);
}

/* Move x into a userdata, so that it outlives this C frame. */
struct matching *
matching_keep(lua_State *L, struct matching *x)
{
	struct matching *u;

	if (x->kept)
		return x;
	u = lua_newuserdatauv(L, sizeof(*u), UV_PATTERN);
	memcpy(u, x, sizeof(*u));
	u->kept = true;
	if (x->m.stack == x->first)
		u->m.stack = u->first;
	if (x->out == x->first_out)
		u->out = u->first_out;
	lua_replace(L, x->slot);
	return u;
}

static struct matching *
matching_grow(lua_State *L, struct matching *x)
{
	size_t n;
	void *p;

	x = matching_keep(L, x);
	n = x->m.stack_size * 2;
	p = lua_newuserdatauv(L, n * sizeof(*x->m.stack), 0);
	memcpy(p, x->m.stack, x->m.nstack * sizeof(*x->m.stack));
	lua_setiuservalue(L, x->slot, UV_STACK);
	x->m.stack = p;
	x->m.stack_size = n;
	return x;
}

/* Try one byte further; false at the end. */
static bool
matching_step(struct matching *x)
{
	if (x->anchored || x->s == x->m.text_end)
		return false;
	matching_begin(x, x->s + 1);
	return true;
}

/* The next match from where x stands; PATTERN_MORE: pause, then call again.
 * Raises what is wrong with the pattern. */
enum pattern_result
matching_search(lua_State *L, struct matching **xp)
{
	struct matching *x = *xp;

	for (;;) {
		switch (pattern_run(&x->m)) {
		case PATTERN_MATCH:
			if (x->m.end != x->last)
				return PATTERN_MATCH;
			if (!matching_step(x))	/* empty, at the last one */
				return PATTERN_FAIL;
			break;
		case PATTERN_FAIL:
			if (!matching_step(x))
				return PATTERN_FAIL;
			break;
		case PATTERN_GROW:
			*xp = x = matching_grow(L, x);
			break;
		case PATTERN_MORE:
			if (task_charge(L, FUEL - x->m.fuel)) {
				x->m.fuel = FUEL;
				*xp = matching_keep(L, x);
				return PATTERN_MORE;
			}
			x->m.fuel = FUEL;
			break;
		case PATTERN_ERROR:
			x->busy = false;
			luaL_error(L, x->m.error, x->m.error_index);
		}
	}
}

/* Push capture i (from 0) of a match from s to e. */
void
push_capture(lua_State *L, const struct pattern *m, int i,
    const unsigned char *s, const unsigned char *e)
{
	const struct pattern_capture *c = &m->capture[i];

	if (i >= m->ncaptures) {
		if (i != 0)
			luaL_error(L, "invalid capture index %%%d", i + 1);
		lua_pushlstring(L, (const char *)s, (size_t)(e - s));
	} else if (c->len == PATTERN_POSITION) {
		lua_pushinteger(L, c->at - m->text + 1);
	} else if (c->len == PATTERN_OPEN) {
		luaL_error(L, "unfinished capture");
	} else {
		lua_pushlstring(L, (const char *)c->at, (size_t)c->len);
	}
}

/* Push all captures, or the whole match when there are none. */
int
push_captures(lua_State *L, const struct pattern *m, const unsigned char *s)
{
	int i, n = m->ncaptures == 0 && s != NULL ? 1 : m->ncaptures;

	luaL_checkstack(L, n, "too many captures");
	for (i = 0; i < n; i++)
		push_capture(L, m, i, s, m->end);
	return n;
}
