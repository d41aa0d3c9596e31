/*
 * loop.c - the event loop; see loop.h.
 *
 * The end of a turn is one event. The first loop_defer() of a turn activates
 * it with event_active(); libevent appends it to the queue that it is working
 * through, behind every callback that the same poll found ready. So it runs
 * once all of them have run and before the next poll: many ready connections,
 * one commit and one write each, without a system call of its own. This holds
 * on a base of an embedding program as well, because all our events have the
 * base's default priority.
 *
 * What is deferred from inside the stages for the next turn must not use
 * event_active(): it would run in the same pass, and sockets would starve. It
 * arms the event as a timer of zero seconds instead, which fires after the next
 * poll, behind what that poll found ready.
 *
 * A stage runs in batches: what is queued, then what that queued, until nothing
 * is left or STAGE_SECONDS have passed since the stages began. A request that
 * finishes lets the next line of its connection in, so this is what answers a
 * pipelined batch with one write; the time bounds it.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "loop.h"
#include "mem.h"

#define STAGE_SECONDS	0.010
#define SLOW_SECONDS	0.050

struct queue {
	struct loop_defer *first, **last;
};

struct loop_sig {
	struct event *ev;
	loop_cb *cb;
	void *arg;
	struct loop_sig *next;
	int signo;
};

struct loop {
	struct event_base *base;
	bool own;
	struct event *end;		/* the end of the turn */
	bool armed;			/* end is active or its timer runs */
	bool in_stages;
	struct queue stage[LOOP_STAGES];
	struct queue batch;		/* what the running stage works on */
	double now;			/* 0: not read in this turn */
	uint64_t turn;
	bool shared;			/* others wait: see loop_share() */
	struct loop_sig *sigs;
};

static void
queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void
queue_move(struct queue *to, struct queue *from)
{
	queue_init(to);
	if (from->first == NULL)
		return;
	*to = *from;
	to->first->prevp = &to->first;
	queue_init(from);
}

/* A queue's tail pointer names the last element, so removing that one must set
 * it back; there are four candidates. */
static void
queue_remove(struct loop *l, struct loop_defer *d)
{
	int i;

	if (d->next != NULL) {
		d->next->prevp = d->prevp;
	} else {
		for (i = 0; i < LOOP_STAGES; i++) {
			if (l->stage[i].last == &d->next)
				l->stage[i].last = d->prevp;
		}
		if (l->batch.last == &d->next)
			l->batch.last = d->prevp;
	}
	*d->prevp = d->next;
	d->next = NULL;
	d->prevp = NULL;
}

double
loop_now_fresh(struct loop *l)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	l->now = (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
	return l->now;
}

static void
loop_arm(struct loop *l)
{
	static const struct timeval zero;

	if (l->armed)
		return;
	l->armed = true;
	if (l->in_stages)
		event_add(l->end, &zero);
	else
		event_active(l->end, EV_TIMEOUT, 1);
}

double
loop_now(struct loop *l)
{
	if (l->now == 0) {
		loop_now_fresh(l);
		/* The end of the turn forgets it; without one it would be
		 * taken for the time of a later turn. */
		if (!l->in_stages)
			loop_arm(l);
	}
	return l->now;
}

static void
loop_run_stage(struct loop *l, enum loop_stage stage, double begin)
{
	static const char *const names[] = { "tasks", "commit", "flush" };
	struct loop_defer *d;
	double before, after = loop_now_fresh(l);

	do {
		queue_move(&l->batch, &l->stage[stage]);
		while ((d = l->batch.first) != NULL) {
			queue_remove(l, d);
			before = after;
			d->cb(d->arg);
			after = loop_now_fresh(l);
			/* task.c tells about tasks, and knows more. */
			if (l->shared && stage != LOOP_TASKS &&
			    after - before > SLOW_SECONDS)
				log_warn("loop", "a callback of stage %s took "
				    "%.3f s", names[stage], after - before);
		}
	} while (l->stage[stage].first != NULL &&
	    after - begin < STAGE_SECONDS);
}

static void
loop_end_cb(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	double begin;
	int i;

	(void)fd;
	(void)what;
	l->armed = false;
	l->in_stages = true;
	begin = loop_now_fresh(l);
	for (i = 0; i < LOOP_STAGES; i++) {
		if (l->stage[i].first != NULL)
			loop_run_stage(l, (enum loop_stage)i, begin);
	}
	for (i = 0; i < LOOP_STAGES; i++) {
		if (l->stage[i].first != NULL)
			loop_arm(l);
	}
	l->in_stages = false;
	l->now = 0;
	l->turn++;
}

void
loop_share(struct loop *l)
{
	l->shared = true;
}

bool
loop_is_shared(const struct loop *l)
{
	return l->shared;
}

uint64_t
loop_turn_number(const struct loop *l)
{
	return l->turn;
}

void
loop_defer(struct loop *l, enum loop_stage stage, struct loop_defer *d,
    loop_cb *cb, void *arg)
{
	struct queue *q = &l->stage[stage];

	if (d->prevp != NULL)
		return;
	d->cb = cb;
	d->arg = arg;
	d->next = NULL;
	d->prevp = q->last;
	*q->last = d;
	q->last = &d->next;
	if (!l->in_stages)
		loop_arm(l);	/* else loop_end_cb looks at what is left */
}

void
loop_defer_cancel(struct loop *l, struct loop_defer *d)
{
	if (d->prevp != NULL)
		queue_remove(l, d);
}

/* The environment must not choose the poll method of a daemon, and there is
 * one thread. */
static struct event_base *
loop_make_base(void)
{
	struct event_config *conf = event_config_new();
	struct event_base *base = NULL;

	if (conf == NULL)
		return NULL;
	if (event_config_set_flag(conf, EVENT_BASE_FLAG_IGNORE_ENV |
	    EVENT_BASE_FLAG_NOLOCK) == 0)
		base = event_base_new_with_config(conf);
	event_config_free(conf);
	return base;
}

struct loop *
loop_new(struct event_base *base, struct err *e)
{
	struct loop *l = xcalloc(1, sizeof(*l));
	int i;

	for (i = 0; i < LOOP_STAGES; i++)
		queue_init(&l->stage[i]);
	queue_init(&l->batch);
	l->own = base == NULL;
	l->base = base != NULL ? base : loop_make_base();
	if (l->base != NULL)
		l->end = event_new(l->base, -1, 0, loop_end_cb, l);
	if (l->end == NULL) {
		err_set(e, "LoopFailed", "cannot make an event loop");
		loop_free(l);
		return NULL;
	}
	return l;
}

void
loop_free(struct loop *l)
{
	struct loop_sig *s;
	int i;

	if (l == NULL)
		return;
	/* What is still queued is not run; its owner may cancel it later. */
	for (i = 0; i < LOOP_STAGES; i++) {
		while (l->stage[i].first != NULL)
			queue_remove(l, l->stage[i].first);
	}
	while ((s = l->sigs) != NULL) {
		l->sigs = s->next;
		event_free(s->ev);
		free(s);
	}
	if (l->end != NULL)
		event_free(l->end);
	if (l->own && l->base != NULL)
		event_base_free(l->base);
	free(l);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

int
loop_run(struct loop *l, struct err *e)
{
	if (!l->own)
		return err_set(e, "LoopFailed",
		    "the loop belongs to the embedding program");
	if (event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
		return err_sys(e, "LoopFailed", "wait for events");
	return 0;
}

void
loop_stop(struct loop *l)
{
	/* Not loopbreak: this turn still commits and writes its replies. */
	if (l->own)
		event_base_loopexit(l->base, NULL);
}

static void
loop_wake_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

void
loop_turn(struct loop *l, double timeout)
{
	int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;
	struct event *wake = NULL;
	struct timeval tv;

	if (timeout == 0) {
		flags |= EVLOOP_NONBLOCK;
	} else if (timeout > 0) {
		wake = event_new(l->base, -1, 0, loop_wake_cb, NULL);
		tv.tv_sec = (time_t)timeout;
		tv.tv_usec = (suseconds_t)((timeout - (double)tv.tv_sec) *
		    1e6);
		if (wake == NULL || event_add(wake, &tv) != 0)
			flags |= EVLOOP_NONBLOCK;
	}
	event_base_loop(l->base, flags);
	if (wake != NULL)
		event_free(wake);
}

static void
loop_signal_cb(evutil_socket_t fd, short what, void *arg)
{
	struct loop_sig *s = arg;

	(void)fd;
	(void)what;
	s->cb(s->arg);
}

int
loop_signal(struct loop *l, int signo, loop_cb *cb, void *arg, struct err *e)
{
	struct loop_sig *s;

	for (s = l->sigs; s != NULL; s = s->next) {
		if (s->signo == signo)
			return err_set(e, "LoopFailed",
			    "signal %d has a callback already", signo);
	}
	s = xcalloc(1, sizeof(*s));
	s->signo = signo;
	s->cb = cb;
	s->arg = arg;
	s->ev = evsignal_new(l->base, signo, loop_signal_cb, s);
	if (s->ev == NULL || event_add(s->ev, NULL) != 0) {
		err_sys(e, "LoopFailed", "watch signal %d", signo);
		if (s->ev != NULL)
			event_free(s->ev);
		free(s);
		return -1;
	}
	s->next = l->sigs;
	l->sigs = s;
	return 0;
}
