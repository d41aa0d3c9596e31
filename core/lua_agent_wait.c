/*
 * lua_agent_wait.c - waiting for one agent; see lua_agent_priv.h.
 */
#include <signal.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_agent_priv.h"
#include "lx.h"
#include "task.h"

struct lagent_wait {
	struct op op;
	LIST_ENTRY(lagent_wait) link;
	bool linked, pushed;
	enum lagent_wait_for what;
	struct lagent *a;	/* lives: user value 1 is its handle */
};

bool
lagent_over(const struct lagent *a)
{
	return a->ended || a->failed || a->lost;
}

static bool
wait_is_over(const struct lagent_wait *w)
{
	const struct lagent *a = w->a;

	switch (w->what) {
	case WAIT_START:
		return a->held || a->started || lagent_over(a);
	case WAIT_INSIDE:
		return a->inside || a->started || lagent_over(a);
	case WAIT_GO:
		return a->started || lagent_over(a);
	default:
		return lagent_over(a);
	}
}

void
lagent_wake(struct lagent *a)
{
	struct lagent_wait *w, *next;

	for (w = LIST_FIRST(&a->waiting); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (!wait_is_over(w))
			continue;
		LIST_REMOVE(w, link);
		w->linked = false;
		op_wake(&w->op);
	}
}

static void
wait_stop(struct op *base)
{
	struct lagent_wait *w = (struct lagent_wait *)base;

	if (w->linked)
		LIST_REMOVE(w, link);
	w->linked = false;
	if (w->what == WAIT_START && !w->pushed && w->a != NULL &&
	    w->a->agent != NULL) {
		/* Nobody will know of it. */
		w->a->silent = true;
		agent_stop(w->a->agent, SIGKILL, 0);
	}
	w->a = NULL;
}

/* It has ended, and did not get as far as was waited for. */
static int
push_too_early(lua_State *L, const struct lagent_wait *w)
{
	const struct lagent *a = w->a;
	struct err e = ERR_INIT;

	if (w->what == WAIT_GO)
		err_set(&e, "Cancelled", "agent %s was stopped before it ran",
		    a->id);
	else if (a->end.signo != 0)
		err_set(&e, "JailNotEntered", "the launcher was ended by "
		    "signal %d outside the jail", a->end.signo);
	else
		err_set(&e, "JailNotEntered", "the launcher ended with "
		    "status %d outside the jail", a->end.code);
	return lx_fail(L, &e);
}

static int
wait_push(lua_State *L, struct op *base)
{
	struct lagent_wait *w = (struct lagent_wait *)base;
	const struct lagent *a = w->a;
	int rc = 1;

	if (a->failed || (a->lost && (w->what == WAIT_END || !a->started))) {
		rc = lx_fail(L, &a->err);
	} else if (w->what == WAIT_START) {
		lua_getiuservalue(L, -1, 1);
	} else if (w->what == WAIT_END) {
		lua_createtable(L, 0, 12);
		lagent_set_end(L, &a->end);
	} else if (w->what == WAIT_INSIDE && (a->inside || a->started)) {
		lua_pushboolean(L, true);
	} else if (w->what == WAIT_GO && a->started) {
		lua_pushinteger(L, a->pid);
	} else {
		rc = push_too_early(L, w);
	}
	w->pushed = true;
	return rc;
}

struct lagent_wait *
lagent_wait_new(lua_State *L, int idx, enum lagent_wait_for what)
{
	struct lagent_wait *w;

	idx = lua_absindex(L, idx);
	w = op_new(L, sizeof(*w), wait_push, wait_stop);
	w->what = what;
	lua_pushvalue(L, idx);
	lua_setiuservalue(L, -2, 1);
	return w;
}

int
lagent_wait_begin(lua_State *L, struct lagent_wait *w, struct lagent *a)
{
	w->a = a;
	if (wait_is_over(w)) {
		op_wake(&w->op);
	} else {
		LIST_INSERT_HEAD(&a->waiting, w, link);
		w->linked = true;
	}
	return op_wait(L, &w->op);
}
