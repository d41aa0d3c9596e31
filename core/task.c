/*
 * task.c - scheduling: start, resume, limits, end.
 *
 * A task sits in the ready queue, runs, waits on one op, or is being closed.
 * Only task_drain(), called at the LOOP_TASKS stage, resumes. A slice that has
 * run for SLICE_SECONDS is paused by the count hook and goes to the
 * end of the queue, so that no script delays the others.
 *
 * A kill (cancel, deadline, budget, memory) is not an error that a pcall could
 * catch: the hook or the wait yields, and task_run() then closes the coroutine,
 * which runs its `<close>` variables. Where the script cannot yield (inside a
 * sort comparator) an error is raised at every instruction until it can.
 */
#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "log.h"
#include "lx.h"
#include "mem.h"
#include "task_priv.h"

#define SLICE_SECONDS	0.005	/* until a task is paused */
#define DRAIN_SECONDS	0.010	/* until other events get their turn */
#define CLOSE_BUDGET	1000000	/* instructions for all close handlers */
#define POOL_MAX	256

const char task_sentinel = 0;

struct tasks *
task_all(struct vm *vm)
{
	return vm_slot(vm, VM_TASKS);
}

struct task *
task_running(struct vm *vm)
{
	return task_all(vm)->running;
}

const char *
task_name(const struct task *t)
{
	return t->name;
}

uint64_t
task_id(const struct task *t)
{
	return t->id;
}

size_t
task_count(struct vm *vm)
{
	return task_all(vm)->nalive;
}

size_t
op_count(struct vm *vm)
{
	return task_all(vm)->nops;
}

void
task_nowait(struct vm *vm, const char *why)
{
	task_all(vm)->nowait = why;
}

static void task_drain(void *arg);

void
task_make_ready(struct task *t)
{
	struct tasks *ts = task_all(t->vm);

	if (t->state != TASK_WAITING)
		return;
	t->state = TASK_READY;
	TAILQ_INSERT_TAIL(&ts->ready, t, ready);
	loop_defer(vm_loop(t->vm), LOOP_TASKS, &ts->drain, task_drain, ts);
}

/* --- the end of a task --- */

static void
task_drop_op(struct task *t)
{
	struct op *op = t->op;

	if (op == NULL)
		return;
	t->op = NULL;
	op->task = NULL;
	op->done = true;
	if (op->vm != NULL) {	/* it ends here, not when it is collected */
		task_all(t->vm)->nops--;
		op->vm = NULL;
	}
	op->stop(op);
}

/* Close the coroutine: `<close>` variables run, with the error object that is
 * on top of the main stack kept there. */
static void
task_close_coroutine(struct task *t)
{
	struct tasks *ts = task_all(t->vm);
	struct task *outer = ts->running;

	t->state = TASK_CLOSING;
	t->payer = t;
	t->instructions = CLOSE_BUDGET;
	ts->running = t;
	vm_set_allowance(t->vm, INT64_MAX);
	task_set_hook(t, t->co);
	if (lua_resetthread(t->co) != LUA_OK && t->kill == NULL &&
	    lua_gettop(t->co) > 0 && lua_isstring(t->co, -1))
		log_debug("task", "%s: close: %s", t->name,
		    lua_tostring(t->co, -1));
	lua_settop(t->co, 0);
	ts->running = outer;
}

static void
task_release(struct task *t)
{
	struct tasks *ts = task_all(t->vm);
	lua_State *L = vm_lua(t->vm);

	LIST_REMOVE(t, all);
	ts->nalive--;
	if (t->parent != NULL)
		LIST_REMOVE(t, sibling);
	t->state = TASK_FREE;
	if (t->timer != NULL)
		event_del(t->timer);
	if (ts->npool < POOL_MAX && lua_status(t->co) == LUA_OK) {
		LIST_INSERT_HEAD(&ts->pool, t, all);
		ts->npool++;
		return;
	}
	luaL_unref(L, LUA_REGISTRYINDEX, t->anchor);
	if (t->timer != NULL)
		event_free(t->timer);
	free(t);
}

static void task_kill_now(struct task *t);

/* Children end with their parent, before its result is told. */
static void
task_end_children(struct task *t)
{
	struct task *child;

	while ((child = LIST_FIRST(&t->children)) != NULL) {
		child->kill = "Cancelled";
		task_kill_now(child);
	}
}

static void
task_finish_ok(struct task *t, int nresults)
{
	t->state = TASK_CLOSING;
	task_end_children(t);
	if (t->cb != NULL)
		t->cb(t, t->co, true, nresults, t->arg);
	lua_settop(t->co, 0);
	task_release(t);
}

/* Protected body: the error value on t->co (or a kill) becomes an object on
 * the main stack, with a traceback of the stack as it stands. */
static int
task_describe(lua_State *L)
{
	struct task *t = lua_touserdata(L, 1);
	lua_State *at = t->inner != NULL ? t->inner : t->co;

	if (t->failed && lua_istable(t->co, -1)) {
		lua_xmove(t->co, L, 1);	/* complete: task_message() */
		vm_complete_err(L, t->co, 0);
		return 1;
	}
	if (t->kill != NULL || task_is_out_of_memory(t)) {
		task_push_kill(L, t, at, 0);
		if (at != t->co)
			task_co_traceback(L, t->co, at);
		return 1;
	}
	if (lua_gettop(t->co) > 0)
		lua_xmove(t->co, L, 1);
	else
		lua_pushnil(L);
	vm_complete_err(L, t->co, 0);
	return 1;
}

/* The end of a task that raised or was killed; its op is gone already. */
static void
task_finish_err(struct task *t)
{
	lua_State *L = vm_lua(t->vm);
	struct err e = ERR_INIT;

	lua_pushcfunction(L, task_describe);
	lua_pushlightuserdata(L, t);
	if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
		/* No memory even for that: a plain text will do. */
		err_set(&e, "MemoryExceeded", "%s",
		    task_kill_text("MemoryExceeded"));
	} else {
		lx_to_err(L, -1, &e);
	}
	task_end_children(t);
	task_close_coroutine(t);
	if (t->cb != NULL)
		t->cb(t, L, false, 0, t->arg);
	else if (strcmp(e.code, "Cancelled") != 0)
		log_warn("task", "%s: %s: %s", t->name, e.code, e.text);
	lua_pop(L, 1);
	task_release(t);
}

/* End a task that is not running. */
static void
task_kill_now(struct task *t)
{
	struct tasks *ts = task_all(t->vm);

	if (t->state == TASK_READY)
		TAILQ_REMOVE(&ts->ready, t, ready);
	else if (t->state != TASK_WAITING)
		return;		/* running or closing: the flag is enough */
	t->state = TASK_CLOSING;
	task_drop_op(t);
	task_finish_err(t);
}

void
task_cancel(struct task *t)
{
	if (t->kill == NULL)
		t->kill = "Cancelled";
	task_kill_now(t);
}

void
task_stop_all(struct vm *vm)
{
	struct tasks *ts = task_all(vm);
	struct task *t;

	if (ts == NULL)
		return;
	while ((t = LIST_FIRST(&ts->alive)) != NULL)
		task_cancel(t);
	loop_defer_cancel(vm_loop(vm), &ts->drain);
}

/* --- running --- */

/* One slice. Returns whether it used its slice up; t may be gone then. */
static bool
task_run(struct task *t)
{
	struct tasks *ts = task_all(t->vm);
	int nargs = 0, nres = 0, status;

	if (t->kill != NULL) {
		t->state = TASK_WAITING;	/* not in the queue any more */
		task_kill_now(t);
		return false;
	}
	if (t->timer != NULL)
		event_del(t->timer);
	if (!t->started)
		nargs = t->nargs;
	else if (task_co_waits(t->co))
		lua_pop(t->co, 1);		/* the sentinel */
	t->started = true;
	t->state = TASK_RUNNING;
	if (t->inner == t->co) {
		t->inner = NULL;
		t->paused = false;
	}
	ts->running = t;
	ts->current = t->co;
	ts->slice_end = loop_now(vm_loop(t->vm)) + SLICE_SECONDS;
	ts->stuck_since = 0;
	vm_set_allowance(t->vm, t->payer->memory);
	status = lua_resume(t->co, NULL, nargs, &nres);
	t->payer->memory = vm_allowance(t->vm);
	vm_set_allowance(t->vm, INT64_MAX);
	ts->running = NULL;
	task_slice_end(ts, t, status == LUA_YIELD);
	if (status == LUA_YIELD) {
		bool paused = t->paused || t->kill != NULL;

		t->state = TASK_WAITING;
		if (t->kill != NULL)
			task_kill_now(t);
		else if (paused || t->op == NULL || t->op->done)
			task_make_ready(t);
		else
			task_arm_deadline(t);
		return paused;
	}
	if (status == LUA_OK && t->kill == NULL && !t->failed) {
		task_finish_ok(t, nres);
		return false;
	}
	/* Its end may have taken long: memory that is refused is collected. */
	task_drop_op(t);
	task_finish_err(t);
	return true;
}

/* LOOP_TASKS: run what is ready, a while. */
static void
task_drain(void *arg)
{
	struct tasks *ts = arg;
	double end = loop_now_fresh(vm_loop(ts->vm)) + DRAIN_SECONDS;
	struct task *t;
	int n = 0;

	task_slice_begin(ts);
	while ((t = TAILQ_FIRST(&ts->ready)) != NULL) {
		if ((++n & 63) == 0 &&
		    loop_now_fresh(vm_loop(ts->vm)) >= end) {
			loop_defer(vm_loop(ts->vm), LOOP_TASKS, &ts->drain,
			    task_drain, ts);
			return;
		}
		TAILQ_REMOVE(&ts->ready, t, ready);
		if (task_run(t))
			n |= 63;	/* it took a slice: look at the clock */
	}
	loop_defer_cancel(vm_loop(ts->vm), &ts->drain);
}

void
task_begin(struct task *t)
{
	struct tasks *ts = task_all(t->vm);

	if (ts->running != NULL || t->state != TASK_READY ||
	    !task_may_begin(ts))
		return;
	vm_adapt_gc(ts->vm);
	TAILQ_REMOVE(&ts->ready, t, ready);
	if (task_run(t))
		ts->begin_end = 0;	/* it took a slice */
}

/* --- starting --- */

/* The message handler of a task: runs before the stack unwinds. */
static int
task_message(lua_State *L)
{
	struct task *t = task_running(vm_of(L));

	if (t != NULL && t->kill != NULL)
		task_push_kill(L, t, L, 1);
	else
		vm_complete_err(L, L, 1);
	return 1;
}

static int
task_main_end(lua_State *L, int status, lua_KContext ctx)
{
	(void)ctx;
	if (status == LUA_OK || status == LUA_YIELD)
		return lua_gettop(L) - 1;	/* above the handler */
	task_running(vm_of(L))->failed = true;
	return 1;
}

/* The bottom of every task's coroutine: a protected call of its function. So
 * an error's `<close>` variables run here, where they may wait, and with the
 * hook at work again, which Lua switches off while an error leaves it. */
static int
task_main(lua_State *L)
{
	lua_pushcfunction(L, task_message);
	lua_insert(L, 1);
	return task_main_end(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET,
	    1, 0, task_main_end), 0);
}

/* A free task with a coroutine; may raise on memory. */
static struct task *
task_take(lua_State *L, struct tasks *ts)
{
	struct task *t = LIST_FIRST(&ts->pool);
	lua_State *co;
	int anchor;

	if (t != NULL) {
		LIST_REMOVE(t, all);
		ts->npool--;
		return t;
	}
	co = lua_newthread(L);
	anchor = luaL_ref(L, LUA_REGISTRYINDEX);
	t = xcalloc(1, sizeof(*t));
	t->vm = ts->vm;
	t->co = co;
	t->anchor = anchor;
	return t;
}

struct task *
task_start(lua_State *L, int nargs, const char *name,
    const struct task_limits *limits, struct task *parent, task_done_cb *cb,
    void *arg)
{
	static const struct task_limits none;
	struct tasks *ts = task_all(vm_of(L));
	struct task *t = task_take(L, ts);

	if (limits == NULL)
		limits = &none;
	memset(&t->id, 0, offsetof(struct task, name) -
	    offsetof(struct task, id));
	t->id = ++ts->next_id;
	t->nargs = nargs + 1;
	t->hook_count = HOOK_COUNT;
	t->parent = parent;
	t->cb = cb;
	t->arg = arg;
	memccpy(t->name, name, '\0', sizeof(t->name) - 1);
	t->where[0] = t->oom_where[0] = t->entry[0] = '\0';
	t->payer = limits->shared && parent != NULL &&
	    parent->payer->instructions != INT64_MAX ? parent->payer : t;
	t->budget = t->instructions = limits->instructions > 0 ?
	    limits->instructions : INT64_MAX;
	t->memory = limits->memory > 0 ? limits->memory : INT64_MAX;
	if (limits->deadline > 0)
		t->deadline = loop_now(vm_loop(t->vm)) + limits->deadline;
	if (parent != NULL) {
		LIST_INSERT_HEAD(&parent->children, t, sibling);
		if (parent->deadline != 0 &&
		    (t->deadline == 0 || t->deadline > parent->deadline))
			t->deadline = parent->deadline;
	}
	if (limits->arm_later)
		lua_sethook(t->co, NULL, 0, 0);
	else
		task_set_hook(t, t->co);
	LIST_INSERT_HEAD(&ts->alive, t, all);
	ts->nalive++;
	if (!lua_checkstack(t->co, nargs + 8))
		log_fatal("task", "%s: %d arguments", name, nargs);
	lua_pushcfunction(t->co, task_main);
	lua_xmove(L, t->co, nargs + 1);
	t->state = TASK_WAITING;
	task_make_ready(t);
	return t;
}

static void
task_teardown(void *arg)
{
	struct tasks *ts = arg;
	struct task *t;

	while ((t = LIST_FIRST(&ts->pool)) != NULL) {
		LIST_REMOVE(t, all);
		if (t->timer != NULL)
			event_free(t->timer);
		free(t);
	}
	free(ts);
}

void
task_setup(struct vm *vm)
{
	struct tasks *ts = xcalloc(1, sizeof(*ts));

	ts->vm = vm;
	ts->collect_always = getenv("COLIBRI_TEST_GC") != NULL;
	TAILQ_INIT(&ts->ready);
	vm_set_slot(vm, VM_TASKS, ts, task_teardown);
	task_op_setup(vm_lua(vm));
	task_co_setup(vm_lua(vm));
}
