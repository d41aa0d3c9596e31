/*
 * task.c - what a task costs, next to a bare Lua coroutine.
 *
 *	task
 *
 * Prints four lines, NAME VALUE:
 *	coroutine-bytes task-bytes coroutine-us task-us
 * Bytes: what the process holds for one that is suspended (a task waits for an
 * op), divided over IDLE of them. Time: CPU from the start of one that does
 * nothing to its end, in batches as a busy turn has them. Median of ROUNDS.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>

#include "conf.h"
#include "loop.h"
#include "task.h"
#include "vm.h"

#define IDLE	10000
#define BATCH	50
#define BATCHES	400
#define ROUNDS	15

static struct vm *vm;
static lua_State *L;
static struct task *tasks[IDLE];

static double
cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

static void
print_median(const char *name, double *list)
{
	qsort(list, ROUNDS, sizeof(*list), compare);
	printf("%s %.3f\n", name, list[ROUNDS / 2]);
}

/* --- an op for ever --- */

static int
idle_push(lua_State *L1, struct op *op)
{
	(void)L1;
	(void)op;
	return 0;
}

static void
idle_stop(struct op *op)
{
	(void)op;
}

static int
idle_wait(lua_State *L1)
{
	return op_wait(L1, op_new(L1, sizeof(struct op), idle_push,
	    idle_stop));
}

/* --- bytes --- */

static double
held(void)
{
	lua_gc(L, LUA_GCCOLLECT);
	lua_gc(L, LUA_GCCOLLECT);
	return (double)mallinfo2().uordblks;
}

static double
coroutine_bytes(void)
{
	double before;
	int i, n;

	lua_createtable(L, IDLE, 0);
	before = held();
	for (i = 1; i <= IDLE; i++) {
		lua_State *co = lua_newthread(L);

		lua_getglobal(co, "suspend");
		lua_resume(co, NULL, 0, &n);
		lua_rawseti(L, -2, i);
	}
	before = held() - before;
	lua_pop(L, 1);
	return before / IDLE;
}

static double
task_bytes(void)
{
	static const struct task_limits limits = { .arm_later = true };
	double before;
	int i;

	before = held();
	for (i = 0; i < IDLE; i++) {
		lua_getglobal(L, "wait");
		tasks[i] = task_start(L, 0, "idle", &limits, NULL, NULL, NULL);
	}
	while (op_count(vm) < IDLE)
		loop_turn(vm_loop(vm), 0);
	before = held() - before;
	for (i = 0; i < IDLE; i++)
		task_cancel(tasks[i]);
	return before / IDLE;
}

/* --- time --- */

static double
coroutine_time(void)
{
	double begin = cpu();
	int i, n;

	for (i = 0; i < BATCH * BATCHES; i++) {
		lua_State *co = lua_newthread(L);

		lua_getglobal(L, "nothing");
		lua_xmove(L, co, 1);
		lua_resume(co, NULL, 0, &n);
		lua_pop(L, 1);
	}
	return (cpu() - begin) * 1e6 / (BATCH * BATCHES);
}

static void
done_cb(struct task *t, lua_State *L1, bool ok, int nresults, void *arg)
{
	(void)t;
	(void)L1;
	(void)nresults;
	*(int *)arg += ok;
}

static double
task_time(void)
{
	static const struct task_limits limits = { .arm_later = true };
	double begin = cpu();
	int i, j, done = 0;

	for (i = 0; i < BATCHES; i++) {
		for (j = 0; j < BATCH; j++) {
			lua_getglobal(L, "nothing");
			task_start(L, 0, "nothing", &limits, NULL, done_cb,
			    &done);
		}
		while (task_count(vm) > 0)
			loop_turn(vm_loop(vm), 0);
	}
	if (done != BATCH * BATCHES) {
		fprintf(stderr, "task: %d ended well\n", done);
		exit(1);
	}
	return (cpu() - begin) * 1e6 / (BATCH * BATCHES);
}

int
main(int argc, char **argv)
{
	double co[ROUNDS], task[ROUNDS];
	struct conf_errors errors = { 0 };
	struct err e = ERR_INIT;
	int i;

	vm = vm_new(loop_new(NULL, &e), NULL, conf_load(&argc, argv, NULL,
	    &errors), &e);
	if (vm == NULL) {
		fprintf(stderr, "task: %s\n", e.text);
		return 1;
	}
	L = vm_lua(vm);
	lua_register(L, "idle_wait", idle_wait);
	if (luaL_dostring(L, "function nothing() end\n"
	    "function wait() idle_wait() end\n"
	    "suspend = coroutine.yield\n") != LUA_OK)
		return 1;
	printf("coroutine-bytes %.0f\n", coroutine_bytes());
	printf("task-bytes %.0f\n", task_bytes());
	for (i = 0; i < ROUNDS; i++) {
		co[i] = coroutine_time();
		task[i] = task_time();
	}
	print_median("coroutine-us", co);
	print_median("task-us", task);
	return 0;
}
