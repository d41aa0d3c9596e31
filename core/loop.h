/*
 * loop.h - the event loop: libevent's base plus "at the end of this turn".
 *
 * One loop per host, one thread. Callbacks must not block; on a loop that others
 * wait for (loop_share) one that takes longer than 50 ms is reported in the log. A loop may sit on an event base
 * that an embedding program owns.
 */
#ifndef COLIBRI_LOOP_H
#define COLIBRI_LOOP_H

#include "core.h"
#include "err.h"

struct event_base;
struct loop;

typedef void loop_cb(void *arg);

/* base NULL: make one and own it. Code: LoopFailed. */
struct loop *loop_new(struct event_base *base, struct err *e);
void loop_free(struct loop *l);
struct event_base *loop_base(struct loop *l);

/* Run until loop_stop(). Only for a loop that owns its base. */
int loop_run(struct loop *l, struct err *e);

/* Make loop_run() return after the next turn, which still commits and writes.
 * Nothing happens on a foreign base: its owner stops it. */
void loop_stop(struct loop *l);

/* Run one turn: wait for events at most `timeout` seconds (< 0: for ever). */
void loop_turn(struct loop *l, double timeout);

/* From here on others wait for this loop: what keeps it busy is worth a warning.
 * A program of one person (the CLI, a proof) lets nobody else wait. */
void loop_share(struct loop *l);
bool loop_is_shared(const struct loop *l);

/* Stages of a turn's end, run in this order once the ready callbacks of the
 * turn are done: tasks run, the store commits, replies are written. A deferred
 * call that defers again runs in the same end-of-turn when its stage is still
 * to come or running, else in the next turn; stages that have taken 10 ms
 * leave what is queued during them to the next turn. */
enum loop_stage { LOOP_TASKS, LOOP_COMMIT, LOOP_FLUSH, LOOP_STAGES };

struct loop_defer {		/* embed in the caller's object; zero it first */
	loop_cb *cb;
	void *arg;
	struct loop_defer *next, **prevp;	/* prevp NULL: not queued */
};
/* Queue d (idempotent while queued). */
void loop_defer(struct loop *l, enum loop_stage stage, struct loop_defer *d,
    loop_cb *cb, void *arg);
void loop_defer_cancel(struct loop *l, struct loop_defer *d);

/* Monotonic seconds, read once per turn and at every call of loop_now_fresh.
 * libevent's timers use a clock of 4 ms grain and may fire that much early. */
double loop_now(struct loop *l);
double loop_now_fresh(struct loop *l);

/* A number that grows with each turn that had something to do at its end. */
uint64_t loop_turn_number(const struct loop *l);

/* Deliver a signal on the loop until loop_free(). One callback per signal; a
 * second one is refused. Code: LoopFailed. */
int loop_signal(struct loop *l, int signo, loop_cb *cb, void *arg,
    struct err *e);

#endif
