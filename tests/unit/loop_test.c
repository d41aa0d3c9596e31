/* links: loop mem err log log_line secret secret_redact */
#include <poll.h>
#include <event2/event.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"
#include "log.h"
#include "loop.h"

/* Each call appends its letter. */
static char trace[256];

struct call {
	struct loop_defer d;
	struct loop *l;
	char letter;
	int again;			/* queue itself so many times */
	enum loop_stage stage;
	struct call *then;		/* queue this one too */
};

static void
call_cb(void *arg)
{
	struct call *c = arg;
	size_t n = strlen(trace);

	if (n + 1 < sizeof(trace)) {
		trace[n] = c->letter;
		trace[n + 1] = '\0';
	}
	if (c->again-- > 0)
		loop_defer(c->l, c->stage, &c->d, call_cb, c);
	if (c->then != NULL)
		loop_defer(c->l, c->then->stage, &c->then->d, call_cb,
		    c->then);
}

static void
defer(struct call *c)
{
	loop_defer(c->l, c->stage, &c->d, call_cb, c);
}

static struct loop *
new_loop(void)
{
	struct err e = ERR_INIT;
	struct loop *l = loop_new(NULL, &e);

	CHECK_STR(e.code, "");
	trace[0] = '\0';
	return l;
}

TEST(stages_run_in_order)
{
	struct loop *l = new_loop();
	struct call f = { .l = l, .letter = 'f', .stage = LOOP_FLUSH };
	struct call c = { .l = l, .letter = 'c', .stage = LOOP_COMMIT };
	struct call t = { .l = l, .letter = 't', .stage = LOOP_TASKS };
	struct call u = { .l = l, .letter = 'u', .stage = LOOP_TASKS };

	defer(&f);
	defer(&c);
	defer(&t);
	defer(&t);	/* idempotent */
	defer(&u);
	loop_turn(l, 5);
	CHECK_STR(trace, "tucf");
	loop_turn(l, 0);
	CHECK_STR(trace, "tucf");
	loop_free(l);
}

TEST(later_and_running_stages_share_the_turn_earlier_ones_wait)
{
	struct loop *l = new_loop();
	struct call back = { .l = l, .letter = 'b', .stage = LOOP_TASKS };
	struct call f = { .l = l, .letter = 'f', .stage = LOOP_FLUSH };
	struct call c = { .l = l, .letter = 'c', .stage = LOOP_COMMIT,
	    .then = &back };
	struct call t = { .l = l, .letter = 't', .stage = LOOP_TASKS,
	    .again = 2, .then = &c };

	defer(&f);
	defer(&t);
	loop_turn(l, 5);
	CHECK_STR(trace, "tttcf");
	loop_turn(l, 5);
	CHECK_STR(trace, "tttcfb");
	loop_free(l);
}

TEST(cancel_anywhere_in_the_queue)
{
	struct loop *l = new_loop();
	struct call c[4];
	int victim, i;

	for (victim = 0; victim < 4; victim++) {
		char want[6] = "abcdz";

		trace[0] = '\0';
		memset(c, 0, sizeof(c));
		for (i = 0; i < 4; i++) {
			c[i].l = l;
			c[i].letter = (char)('a' + i);
			defer(&c[i]);
		}
		loop_defer_cancel(l, &c[victim].d);
		loop_defer_cancel(l, &c[victim].d);
		/* The tail must be right: append one more. */
		c[victim].letter = 'z';
		defer(&c[victim]);
		loop_turn(l, 5);
		memmove(want + victim, want + victim + 1,
		    strlen(want + victim));
		CHECK_STR(trace, want);
	}
	loop_free(l);
}

struct canceller {
	struct loop_defer d;
	struct loop *l;
	struct call *victim;
};

static void
canceller_cb(void *arg)
{
	struct canceller *c = arg;

	loop_defer_cancel(c->l, &c->victim->d);
}

TEST(cancel_inside_the_running_batch)
{
	struct loop *l = new_loop();
	struct call a = { .l = l, .letter = 'a' };
	struct call b = { .l = l, .letter = 'b' };
	struct canceller k = { .l = l, .victim = &b };

	loop_defer(l, LOOP_TASKS, &k.d, canceller_cb, &k);
	defer(&a);
	defer(&b);
	loop_turn(l, 5);
	CHECK_STR(trace, "a");
	loop_free(l);
}

struct reader {
	struct loop *l;
	struct event *ev;
	struct call *call;
	int runs;
};

static void
reader_cb(evutil_socket_t fd, short what, void *arg)
{
	struct reader *r = arg;
	char byte;

	(void)what;
	CHECK_INT(read((int)fd, &byte, 1), 1);
	r->runs++;
	defer(r->call);
}

/* n ready descriptors in one poll, one end of turn. */
static void
check_batching(struct loop *l)
{
	struct call c = { .l = l, .letter = 'c', .stage = LOOP_COMMIT };
	struct reader r[8] = { { 0 } };
	int fds[8][2], i;

	for (i = 0; i < 8; i++) {
		CHECK_INT(pipe(fds[i]), 0);
		r[i].l = l;
		r[i].call = &c;
		r[i].ev = event_new(loop_base(l), fds[i][0],
		    EV_READ | EV_PERSIST, reader_cb, &r[i]);
		event_add(r[i].ev, NULL);
		CHECK_INT(write(fds[i][1], "x", 1), 1);
	}
	loop_turn(l, 5);
	for (i = 0; i < 8; i++) {
		CHECK_INT(r[i].runs, 1);
		event_free(r[i].ev);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	CHECK_STR(trace, "c");
}

TEST(many_ready_descriptors_share_one_end_of_turn)
{
	struct loop *l = new_loop();

	check_batching(l);
	loop_free(l);
}

TEST(foreign_base_batches_too_and_survives)
{
	struct event_base *base = event_base_new();
	struct err e = ERR_INIT;
	struct loop *l;

	event_base_priority_init(base, 4);
	l = loop_new(base, &e);
	trace[0] = '\0';
	CHECK(loop_base(l) == base);
	check_batching(l);
	CHECK_INT(loop_run(l, &e), -1);
	CHECK_STR(e.code, "LoopFailed");
	loop_stop(l);
	loop_free(l);
	CHECK_INT(event_base_loop(base, EVLOOP_NONBLOCK), 1);
	event_base_free(base);
}

/* A call that queues itself for ever must not keep descriptors waiting. */
TEST(self_queueing_calls_do_not_starve_descriptors)
{
	struct loop *l = new_loop();
	struct call forever = { .l = l, .letter = '.', .stage = LOOP_TASKS,
	    .again = 1 << 30 };
	struct call c = { .l = l, .letter = 'c', .stage = LOOP_COMMIT };
	struct reader r = { .l = l, .call = &c };
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	r.ev = event_new(loop_base(l), fds[0], EV_READ, reader_cb, &r);
	event_add(r.ev, NULL);
	defer(&forever);
	loop_turn(l, 5);
	CHECK_INT(r.runs, 0);
	CHECK_INT(write(fds[1], "x", 1), 1);
	loop_turn(l, 5);
	CHECK_INT(r.runs, 1);
	CHECK(forever.d.prevp != NULL);
	event_free(r.ev);
	loop_free(l);
	CHECK(forever.d.prevp == NULL);
	close(fds[0]);
	close(fds[1]);
}

static void
slow_cb(void *arg)
{
	struct loop *l = arg;
	double end = loop_now_fresh(l) + 0.06;

	while (loop_now_fresh(l) < end)
		continue;
}

TEST(slow_callbacks_are_reported_where_others_wait)
{
	struct loop *l = new_loop();
	struct loop_defer d = { 0 };
	char text[512] = "";
	struct pollfd quiet;
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	quiet = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	log_setup(fds[1], LOG_WARN, LOG_TEXT);
	loop_defer(l, LOOP_COMMIT, &d, slow_cb, l);
	loop_turn(l, 5);
	CHECK_INT(poll(&quiet, 1, 0), 0);
	loop_share(l);
	loop_defer(l, LOOP_COMMIT, &d, slow_cb, l);
	loop_turn(l, 5);
	log_setup(STDERR_FILENO, LOG_INFO, LOG_TEXT);
	close(fds[1]);
	CHECK(read(fds[0], text, sizeof(text) - 1) > 0);
	CHECK_HAS(text, "a callback of stage commit took");
	close(fds[0]);
	loop_free(l);
}

static void
stop_cb(void *arg)
{
	loop_stop(arg);
}

TEST(signals_and_stop)
{
	struct loop *l = new_loop();
	struct err e = ERR_INIT;

	CHECK_INT(loop_signal(l, SIGUSR1, stop_cb, l, &e), 0);
	CHECK_INT(loop_signal(l, SIGUSR1, stop_cb, l, &e), -1);
	CHECK_STR(e.code, "LoopFailed");
	CHECK_INT(loop_signal(l, 12345, stop_cb, l, &e), -1);
	CHECK_INT(kill(getpid(), SIGUSR1), 0);
	CHECK_INT(loop_run(l, &e), 0);
	loop_free(l);
}

TEST(what_is_deferred_when_stopping_still_runs)
{
	struct loop *l = new_loop();
	struct call f = { .l = l, .letter = 'f', .stage = LOOP_FLUSH };
	struct call c = { .l = l, .letter = 'c', .stage = LOOP_COMMIT,
	    .then = &f };
	struct err e = ERR_INIT;

	defer(&c);
	loop_stop(l);
	CHECK_INT(loop_run(l, &e), 0);
	CHECK_STR(trace, "cf");
	loop_free(l);
}

TEST(now_is_one_value_a_turn)
{
	struct loop *l = new_loop();
	double a = loop_now(l), b, spin;

	do {
		spin = loop_now(l);
		b = loop_now(l);
		CHECK(spin == a && b == a);
		b = loop_now_fresh(l);
	} while (b == a);
	CHECK(b > a);
	CHECK(loop_now(l) == b);
	loop_turn(l, 5);	/* does not sleep: the turn must end */
	CHECK(loop_now(l) > b);
	loop_free(l);
}

TEST(turn_without_work_times_out)
{
	struct loop *l = new_loop();
	double a = loop_now_fresh(l);

	loop_turn(l, 0);
	loop_turn(l, 0.02);
	CHECK(loop_now_fresh(l) - a >= 0.015);
	loop_free(l);
	loop_free(NULL);
}

CHECK_MAIN(
	RUN(stages_run_in_order);
	RUN(later_and_running_stages_share_the_turn_earlier_ones_wait);
	RUN(cancel_anywhere_in_the_queue);
	RUN(cancel_inside_the_running_batch);
	RUN(many_ready_descriptors_share_one_end_of_turn);
	RUN(foreign_base_batches_too_and_survives);
	RUN(self_queueing_calls_do_not_starve_descriptors);
	RUN(slow_callbacks_are_reported_where_others_wait);
	RUN(signals_and_stop);
	RUN(what_is_deferred_when_stopping_still_runs);
	RUN(now_is_one_value_a_turn);
	RUN(turn_without_work_times_out))
