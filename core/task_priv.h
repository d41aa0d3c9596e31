/*
 * task_priv.h - what task.c (scheduling), task_op.c (waiting) and task_co.c
 * (coroutines of scripts) share. Nobody else includes it.
 */
#ifndef COLIBRI_TASK_PRIV_H
#define COLIBRI_TASK_PRIV_H

#include <sys/queue.h>

#include "task.h"

#define HOOK_COUNT	1000	/* VM instructions between two hook calls */

struct event;

enum task_state { TASK_FREE, TASK_READY, TASK_RUNNING, TASK_WAITING,
    TASK_CLOSING };

struct task {
	struct vm *vm;
	lua_State *co;			/* reused from task to task */
	int anchor;			/* keeps co alive: registry reference */
	struct event *timer;		/* armed while waiting with a deadline */
	uint64_t id;			/* from here to name: zero in a new task */
	enum task_state state;
	int nargs;			/* of the first resume */
	bool started;
	struct op *op;			/* while WAITING, or READY after it */
	lua_State *inner;		/* the coroutine that waits or paused */
	bool paused;			/* inner was preempted by the hook */
	const char *kill;		/* code of a kill that must happen */
	bool failed;			/* the body raised; see task_main() */
	int nowait_calls;		/* resumes below a C call that can't yield */
	struct task *payer;		/* whose budgets it uses: itself, or the
					 * one that outlives it */
	int64_t budget, instructions;	/* all, left; INT64_MAX: none is set */
	int64_t memory;			/* left; INT64_MAX: no cap */
	int hook_count;			/* instructions between two hook calls */
	double deadline;		/* monotonic; 0: none */
	struct task *parent;
	LIST_HEAD(, task) children;
	LIST_ENTRY(task) sibling;	/* when it has a parent */
	TAILQ_ENTRY(task) ready;	/* while READY */
	LIST_ENTRY(task) all;		/* while alive, or in the free list */
	task_done_cb *cb;
	void *arg;
	/* Texts, at the end: a new task only empties them. */
	char name[64];
	char where[LUA_IDSIZE + 16];	/* file:line the kill was found at */
	char oom_where[LUA_IDSIZE + 16]; /* where memory was refused last */
	char entry[LUA_IDSIZE + 16];	/* the site's function that was called */
};

struct tasks {
	struct vm *vm;
	struct task *running;
	lua_State *current;		/* the coroutine that runs, innermost */
	double slice_end;		/* monotonic: when to pause */
	double stuck_since;		/* CPU time: it could not be paused */
	int64_t unseen;			/* units charged since the last look */
	uint32_t dice;			/* see look_elsewhere() */
	double slice_begin;		/* coarse; see task_slice_end() */
	char late[LUA_IDSIZE + 16];	/* where it was found to be late */
	const char *nowait;		/* why waiting is not allowed now */
	bool collect_always;		/* tests: full collection at each wait */
	TAILQ_HEAD(task_queue, task) ready;
	LIST_HEAD(, task) alive;
	LIST_HEAD(, task) pool;
	size_t nalive, npool, nops;
	uint64_t next_id;
	uint64_t turn;			/* of the last task_begin() */
	unsigned begun;			/* in that turn */
	double begin_end;		/* monotonic: no more then; 0: over */
	struct loop_defer drain;
	uint64_t traced;		/* id of the task; see task_trace.c */
	char trace_line[LUA_IDSIZE + 16];
};

struct tasks *task_all(struct vm *vm);

/* Put a task whose op is done, that paused, or that must be killed in the
 * ready queue. Idempotent. */
void task_make_ready(struct task *t);

/* A yield of this value means "a wait passes through here". */
#define TASK_SENTINEL	((void *)(uintptr_t)&task_sentinel)
extern const char task_sentinel;

/* Is co suspended in a wait (its own or one of a coroutine inside it)? */
bool task_co_waits(lua_State *co);

/* task_limit.c: what a kill's code means; arm the timer of a task that waits
 * with a deadline. */
const char *task_kill_text(const char *code);

/* Did the task end because memory was refused, by a kill or an error? */
bool task_is_out_of_memory(const struct task *t);

/* Push the error object of a kill (or of running out of memory) that was found
 * in L1. May raise on memory. */
void task_push_kill(lua_State *L, struct task *t, lua_State *L1, int level);
void task_arm_deadline(struct task *t);

/* Around each resume: a slice that took too long is logged with script and
 * line. suspended: the stack still shows where it is. */
void task_slice_begin(struct tasks *ts);
void task_slice_end(struct tasks *ts, struct task *t, bool suspended);

/* Has this turn time for another first slice, outside of the drain? */
bool task_may_begin(struct tasks *ts);

/* The line hook of a task that is traced. */
void task_trace_line(lua_State *L, lua_Debug *ar);

/* Give a coroutine of t the hook that counts, preempts and kills. */
void task_set_hook(struct task *t, lua_State *co);

/* To the traceback of the error object on top of L, which tells of co's stack,
 * add those of the coroutines from the one that resumed co out to `outer`.
 * May raise on memory. */
void task_co_traceback(lua_State *L, lua_State *outer, lua_State *co);

/* task_co.c: replace resume, wrap, yield and close in the coroutine library. */
void task_co_setup(lua_State *L);

/* task_op.c */
void task_op_setup(lua_State *L);

#endif
