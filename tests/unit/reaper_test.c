/* links: reaper loop mem err log log_line secret secret_redact */
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"
#include "loop.h"
#include "reaper.h"

static struct loop *loop;
static struct reaper *reaper;

struct seen {
	int calls, status;
	pid_t pid;
	pid_t abandon;		/* on the callback */
};

static void
seen_cb(pid_t pid, int status, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	s->pid = pid;
	s->status = status;
	if (s->abandon != 0)
		reaper_abandon(reaper, s->abandon);
}

static void
setup(void)
{
	loop = loop_new(NULL, NULL);
	reaper = reaper_new(loop, NULL);
}

static void
teardown(void)
{
	reaper_free(reaper);
	loop_free(loop);
}

/* A child that exits with the code, at once or when the pipe closes. */
static pid_t
child(int code, int until[2])
{
	pid_t pid = fork();
	char c;

	if (pid == 0) {
		if (until != NULL) {
			close(until[1]);
			if (read(until[0], &c, 1) < 0)
				_exit(99);
		}
		_exit(code);
	}
	return pid;
}

/* Wait until it is dead without taking its status. */
static void
await_death(pid_t pid)
{
	siginfo_t si;

	while (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT) != 0 &&
	    errno == EINTR)
		;
}

static void
turn_until(size_t count)
{
	double end = loop_now_fresh(loop) + 10;

	while (reaper_count(reaper) > count && loop_now_fresh(loop) < end)
		loop_turn(loop, 1);
}

TEST(tells_of_a_child_that_dies_later)
{
	struct seen s = { 0 };
	int p[2];
	pid_t pid;

	setup();
	CHECK_INT(pipe(p), 0);
	pid = child(7, p);
	reaper_watch(reaper, pid, seen_cb, &s);
	loop_turn(loop, 0);
	CHECK_INT(s.calls, 0);
	CHECK_INT(reaper_count(reaper), 1);
	close(p[0]);
	close(p[1]);
	turn_until(0);
	CHECK_INT(s.calls, 1);
	CHECK_INT(s.pid, pid);
	CHECK(WIFEXITED(s.status));
	CHECK_INT(WEXITSTATUS(s.status), 7);
	CHECK_INT(reaper_count(reaper), 0);
	loop_turn(loop, 0);
	CHECK_INT(s.calls, 1);
	teardown();
}

TEST(tells_of_a_child_that_was_dead_before_the_watch)
{
	struct seen s = { 0 };
	pid_t pid;

	setup();
	pid = child(3, NULL);
	await_death(pid);
	loop_turn(loop, 0);		/* its SIGCHLD is used up */
	reaper_watch(reaper, pid, seen_cb, &s);
	CHECK_INT(s.calls, 0);		/* not from inside the call */
	turn_until(0);
	CHECK_INT(s.calls, 1);
	CHECK_INT(WEXITSTATUS(s.status), 3);
	teardown();
}

TEST(reaps_an_abandoned_child_silently)
{
	struct seen s = { 0 };
	pid_t pid;

	setup();
	pid = child(0, NULL);
	reaper_watch(reaper, pid, seen_cb, &s);
	reaper_abandon(reaper, pid);
	CHECK_INT(reaper_count(reaper), 1);
	turn_until(0);
	CHECK_INT(s.calls, 0);
	CHECK_INT(waitpid(pid, NULL, WNOHANG), -1);
	CHECK_INT(errno, ECHILD);
	teardown();
}

TEST(a_callback_may_abandon_one_that_died_in_the_same_turn)
{
	struct seen a = { 0 }, b = { 0 };
	pid_t pa, pb;

	setup();
	pa = child(0, NULL);
	pb = child(0, NULL);
	await_death(pa);
	await_death(pb);
	a.abandon = pb;
	b.abandon = pa;
	reaper_watch(reaper, pa, seen_cb, &a);
	reaper_watch(reaper, pb, seen_cb, &b);
	turn_until(0);
	CHECK_INT(a.calls + b.calls, 1);
	teardown();
}

TEST(leaves_foreign_children_alone)
{
	struct seen s = { 0 };
	pid_t own, foreign;

	setup();
	foreign = child(5, NULL);
	own = child(0, NULL);
	await_death(foreign);
	reaper_watch(reaper, own, seen_cb, &s);
	turn_until(0);
	CHECK_INT(s.calls, 1);
	CHECK_INT(waitpid(foreign, NULL, WNOHANG), foreign);
	teardown();
}

TEST(a_stolen_status_counts_as_255)
{
	struct seen s = { 0 };
	pid_t pid;

	setup();
	pid = child(0, NULL);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	reaper_watch(reaper, pid, seen_cb, &s);
	turn_until(0);
	CHECK_INT(s.calls, 1);
	CHECK_INT(WEXITSTATUS(s.status), 255);
	teardown();
}

TEST(frees_with_children_left)
{
	struct seen s = { 0 };
	int p[2];
	pid_t pid;

	setup();
	CHECK_INT(pipe(p), 0);
	pid = child(0, p);
	reaper_watch(reaper, pid, seen_cb, &s);
	reaper_free(reaper);
	close(p[0]);
	close(p[1]);
	await_death(pid);
	loop_turn(loop, 0);
	CHECK_INT(s.calls, 0);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	loop_free(loop);
}

CHECK_MAIN(
    RUN(tells_of_a_child_that_dies_later);
    RUN(tells_of_a_child_that_was_dead_before_the_watch);
    RUN(reaps_an_abandoned_child_silently);
    RUN(a_callback_may_abandon_one_that_died_in_the_same_turn);
    RUN(leaves_foreign_children_alone);
    RUN(a_stolen_status_counts_as_255);
    RUN(frees_with_children_left))
