/*
 * task_op.c - waiting: one op per wait, a userdata on the waiting frame.
 *
 * op_wait() yields the sentinel with the op as context; the continuation, run
 * inside the resumed coroutine, pushes the results. See task.h for the life of
 * an op.
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "task_priv.h"

#define OP_CLASS	"colibri.op"

static int
lop_gc(lua_State *L)
{
	struct op *op = lua_touserdata(L, 1);

	if (op->vm != NULL) {
		task_all(op->vm)->nops--;
		op->vm = NULL;
		op->stop(op);
	}
	return 0;
}

void
task_op_setup(lua_State *L)
{
	luaL_newmetatable(L, OP_CLASS);
	lua_pushcfunction(L, lop_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}

/* Raise unless this coroutine may wait now. */
static void
op_check(lua_State *L)
{
	struct tasks *ts = task_all(vm_of(L));
	struct task *t = ts->running;

	if (t == NULL)
		luaL_error(L, "cannot wait here: no task is running");
	if (t->state == TASK_CLOSING)
		luaL_error(L, "cannot wait here: the task is being closed");
	if (ts->nowait != NULL)
		luaL_error(L, "cannot wait here: %s", ts->nowait);
	if (!lua_isyieldable(L) || t->nowait_calls > 0)
		luaL_error(L, "cannot wait here: inside a C function that "
		    "cannot yield (a metamethod called by one, require)");
}

void *
op_new(lua_State *L, size_t size, int (*push)(lua_State *, struct op *),
    void (*stop)(struct op *))
{
	struct op *op;

	op_check(L);
	if (task_all(vm_of(L))->collect_always)
		lua_gc(L, LUA_GCCOLLECT);
	luaL_checkstack(L, 8, "op");
	op = lua_newuserdatauv(L, size, 1);
	memset(op, 0, size);
	op->push = push;
	op->stop = stop;
	luaL_getmetatable(L, OP_CLASS);
	lua_setmetatable(L, -2);
	op->vm = vm_of(L);
	task_all(op->vm)->nops++;
	return op;
}

/* Results, then the end of the op. push may raise: then GC ends it. */
static int
op_finish(lua_State *L, struct op *op)
{
	int n = op->push(L, op);

	if (op->vm != NULL) {
		task_all(op->vm)->nops--;
		op->vm = NULL;
		op->stop(op);
	}
	return n;
}

static int
op_continue(lua_State *L, int status, lua_KContext ctx)
{
	struct op *op = (struct op *)ctx;
	struct task *t = task_running(vm_of(L));

	(void)status;
	t->op = NULL;
	t->inner = NULL;
	op->task = NULL;
	return op_finish(L, op);
}

int
op_wait(lua_State *L, struct op *op)
{
	struct task *t = task_running(vm_of(L));

	if (op->done && t->kill == NULL)
		return op_finish(L, op);
	op->task = t;
	t->op = op;
	t->inner = L;
	lua_pushlightuserdata(L, TASK_SENTINEL);
	return lua_yieldk(L, 1, (lua_KContext)op, op_continue);
}

void
op_wake(struct op *op)
{
	if (op->done)
		return;
	op->done = true;
	if (op->task != NULL)
		task_make_ready(op->task);
}
