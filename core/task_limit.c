/*
 * task_limit.c - budgets and deadlines: the hook that counts, pauses and kills.
 *
 * The hook runs every HOOK_COUNT instructions of each coroutine of a task. It
 * pauses a task whose slice is over by yielding, where that is possible: in a
 * script, where Lua can yield.
 */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>

#include "log.h"
#include "lx.h"
#include "task_priv.h"

#define SLOW_SECONDS	0.050	/* a slice that is worth a line in the log */
#define UNSEEN_MAX	10000	/* units of C code between two looks */
#define HOOK_BYTES	(16 * 1024 * 1024) /* of strings, between two looks */
#define TURN_SECONDS	0.010	/* of first slices outside of the drain */
#define STUCK_SECONDS	0.030	/* CPU time where it cannot be paused */

static double
task_cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

const char *
task_kill_text(const char *code)
{
	if (strcmp(code, "BudgetExceeded") == 0)
		return "the script used up its instruction budget";
	if (strcmp(code, "DeadlineExceeded") == 0)
		return "the deadline passed";
	if (strcmp(code, "MemoryExceeded") == 0)
		return "the script used up its memory";
	return "cancelled";
}

bool
task_is_out_of_memory(const struct task *t)
{
	return t->oom_where[0] != '\0' && (t->kill == NULL ?
	    lua_isstring(t->co, -1) && strcmp(lua_tostring(t->co, -1),
	    "not enough memory") == 0 :
	    strcmp(t->kill, "MemoryExceeded") == 0);
}

void
task_push_kill(lua_State *L, struct task *t, lua_State *L1, int level)
{
	const char *code = t->kill != NULL ? t->kill : "MemoryExceeded";
	const char *where = task_is_out_of_memory(t) ? t->oom_where : t->where;
	struct err e = ERR_INIT;

	err_set(&e, code, "%s", task_kill_text(code));
	lx_push_err(L, &e);
	if (where[0] != '\0') {
		lua_pushstring(L, where);
		lua_setfield(L, -2, "where");
	}
	/* Running out of memory has unwound the stack already. */
	if (where == t->oom_where) {
		lua_pushfstring(L, "stack traceback:\n\t%s", where);
		lua_setfield(L, -2, "traceback");
	}
	vm_complete_err(L, L1, level);
	if (L1 != t->co)
		vm_complete_err(L, t->co, 0);	/* a coroutine of C code only */
}

/* Is the function that runs one of the shipped library (lua/...)? Its code
 * between two waits is atomic: tasks are neither paused nor killed in it, so
 * that it may test and set. Scripts are. */
static bool
in_library(lua_State *L, lua_Debug *ar)
{
	lua_getinfo(L, "S", ar);
	return strncmp(ar->source, "@lua/", 5) == 0;
}

/* Where a kill was found; a paused frame would show the line before. */
static void
note_where(struct task *t, lua_State *L, lua_Debug *ar)
{
	if (t->where[0] != '\0' || ar == NULL)
		return;
	lua_getinfo(L, "Sl", ar);
	snprintf(t->where, sizeof(t->where), "%s:%d", ar->short_src,
	    ar->currentline);
}

static void task_hook(lua_State *L, lua_Debug *ar);

void
task_out_of_memory(struct vm *vm, bool final)
{
	struct tasks *ts = task_all(vm);
	struct task *t = ts->running;
	lua_Debug ar;
	int level;

	if (t == NULL || t->kill != NULL || t->state != TASK_RUNNING)
		return;
	if (final) {
		t->kill = "MemoryExceeded";
		lua_sethook(ts->current, task_hook, LUA_MASKCOUNT, 1);
	}
	/* Reading the stack allocates nothing. */
	t->oom_where[0] = '\0';
	for (level = 0; lua_getstack(ts->current, level, &ar); level++) {
		lua_getinfo(ts->current, "Sl", &ar);
		if (ar.currentline <= 0 || (t->oom_where[0] != '\0' &&
		    strncmp(ar.source, "@lua/", 5) == 0))
			continue;
		snprintf(t->oom_where, sizeof(t->oom_where), "%s:%d",
		    ar.short_src, ar.currentline);
		if (strncmp(ar.source, "@lua/", 5) != 0)
			return;
	}
}

/* --- slices that took too long --- */

/* Cheap, and exact to some milliseconds: that is enough here. */
static double
coarse_now(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
	const clockid_t id = CLOCK_MONOTONIC_COARSE;
#else
	const clockid_t id = CLOCK_MONOTONIC_FAST;
#endif
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void
task_slice_begin(struct tasks *ts)
{
	ts->slice_begin = coarse_now();
}

/* Write "file:line" of the innermost Lua function of L to buf. */
static void
place(lua_State *L, char *buf, size_t size)
{
	lua_Debug ar;
	int level;

	for (level = 0; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline > 0) {
			snprintf(buf, size, "%s:%d", ar.short_src,
			    ar.currentline);
			return;
		}
	}
}

void
task_slice_end(struct tasks *ts, struct task *t, bool suspended)
{
	double now = coarse_now(), took = now - ts->slice_begin;

	ts->slice_begin = now;
	if (took > SLOW_SECONDS && loop_is_shared(vm_loop(ts->vm))) {
		if (ts->late[0] == '\0' && suspended)
			place(t->inner != NULL ? t->inner : t->co, ts->late,
			    sizeof(ts->late));
		/* A program's own long task delays nobody: it has no budget. */
		(t->instructions == INT64_MAX ? log_debug : log_warn)("task",
		    "%s kept the loop busy for %.3f s at %s", t->name, took,
		    ts->late[0] != '\0' ? ts->late :
		    t->entry[0] != '\0' ? t->entry : "?");
	}
	ts->late[0] = '\0';
}

/* --- looking and stopping --- */

/* The budget and the clock: is there a reason to kill t? Returns now. */
static double
look(lua_State *L, struct tasks *ts, struct task *t, int64_t units)
{
	double now = loop_now_fresh(vm_loop(t->vm));

	ts->unseen = 0;
	if (now > ts->slice_end + SLOW_SECONDS / 2 && ts->late[0] == '\0')
		place(L, ts->late, sizeof(ts->late));
	if (t->payer->instructions != INT64_MAX) {
		t->payer->instructions -= units;
		if (t->payer->instructions < 0 && t->kill == NULL)
			t->kill = "BudgetExceeded";
	}
	if (t->kill == NULL && t->deadline != 0 && now >= t->deadline)
		t->kill = "DeadlineExceeded";
	return now;
}

static bool
can_yield(lua_State *L, struct tasks *ts, struct task *t)
{
	return lua_isyieldable(L) && t->nowait_calls == 0 &&
	    ts->nowait == NULL;
}

/* t must stop here but cannot yield: raise once that has lasted too long. */
static void
stuck(lua_State *L, struct tasks *ts, struct task *t, lua_Debug *ar)
{
	/* Its own time counts here, not that of a busy machine. */
	if (ts->stuck_since == 0)
		ts->stuck_since = task_cpu_now();
	else if (t->kill == NULL &&
	    task_cpu_now() >= ts->stuck_since + STUCK_SECONDS)
		t->kill = "BudgetExceeded";
	if (t->kill != NULL) {
		note_where(t, L, ar);
		lua_sethook(L, task_hook, LUA_MASKCOUNT, 1);
		luaL_error(L, "%s", task_kill_text(t->kill));
	}
}

static void
close_budget(lua_State *L, struct task *t)
{
	if (t->instructions < 0) {
		lua_sethook(L, task_hook, LUA_MASKCOUNT, 1);
		luaL_error(L, "close handlers used up their budget");
	}
}

/* A script's loop whose turns have as many instructions as fit into HOOK_COUNT is
 * met at the same one each time, and that may be one of the library for ever. */
static void
look_elsewhere(lua_State *L, struct tasks *ts)
{
	ts->dice = ts->dice * 1103515245U + 12345U;
	lua_sethook(L, task_hook, lua_gethookmask(L),
	    1 + (int)(ts->dice >> 16) % 97);
}

/* Runs every t->hook_count instructions of a task's coroutines, and at the next
 * one when task_charge() asks for that. */
static void
task_hook(lua_State *L, lua_Debug *ar)
{
	struct tasks *ts = task_all(vm_of(L));
	struct task *t = ts->running;
	double now;

	if (t == NULL)
		return;
	if (ar->event == LUA_HOOKLINE) {
		task_trace_line(L, ar);
		return;
	}
	now = look(L, ts, t, lua_gethookcount(L) + ts->unseen);
	if (t->state == TASK_CLOSING) {
		close_budget(L, t);
		return;
	}
	if (t->kill == NULL && lua_gethookcount(L) != t->hook_count)
		task_set_hook(t, L);
	if (t->kill == NULL && now < ts->slice_end)
		return;
	if (in_library(L, ar)) {
		look_elsewhere(L, ts);
		return;
	}
	if (!can_yield(L, ts, t)) {
		stuck(L, ts, t, ar);
		return;
	}
	if (t->kill != NULL)
		note_where(t, L, ar);
	t->inner = L;
	t->paused = true;
	lua_yield(L, 0);
}

/* The innermost Lua function of L: who called the C code that works. */
static bool
caller(lua_State *L, lua_Debug *ar)
{
	int level;

	for (level = 0; lua_getstack(L, level, ar); level++) {
		lua_getinfo(L, "S", ar);
		if (ar->what[0] != 'C')
			return true;
	}
	return false;
}

bool
task_called_by_library(lua_State *L)
{
	lua_Debug ar;

	return caller(L, &ar) && in_library(L, &ar);
}

bool
task_charge(lua_State *L, int64_t units)
{
	struct vm *vm = vm_of(L);
	struct tasks *ts;
	struct task *t;
	lua_Debug ar;
	double now;
	bool known;

	if (vm == NULL)		/* a stock interpreter, see lua_stock.c */
		return false;
	ts = task_all(vm);
	t = ts->running;
	ts->unseen += units;
	if (ts->unseen < UNSEEN_MAX || t == NULL)
		return false;
	if (lua_gethook(L) == NULL) {
		ts->unseen = 0;
		return false;
	}
	now = look(L, ts, t, ts->unseen);
	if (t->state == TASK_CLOSING) {
		close_budget(L, t);
		return false;
	}
	if (t->kill == NULL && now < ts->slice_end)
		return false;
	known = caller(L, &ar);
	if (known && in_library(L, &ar))
		return false;
	if (!can_yield(L, ts, t)) {
		stuck(L, ts, t, known ? &ar : NULL);
		return false;
	}
	lua_sethook(L, task_hook, LUA_MASKCOUNT, 1);
	return true;
}

int
task_pause(lua_State *L, lua_KContext ctx, lua_KFunction k)
{
	struct task *t = task_running(vm_of(L));
	lua_Debug ar;

	if (t->kill != NULL && caller(L, &ar))
		note_where(t, L, &ar);
	t->inner = L;
	t->paused = true;
	return lua_yieldk(L, 0, ctx, k);
}

void
task_set_hook(struct task *t, lua_State *co)
{
	lua_sethook(co, task_hook, LUA_MASKCOUNT |
	    (lua_gethookmask(co) & LUA_MASKLINE), t->hook_count);
}

void
task_big_string(struct vm *vm, size_t size)
{
	struct tasks *ts = task_all(vm);
	int count = size < HOOK_BYTES ? (int)(HOOK_BYTES / size) : 1;

	if (ts == NULL || ts->running == NULL ||
	    count >= ts->running->hook_count)
		return;
	ts->running->hook_count = count;
	if (lua_gethook(ts->current) != NULL && ts->running->kill == NULL)
		task_set_hook(ts->running, ts->current);
}

void
task_arm(lua_State *L, const char *entry)
{
	struct task *t = task_running(vm_of(L));

	if (t == NULL)
		return;
	snprintf(t->entry, sizeof(t->entry), "%s", entry);
	if (lua_gethook(L) == NULL)
		task_set_hook(t, L);
	if (lua_gethook(t->co) == NULL)
		task_set_hook(t, t->co);
}

void
task_renew(struct task *t)
{
	t->payer->instructions = t->payer->budget;
}

static void
task_deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	struct task *t = arg;

	(void)fd;
	(void)what;
	if (t->kill == NULL)
		t->kill = "DeadlineExceeded";
	task_make_ready(t);
}

void
task_set_deadline(struct task *t, double seconds)
{
	t->deadline = seconds > 0 ? loop_now(vm_loop(t->vm)) + seconds : 0;
}

/* The deadline of a running task is the hook's; of a waiting one, a timer's. */
void
task_arm_deadline(struct task *t)
{
	double left;
	struct timeval tv;

	if (t->deadline == 0)
		return;
	left = t->deadline - loop_now(vm_loop(t->vm));
	if (left < 0)
		left = 0;
	tv.tv_sec = (time_t)left;
	tv.tv_usec = (suseconds_t)((left - (double)tv.tv_sec) * 1e6);
	if (t->timer == NULL) {
		t->timer = event_new(loop_base(vm_loop(t->vm)), -1, 0,
		    task_deadline_cb, t);
		if (t->timer == NULL)
			return;
	}
	event_add(t->timer, &tv);
}

bool
task_may_begin(struct tasks *ts)
{
	struct loop *l = vm_loop(ts->vm);

	if (ts->turn != loop_turn_number(l)) {
		ts->turn = loop_turn_number(l);
		ts->begun = 0;
		ts->begin_end = loop_now_fresh(l) + TURN_SECONDS;
		task_slice_begin(ts);	/* the wait before it was nobody's */
	}
	if ((++ts->begun & 7) == 0 && loop_now_fresh(l) >= ts->begin_end)
		ts->begin_end = 0;
	return ts->begin_end != 0;
}
