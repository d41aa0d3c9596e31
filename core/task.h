/*
 * task.h - one request, hook run, step or proof = one task = one coroutine.
 *
 * A C function that must wait makes an op, starts whatever will complete it,
 * and ends with `return op_wait(L, op)`. The libevent callback stores plain C
 * results in the op and calls op_wake(); it never touches a Lua stack and
 * never resumes. Results are pushed by op->push inside the resumed coroutine,
 * so an error there is an ordinary task error. Cancel, error, deadline and GC
 * all end in op->stop, which is idempotent; no callback may fire after it.
 *
 *	static int lclock_sleep(lua_State *L)
 *	{
 *		double s = luaL_checknumber(L, 1);
 *		struct sleep_op *op = op_new(L, sizeof(*op), sleep_push, sleep_stop);
 *		... arm the timer with op as argument ...
 *		return op_wait(L, &op->op);
 *	}
 */
#ifndef COLIBRI_TASK_H
#define COLIBRI_TASK_H

#include <lua.h>

#include "core.h"
#include "err.h"
#include "vm.h"

struct task;

/* Embed first in a struct of your own; its memory is a Lua userdata. */
struct op {
	struct task *task;	/* NULL unless a task waits on it */
	struct vm *vm;
	bool done;
	/* Push results, return their number. Runs inside lua_resume: may raise.
	 * The op's userdata is on top of the stack (its user value 1 is free
	 * for what must live as long as the wait). */
	int (*push)(lua_State *L, struct op *op);
	/* Release everything; idempotent; afterwards no callback fires. Must not
	 * raise and must not touch Lua. */
	void (*stop)(struct op *op);
};

/* A zeroed op on top of the stack, owned by Lua. May raise (memory; or "cannot
 * wait here" when the caller cannot yield: then nothing was started). */
void *op_new(lua_State *L, size_t size, int (*push)(lua_State *, struct op *),
    void (*stop)(struct op *));

/* Use as `return op_wait(L, &x->op);` with the op on top of the stack. If it
 * is done already, pushes the results without yielding. */
int op_wait(lua_State *L, struct op *op);

/* From an event callback: the op has its results. Idempotent. */
void op_wake(struct op *op);

/* A named region that must not wait (inside a transaction). While why is set
 * op_new() raises "cannot wait here: <why>". Pair with NULL. */
void task_nowait(struct vm *vm, const char *why);

struct task_limits {
	double deadline;	/* seconds from now; 0: none */
	int64_t instructions;	/* VM instructions of the whole run; 0: none */
	int64_t memory;		/* bytes of net growth; 0: none */
	/* Shipped code runs first: instructions are counted, and the task is
	 * paused, only from task_arm() on. Counting costs a fifth of a short
	 * request (tests/bench). */
	bool arm_later;
	/* Use the parent's budgets up, when it has any, not budgets of its own:
	 * a script gets no more of them by starting tasks. */
	bool shared;
};

/* How a task ended. On success the results are on L from index 1 to nresults;
 * on failure `e` tells and the error object (a table, see lx_push_err) is on
 * top of L. L is valid only during the call. Codes of the host's own kills:
 * Cancelled, DeadlineExceeded, BudgetExceeded, MemoryExceeded. */
typedef void task_done_cb(struct task *t, lua_State *L, bool ok, int nresults,
    void *arg);

/*
 * Start a task: the function and nargs arguments are on top of L (popped).
 * It runs from LOOP_TASKS (or task_begin()), never from inside this call. parent (may be NULL)
 * owns it: when the parent ends, the child is cancelled. cb may be NULL.
 * name is copied, shown in logs and `status`. Raises only on memory.
 */
struct task *task_start(lua_State *L, int nargs, const char *name,
    const struct task_limits *limits, struct task *parent, task_done_cb *cb,
    void *arg);

/*
 * Run the first slice of a task that task_start() just gave, here and now: for
 * callbacks of the loop, outside of Lua. Does nothing when a task runs, or when
 * this turn has gone on for 10 ms like this: then it waits for LOOP_TASKS. The
 * task may be over and gone afterwards, its callback called.
 */
void task_begin(struct task *t);

/* End a task: stop its op, close its coroutine (`<close>` variables run), call
 * its done callback with Cancelled. Cancelling the running task, or one inside
 * the call of its own close handlers, takes effect at its next wait or hook. */
void task_cancel(struct task *t);

/* Give a task a (new) deadline, in seconds from now; 0: none. */
void task_set_deadline(struct task *t, double seconds);

/* Give a task its whole budget of instructions again: it has done a part of a
 * work that has no end, such as following a log. */
void task_renew(struct task *t);

/* From here on the running task is counted, paused and killed: called before
 * code of a site runs. L is the coroutine that runs; entry says where that code
 * stands ("site/hooks/x/y.lua:3"; copied), for what can be told no better. */
void task_arm(lua_State *L, const char *entry);

/* From here on the running task is counted too, and the last line that ran outside
 * the library is remembered; one task at a time is. */
void task_trace(lua_State *L);

/* The end of that: "file:line", or NULL when no such line ran, or another task
 * was traced meanwhile. Valid until the next task_trace(). */
const char *task_traced(lua_State *L);

/*
 * For C code that works long on behalf of a script: `units` more have been
 * done, each about as much as one VM instruction. They count against the
 * task's budget. Returns whether the task should pause now: then
 * `return task_pause(L, ctx, k)`; code that is done ignores that, and the next
 * VM instruction pauses. Where Lua cannot yield it returns false, and raises
 * once the task has been stuck for too long. Costs little below some 10,000
 * units; does nothing while the task is not armed, or for library code.
 */
bool task_charge(lua_State *L, int64_t units);

/* Let the others run, then go on in k with ctx. What must survive is on L's
 * stack. Only after task_charge() said so. */
int task_pause(lua_State *L, lua_KContext ctx, lua_KFunction k);

/* Does library code (lua/...) call the C function that runs? */
bool task_called_by_library(lua_State *L);

/* The task that is running now, or NULL. */
struct task *task_running(struct vm *vm);
const char *task_name(const struct task *t);

/* A number that no other task of this vm has had. */
uint64_t task_id(const struct task *t);

/* Counts for `status` and leak checks. */
size_t task_count(struct vm *vm);
size_t op_count(struct vm *vm);

/* Called by vm.c: register what tasks need; cancel every task; memory was
 * refused, for good if final (from the allocator: allocates nothing). */
void task_setup(struct vm *vm);
void task_stop_all(struct vm *vm);
void task_out_of_memory(struct vm *vm, bool final);

/* From the allocator: the running task makes a string of this size. One VM
 * instruction may compare or copy all of it, so the task is looked at more
 * often from here on. */
void task_big_string(struct vm *vm, size_t size);

#endif
