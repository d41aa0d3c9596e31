/*
 * lua_agent_found.c - agents of an earlier daemon: found by their lock, and
 * those that cannot be attached.
 *
 * Their shims are not our children and have no link to us. They are stopped by
 * signal, and that they are gone is seen by the lock, which is looked at from
 * time to time.
 */
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "cgroup.h"
#include "lua_agent_priv.h"
#include "lx.h"
#include "mem.h"
#include "task.h"

#define STOP_POLL_USEC	20000
#define WAIT_POLL_USEC	250000

/* agent.find(dir) -> { found = "alive|exited|gone", shim=, pid=, started_at=,
 * and when exited code=, signal=, ... as handle:wait() } | nil, err */
int
lagent_find(lua_State *L)
{
	static const char *const names[] = { [AGENT_ALIVE] = "alive",
	    [AGENT_EXITED] = "exited", [AGENT_GONE] = "gone" };
	const char *dir = lx_checkstr(L, 1);
	struct err e = ERR_INIT;
	struct agent_record rec;

	lx_checknargs(L, 1);
	if (agent_find(dir, &rec, &e) != 0)
		return lx_fail(L, &e);
	lua_createtable(L, 0, 16);
	lua_pushstring(L, names[rec.found]);
	lua_setfield(L, -2, "found");
	if (rec.pid > 0) {
		lua_pushinteger(L, rec.pid);
		lua_setfield(L, -2, "pid");
	}
	if (rec.started_at > 0) {
		lua_pushinteger(L, rec.started_at);
		lua_setfield(L, -2, "started_at");
	}
	if (rec.found == AGENT_ALIVE) {
		lua_pushinteger(L, rec.shim);
		lua_setfield(L, -2, "shim");
	} else if (rec.found == AGENT_EXITED) {
		lagent_set_end(L, &rec.end);
	}
	return 1;
}

/* agent.attach{ id=, dir= } -> handle | nil, err(AgentStateFailed): an agent
 * that an earlier daemon started and whose shim lives. */
int
lagent_attach(lua_State *L)
{
	static const char *const fields[] = { "id", "dir", NULL };
	const char *id, *dir;
	struct agent_record rec;
	struct err e = ERR_INIT;
	struct lagent *a;

	luaL_checktype(L, 1, LUA_TTABLE);
	lx_checknargs(L, 1);
	lx_checkfields(L, 1, fields);
	id = lx_field_str(L, 1, "id", NULL);
	dir = lx_field_str(L, 1, "dir", NULL);
	if (id == NULL || dir == NULL)
		return luaL_error(L, "field '%s' is missing",
		    id == NULL ? "id" : "dir");
	a = lagent_push_handle(L, id);
	if (agent_find(dir, &rec, &e) != 0 ||
	    agent_attach(vm_loop(vm_of(L)), id, dir, lagent_cb, a, &a->agent,
	    &e) != 0)
		return lx_fail(L, &e);
	a->started = true;
	a->pid = rec.pid;
	return 1;
}

/* agent.sweep(id, dir, cgroup|nil) -> signals sent: KILL what is left of an agent
 * whose shim is gone, and remove its cgroup */
int
lagent_sweep(lua_State *L)
{
	const char *id = lx_checkstr(L, 1), *dir = lx_checkstr(L, 2);
	const char *cgroup = lua_isnoneornil(L, 3) ? NULL : lx_checkstr(L, 3);
	struct agent_record rec;
	struct err e = ERR_INIT;

	lx_checknargs(L, 3);
	if (agent_find(dir, &rec, &e) != 0)
		return lx_fail(L, &e);
	if (rec.found == AGENT_ALIVE) {
		lua_pushinteger(L, 0);
		return 1;
	}
	if (cgroup != NULL)
		cgroup_kill(cgroup);
	lua_pushinteger(L, agent_sweep(id, &rec));
	if (cgroup != NULL)
		cgroup_remove(cgroup);
	return 1;
}

/* agent.remove(dir) -> true | nil, err(AgentStateFailed): the directory of an
 * agent that has ended */
int
lagent_remove(lua_State *L)
{
	const char *dir = lx_checkstr(L, 1);
	struct err e = ERR_INIT;

	lx_checknargs(L, 1);
	if (agent_remove(dir, &e) != 0)
		return lx_fail(L, &e);
	lua_pushboolean(L, 1);
	return 1;
}

/* --- until it is gone --- */

struct found_op {
	struct op op;
	struct event *timer;
	char *dir;
	double kill_at;		/* monotonic; 0: do not */
	bool failed;
	struct agent_record rec;
	struct err err;
};

static void
found_stop(struct op *base)
{
	struct found_op *f = (struct found_op *)base;

	if (f->timer != NULL)
		event_free(f->timer);
	f->timer = NULL;
	free(f->dir);
	f->dir = NULL;
}

/* The holder of the lock right now; a pid remembered from earlier may be
 * somebody else's. */
static void
found_signal(const struct found_op *f, int signo)
{
	if (f->rec.shim > 1)
		kill(f->rec.shim, signo);
}

/* Look; returns whether the wait is over. */
static bool
found_look(struct found_op *f)
{
	f->failed = agent_find(f->dir, &f->rec, &f->err) != 0;
	return f->failed || f->rec.found != AGENT_ALIVE;
}

static void
found_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct found_op *f = arg;

	(void)fd;
	(void)what;
	if (found_look(f)) {
		event_del(f->timer);
		op_wake(&f->op);
	} else if (f->kill_at != 0 && loop_now(vm_loop(f->op.vm)) >=
	    f->kill_at) {
		f->kill_at = 0;
		found_signal(f, SIGUSR1);
	}
}

/* { code=, signal=, ... as handle:wait() } | { lost = true } */
static int
found_push(lua_State *L, struct op *base)
{
	struct found_op *f = (struct found_op *)base;

	if (f->failed)
		return lx_fail(L, &f->err);
	lua_createtable(L, 0, 3);
	if (f->rec.found != AGENT_EXITED) {
		lua_pushboolean(L, 1);
		lua_setfield(L, -2, "lost");
		return 1;
	}
	lagent_set_end(L, &f->rec.end);
	return 1;
}

/* Wait for the agent of the directory; grace < 0: without stopping it. */
static int
found_wait(lua_State *L, const char *dir, double grace)
{
	struct vm *vm = vm_of(L);
	struct timeval every = { .tv_usec = grace < 0 ? WAIT_POLL_USEC :
	    STOP_POLL_USEC };
	struct found_op *f;

	f = op_new(L, sizeof(*f), found_push, found_stop);
	f->dir = xstrdup(dir);
	if (found_look(f)) {
		op_wake(&f->op);
		return op_wait(L, &f->op);
	}
	f->timer = event_new(loop_base(vm_loop(vm)), -1, EV_PERSIST,
	    found_timer_cb, f);
	if (f->timer == NULL || event_add(f->timer, &every) != 0)
		return luaL_error(L, "cannot arm a timer");
	if (grace >= 0) {
		found_signal(f, SIGTERM);
		f->kill_at = loop_now_fresh(vm_loop(vm)) + grace;
	}
	return op_wait(L, &f->op);
}

/* agent.stop_found(dir, grace) -> { code=, signal=, ended_at= } |
 * { lost = true } | nil, err: TERM to all of it, KILL after the grace. Waits
 * until nothing of it is left. */
int
lagent_stop_found(lua_State *L)
{
	const char *dir = lx_checkstr(L, 1);
	double grace = luaL_checknumber(L, 2);

	lx_checknargs(L, 2);
	luaL_argcheck(L, grace >= 0 && grace <= 1e7, 2,
	    "not a time in seconds");
	return found_wait(L, dir, grace);
}

/* agent.wait_found(dir) -> the same, without stopping it. Waits. */
int
lagent_wait_found(lua_State *L)
{
	const char *dir = lx_checkstr(L, 1);

	lx_checknargs(L, 1);
	return found_wait(L, dir, -1);
}
