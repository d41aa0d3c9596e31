/*
 * lua_task.c - core.task: sleep, children, waiters.
 *
 * A task handle (userdata) is anchored in the registry while its task lives, so
 * that the done callback finds it; afterwards it keeps the results for wait().
 */
#include <event2/event.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_open.h"
#include "lx.h"
#include "mem.h"
#include "task.h"
#include "vm.h"

#define HANDLE_CLASS	"colibri.task"
#define WAITER_CLASS	"colibri.waiter"

/* --- an op that is woken by a list or by a timer --- */

struct wait_op {
	struct op op;
	struct event *timer;
	LIST_ENTRY(wait_op) link;
	bool linked, timed_out;
	void *handle;		/* struct handle *, for task:wait() */
};
LIST_HEAD(wait_list, wait_op);

static void
wait_stop(struct op *base)
{
	struct wait_op *w = (struct wait_op *)base;

	if (w->linked)
		LIST_REMOVE(w, link);
	w->linked = false;
	if (w->timer != NULL)
		event_free(w->timer);
	w->timer = NULL;
}

static void
wait_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct wait_op *w = arg;

	(void)fd;
	(void)what;
	w->timed_out = true;
	if (w->linked)
		LIST_REMOVE(w, link);
	w->linked = false;
	op_wake(&w->op);
}

/* Arm the timer; raises on a time that is none. */
static void
wait_arm(lua_State *L, struct wait_op *w, double seconds)
{
	struct timeval tv;

	tv.tv_sec = (time_t)seconds;
	tv.tv_usec = (suseconds_t)((seconds - (double)tv.tv_sec) * 1e6);
	w->timer = event_new(loop_base(vm_loop(vm_of(L))), -1, 0,
	    wait_timer_cb, w);
	if (w->timer == NULL || event_add(w->timer, &tv) != 0)
		luaL_error(L, "cannot arm a timer");
}

static double
check_seconds(lua_State *L, int idx)
{
	double s = luaL_checknumber(L, idx);

	luaL_argcheck(L, s >= 0 && s <= 1e9, idx, "not a time in seconds");
	return s;
}

static struct task *
check_running(lua_State *L)
{
	struct task *t = task_running(vm_of(L));

	if (t == NULL)
		luaL_error(L, "no task is running");
	return t;
}

static void
wake_all(struct wait_list *list)
{
	struct wait_op *w;

	while ((w = LIST_FIRST(list)) != NULL) {
		LIST_REMOVE(w, link);
		w->linked = false;
		op_wake(&w->op);
	}
}

static int
sleep_push(lua_State *L, struct op *op)
{
	(void)L;
	(void)op;
	return 0;
}

/* task.sleep(seconds). Waits. */
static int
ltask_sleep(lua_State *L)
{
	double s = check_seconds(L, 1);
	struct wait_op *w;

	lx_checknargs(L, 1);
	w = op_new(L, sizeof(*w), sleep_push, wait_stop);
	wait_arm(L, w, s);
	return op_wait(L, &w->op);
}

/* --- waiters: wait until somebody wakes --- */

struct waiter {
	struct wait_list waiting;
};

static int
waiter_push(lua_State *L, struct op *base)
{
	struct wait_op *w = (struct wait_op *)base;
	struct err e = ERR_INIT;

	if (w->timed_out) {
		err_set(&e, "DeadlineExceeded", "nothing came in time");
		return lx_fail(L, &e);
	}
	lua_pushboolean(L, 1);
	return 1;
}

/* waiter:wait([seconds]) -> true | nil, err(DeadlineExceeded). Waits. */
static int
lwaiter_wait(lua_State *L)
{
	struct waiter *waiter = luaL_checkudata(L, 1, WAITER_CLASS);
	double s = lua_isnoneornil(L, 2) ? -1 : check_seconds(L, 2);
	struct wait_op *w;

	w = op_new(L, sizeof(*w), waiter_push, wait_stop);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);	/* the list lives as long as the op */
	if (s >= 0)
		wait_arm(L, w, s);
	LIST_INSERT_HEAD(&waiter->waiting, w, link);
	w->linked = true;
	return op_wait(L, &w->op);
}

/* waiter:wake() -> how many waited */
static int
lwaiter_wake(lua_State *L)
{
	struct waiter *waiter = luaL_checkudata(L, 1, WAITER_CLASS);
	struct wait_op *w;
	int n = 0;

	LIST_FOREACH(w, &waiter->waiting, link)
		n++;
	wake_all(&waiter->waiting);
	lua_pushinteger(L, n);
	return 1;
}

static int
lwaiter_gc(lua_State *L)
{
	struct waiter *waiter = luaL_checkudata(L, 1, WAITER_CLASS);

	wake_all(&waiter->waiting);
	return 0;
}

/* task.waiter() -> waiter: the primitive below locks and queues
 * (lua/colibri/sync.lua) */
static int
ltask_waiter(lua_State *L)
{
	struct waiter *waiter;

	lx_checknargs(L, 0);
	waiter = lua_newuserdatauv(L, sizeof(*waiter), 0);
	LIST_INIT(&waiter->waiting);
	luaL_setmetatable(L, WAITER_CLASS);
	return 1;
}

/* --- children --- */

struct handle {
	struct vm *vm;
	struct task *task;	/* NULL once it ended */
	int anchor;		/* registry reference while it lives */
	bool ok;
	int nresults;
	struct wait_list waiting;
};

/* Keep the results in the handle's user value; protected, for memory. */
static int
handle_keep(lua_State *L)
{
	int i, n = lua_gettop(L) - 1;

	lua_createtable(L, n, 0);
	for (i = 1; i <= n; i++) {
		lua_pushvalue(L, 1 + i);
		lua_rawseti(L, -2, i);
	}
	lua_setiuservalue(L, 1, 1);
	return 0;
}

static void
handle_done(struct task *t, lua_State *L, bool ok, int nresults, void *arg)
{
	struct handle *h = arg;
	struct err e = ERR_INIT;
	int i, n = ok ? nresults : 1;
	int first = ok ? 1 : lua_gettop(L);

	h->task = NULL;
	h->ok = ok;
	h->nresults = ok ? nresults : 0;
	if (!ok) {
		lx_to_err(L, -1, &e);
		if (strcmp(e.code, "Cancelled") != 0)
			log_debug("task", "%s: %s: %s", task_name(t), e.code,
			    e.text);
	}
	if (lua_checkstack(L, n + 4)) {
		lua_pushcfunction(L, handle_keep);
		lua_rawgeti(L, LUA_REGISTRYINDEX, h->anchor);
		for (i = 0; i < n; i++)
			lua_pushvalue(L, first + i);
		if (lua_pcall(L, n + 1, 0, 0) != LUA_OK) {
			lua_pop(L, 1);
			h->ok = false;
		}
	}
	wake_all(&h->waiting);
	luaL_unref(L, LUA_REGISTRYINDEX, h->anchor);
}

static int
handle_start(lua_State *L, int fn, const char *name, bool detached)
{
	struct vm *vm = vm_of(L);
	struct task_limits limits = {
	    .instructions = vm_conf(vm)->script_instructions,
	    .memory = vm_conf(vm)->script_memory,
	    .shared = !task_called_by_library(L) };
	struct handle *h;
	int nargs = lua_gettop(L) - fn;

	luaL_checktype(L, fn, LUA_TFUNCTION);
	if (detached)
		limits.instructions = limits.memory = 0;
	h = lua_newuserdatauv(L, sizeof(*h), 1);
	*h = (struct handle){ .vm = vm, .anchor = LUA_NOREF };
	LIST_INIT(&h->waiting);
	luaL_setmetatable(L, HANDLE_CLASS);
	lua_pushvalue(L, -1);
	h->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_insert(L, fn);
	h->task = task_start(L, nargs, name, &limits,
	    detached ? NULL : task_running(vm), handle_done, h);
	return 1;
}

/* task.go(fn, ...) -> task: a child of the caller; it ends when the caller
 * does. A script's child shares its budgets; one of library code has its own. */
static int
ltask_go(lua_State *L)
{
	return handle_start(L, 1, task_name(check_running(L)), false);
}

/* task.spawn_detached(name, fn, ...) -> task: belongs to nobody, ends with the
 * host; without budgets. For library code. */
static int
ltask_spawn_detached(lua_State *L)
{
	const char *name = lx_checkstr(L, 1);

	return handle_start(L, 2, name, true);
}

static int
handle_results(lua_State *L, struct handle *h, int idx)
{
	int i;

	lua_getiuservalue(L, idx, 1);
	if (!lua_istable(L, -1)) {
		lua_pushnil(L);
		return 1;
	}
	idx = lua_gettop(L);
	if (!h->ok) {
		lua_pushnil(L);
		lua_rawgeti(L, idx, 1);
		return 2;
	}
	luaL_checkstack(L, h->nresults + 1, "results");
	for (i = 1; i <= h->nresults; i++)
		lua_rawgeti(L, idx, i);
	return h->nresults;
}

static int
handle_push(lua_State *L, struct op *base)
{
	struct wait_op *w = (struct wait_op *)base;
	struct handle *h = w->handle;
	struct err e = ERR_INIT;

	if (w->timed_out) {
		if (h->task != NULL)
			task_cancel(h->task);
		err_set(&e, "DeadlineExceeded", "the deadline passed");
		return lx_fail(L, &e);
	}
	lua_getiuservalue(L, -1, 1);	/* the handle, kept by the op */
	return handle_results(L, h, lua_gettop(L));
}

static int
handle_wait(lua_State *L, int idx, double seconds)
{
	struct handle *h = luaL_checkudata(L, idx, HANDLE_CLASS);
	struct wait_op *w;

	if (h->task == NULL)
		return handle_results(L, h, idx);
	if (h->task == task_running(h->vm))
		return luaL_error(L, "a task cannot wait for itself");
	w = op_new(L, sizeof(*w), handle_push, wait_stop);
	lua_pushvalue(L, idx);
	lua_setiuservalue(L, -2, 1);
	w->handle = h;
	if (seconds >= 0)
		wait_arm(L, w, seconds);
	LIST_INSERT_HEAD(&h->waiting, w, link);
	w->linked = true;
	return op_wait(L, &w->op);
}

/* t:wait() -> its results | nil, err. Waits. */
static int
lhandle_wait(lua_State *L)
{
	lx_checknargs(L, 1);
	return handle_wait(L, 1, -1);
}

/* t:cancel() -> whether it still ran */
static int
lhandle_cancel(lua_State *L)
{
	struct handle *h = luaL_checkudata(L, 1, HANDLE_CLASS);

	lx_checknargs(L, 1);
	lua_pushboolean(L, h->task != NULL);
	if (h->task != NULL)
		task_cancel(h->task);
	return 1;
}

/* t:done() -> boolean */
static int
lhandle_done(lua_State *L)
{
	struct handle *h = luaL_checkudata(L, 1, HANDLE_CLASS);

	lx_checknargs(L, 1);
	lua_pushboolean(L, h->task == NULL);
	return 1;
}

/* task.timeout(seconds, fn, ...) -> results of fn | nil, err(DeadlineExceeded).
 * Cancels the child, never the caller. Waits. */
static int
ltask_timeout(lua_State *L)
{
	double s = check_seconds(L, 1);

	handle_start(L, 2, task_name(check_running(L)), false);
	return handle_wait(L, lua_gettop(L), s);
}

/* task.self() -> { id, name } | nil outside a task */
static int
ltask_self(lua_State *L)
{
	struct task *t = task_running(vm_of(L));

	if (t == NULL)
		return 0;
	lua_createtable(L, 0, 2);
	lua_pushinteger(L, (lua_Integer)task_id(t));
	lua_setfield(L, -2, "id");
	lua_pushstring(L, task_name(t));
	lua_setfield(L, -2, "name");
	return 1;
}

/* task.deadline(seconds): of the running task, from now; 0: none */
static int
ltask_deadline(lua_State *L)
{
	double s = check_seconds(L, 1);

	lx_checknargs(L, 1);
	task_set_deadline(check_running(L), s);
	return 0;
}

/* task.renew(): the running task has its whole budget again */
static int
ltask_renew(lua_State *L)
{
	lx_checknargs(L, 0);
	task_renew(check_running(L));
	return 0;
}

/* task.arm(entry): from here on the running task is counted, paused and killed;
 * entry says where the code stands that is called */
static int
ltask_arm(lua_State *L)
{
	task_arm(L, luaL_checkstring(L, 1));
	return 0;
}

/* task.count() -> tasks, ops */
static int
ltask_count(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)task_count(vm_of(L)));
	lua_pushinteger(L, (lua_Integer)op_count(vm_of(L)));
	return 2;
}

int
luaopen_core_task(lua_State *L)
{
	static const luaL_Reg handle_methods[] = {
		{ "wait", lhandle_wait },
		{ "cancel", lhandle_cancel },
		{ "done", lhandle_done },
		{ NULL, NULL }
	};
	static const luaL_Reg waiter_methods[] = {
		{ "wait", lwaiter_wait },
		{ "wake", lwaiter_wake },
		{ NULL, NULL }
	};
	static const luaL_Reg waiter_meta[] = {
		{ "__gc", lwaiter_gc },
		{ NULL, NULL }
	};
	static const luaL_Reg funcs[] = {
		{ "sleep", ltask_sleep },
		{ "go", ltask_go },
		{ "spawn_detached", ltask_spawn_detached },
		{ "timeout", ltask_timeout },
		{ "waiter", ltask_waiter },
		{ "self", ltask_self },
		{ "arm", ltask_arm },
		{ "deadline", ltask_deadline },
		{ "renew", ltask_renew },
		{ "count", ltask_count },
		{ NULL, NULL }
	};

	lx_newclass(L, HANDLE_CLASS, handle_methods, NULL);
	lx_newclass(L, WAITER_CLASS, waiter_methods, waiter_meta);
	luaL_newlib(L, funcs);
	return 1;
}
