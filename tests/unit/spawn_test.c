/* links: spawn spawn_check spawn_image reaper loop mem err log log_line secret secret_redact */
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "spawn_fixture.h"

/* True when every holder of the pipe's other end is gone. */
static bool
all_gone(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n;
	char c;

	do {
		n = poll(&p, 1, 10000);		/* SIGCHLD may interrupt it */
	} while (n < 0 && errno == EINTR);
	return n == 1 && read(fd, &c, 1) == 0;
}

static int
open_count(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

TEST(collects_output_and_status)
{
	const char *const envp[] = { "A=1", "B=two words", NULL };
	struct seen seen = { 0 };
	int fds = open_count();

	setup();
	run("echo out; echo err >&2; echo $A $B; pwd; exit 3",
	    (struct spawn_spec){ .envp = envp }, &seen);
	CHECK_STR(seen.out, "out\n1 two words\n/\n");
	CHECK_STR(seen.err, "err\n");
	CHECK_INT(seen.r.exit_code, 3);
	CHECK_INT(seen.r.signo, 0);
	CHECK(!seen.r.timed_out && !seen.r.overflow);
	CHECK(seen.r.seconds >= 0 && seen.r.seconds < 20);
	teardown();
	CHECK_INT(open_count(), fds);
}

TEST(environment_is_exactly_what_was_given)
{
	const char *const argv[] = { "/usr/bin/env", NULL };
	const char *const envp[] = { "ONLY=this", NULL };
	struct seen seen = { 0 };

	setup();
	setenv("BW_PASSWORD", "leak", 1);
	run("", (struct spawn_spec){ .argv = argv, .envp = envp }, &seen);
	CHECK_STR(seen.out, "ONLY=this\n");
	seen = (struct seen){ 0 };
	run("", (struct spawn_spec){ .argv = argv }, &seen);
	CHECK_STR(seen.out, "");
	unsetenv("BW_PASSWORD");
	teardown();
}

TEST(a_death_by_signal_is_told)
{
	struct seen seen = { 0 };

	setup();
	run("kill -USR1 $$", (struct spawn_spec){ 0 }, &seen);
	CHECK_INT(seen.r.exit_code, -1);
	CHECK_INT(seen.r.signo, SIGUSR1);
	teardown();
}

TEST(fills_stderr_before_stdout)
{
	struct seen seen = { 0 };

	setup();
	run("head -c 1000000 /dev/zero >&2; echo done",
	    (struct spawn_spec){ .max_stderr = 2000000 }, &seen);
	CHECK_STR(seen.out, "done\n");
	CHECK_INT(seen.r.err.len, 1000000);
	CHECK(!seen.r.overflow);
	seen = (struct seen){ 0 };
	run("head -c 1000000 /dev/zero >&2; echo done",
	    (struct spawn_spec){ 0 }, &seen);
	CHECK_STR(seen.out, "done\n");
	CHECK_INT(seen.r.err.len, 64 * 1024);
	CHECK(seen.r.overflow);
	CHECK_INT(seen.r.exit_code, 0);
	teardown();
}

TEST(caps_are_exact)
{
	struct seen seen = { 0 };

	setup();
	run("printf 12345", (struct spawn_spec){ .max_stdout = 5 }, &seen);
	CHECK_STR(seen.out, "12345");
	CHECK(!seen.r.overflow);
	seen = (struct seen){ 0 };
	run("printf 123456", (struct spawn_spec){ .max_stdout = 5 }, &seen);
	CHECK_STR(seen.out, "12345");
	CHECK(seen.r.overflow);
	teardown();
}

TEST(overflow_ends_the_child_when_asked)
{
	struct seen seen = { 0 };

	setup();
	run("exec yes", (struct spawn_spec){ .max_stdout = 100000,
	    .kill_on_overflow = true }, &seen);
	CHECK_INT(seen.r.out.len, 100000);
	CHECK(seen.r.overflow);
	CHECK_INT(seen.r.signo, SIGTERM);
	teardown();
}

TEST(timeout_kills_who_ignores_term)
{
	struct seen seen = { 0 };
	struct spawn_fd fd = { .child = 3 };
	int p[2];

	setup();
	CHECK_INT(pipe2(p, O_CLOEXEC), 0);
	fd.parent = p[1];
	/* A member of the group ignores TERM and holds no pipe of ours. */
	run("trap '' TERM; sh -c 'while :; do sleep 9; done' >/dev/null 2>&1 &"
	    " while :; do sleep 9; done", (struct spawn_spec){ .timeout = 0.1,
	    .grace = 0.1, .fds = &fd, .nfds = 1 }, &seen);
	close(p[1]);
	CHECK(seen.r.timed_out);
	CHECK_INT(seen.r.signo, SIGKILL);
	CHECK(all_gone(p[0]));
	close(p[0]);
	teardown();
}

TEST(timeout_sweeps_the_group_when_the_leader_obeys)
{
	struct seen seen = { 0 };
	struct spawn_fd fd = { .child = 3 };
	int p[2];

	setup();
	CHECK_INT(pipe2(p, O_CLOEXEC), 0);
	fd.parent = p[1];
	run("(trap '' TERM; exec >/dev/null 2>&1; while :; do sleep 9; done) & "
	    "wait", (struct spawn_spec){ .timeout = 0.2, .grace = 10,
	    .fds = &fd, .nfds = 1 }, &seen);
	close(p[1]);
	CHECK(seen.r.timed_out);
	CHECK_INT(seen.r.signo, SIGTERM);
	CHECK(all_gone(p[0]));
	close(p[0]);
	teardown();
}

TEST(a_grandchild_that_holds_the_pipe_does_not_hang_the_result)
{
	struct seen seen = { 0 };
	struct spawn_fd fd = { .child = 3 };
	int p[2];

	setup();
	CHECK_INT(pipe2(p, O_CLOEXEC), 0);
	fd.parent = p[1];
	run("sleep 100 & echo hi", (struct spawn_spec){ .fds = &fd,
	    .nfds = 1 }, &seen);
	close(p[1]);
	CHECK_STR(seen.out, "hi\n");
	CHECK_INT(seen.r.exit_code, 0);
	CHECK(!seen.r.timed_out);
	CHECK(all_gone(p[0]));
	close(p[0]);
	teardown();
}

TEST(feeds_stdin_beyond_the_pipe)
{
	static char big[1000000];
	struct seen seen = { 0 };

	setup();
	memset(big, 'x', sizeof(big));
	run("wc -c", (struct spawn_spec){ .input = big,
	    .input_len = sizeof(big) }, &seen);
	CHECK_INT(atoi(seen.out), sizeof(big));
	seen = (struct seen){ 0 };
	run("cat", (struct spawn_spec){ .input = big,
	    .input_len = sizeof(big) }, &seen);
	CHECK_INT(seen.r.out.len, sizeof(big));
	seen = (struct seen){ 0 };
	run("cat; echo end", (struct spawn_spec){ .input = "" }, &seen);
	CHECK_STR(seen.out, "end\n");
	seen = (struct seen){ 0 };
	run("cat; echo end", (struct spawn_spec){ 0 }, &seen);
	CHECK_STR(seen.out, "end\n");
	teardown();
}

TEST(a_child_that_does_not_read_stdin_harms_nobody)
{
	static char big[1000000];
	struct seen seen = { 0 };
	sigset_t pending;

	setup();
	run("exec <&-; echo ok", (struct spawn_spec){ .input = big,
	    .input_len = sizeof(big) }, &seen);
	CHECK_STR(seen.out, "ok\n");
	sigpending(&pending);
	CHECK(!sigismember(&pending, SIGPIPE));
	teardown();
}

struct secret_seen {
	struct seen seen;
	struct secret *out;
};

static void
secret_cb(struct spawn *s, struct spawn_result *r, void *arg)
{
	struct secret_seen *ss = arg;

	ss->out = secret_buf_take(&r->secret_out);
	seen_cb(s, r, &ss->seen);
}

TEST(secrets_go_in_and_come_out_locked)
{
	const char *const argv[] = { "/bin/sh", "-c", "cat; echo", NULL };
	struct spawn_spec spec = { .argv = argv, .secret_output = true };
	struct secret_seen ss = { .seen = { .free_inside = true } };
	struct err e = ERR_INIT;
	struct spawn *s = NULL;
	size_t secrets = secret_count();

	setup();
	spec.input_secret = secret_new("hunter2!", 8);
	CHECK_INT(spawn_start(loop, reaper, &spec, secret_cb, &ss, &s, &e), 0);
	secret_unref(spec.input_secret);	/* it has its own reference */
	turn_until_called(&ss.seen);
	CHECK_INT(ss.seen.r.out.len, 0);
	CHECK_MEM(secret_bytes(ss.out), secret_len(ss.out), "hunter2!\n", 9);
	secret_unref(ss.out);
	CHECK_INT(secret_count(), secrets);
	teardown();
}

TEST(only_listed_descriptors_are_open)
{
	const char *const argv[] = { "/bin/ls", "/proc/self/fd", NULL };
	struct spawn_fd fd = { .child = 7 };
	struct seen seen = { 0 };
	int leak[3];
	size_t i;

	setup();
	for (i = 0; i < ARRAY_LEN(leak); i++)
		leak[i] = fcntl(1, F_DUPFD, 4 + 60 * (int)i);
	/* 3 is the directory that ls reads. */
	run("", (struct spawn_spec){ .argv = argv }, &seen);
	CHECK_STR(seen.out, "0\n1\n2\n3\n");
	seen = (struct seen){ 0 };
	fd.parent = leak[0];
	run("", (struct spawn_spec){ .argv = argv, .fds = &fd, .nfds = 1 },
	    &seen);
	CHECK_STR(seen.out, "0\n1\n2\n3\n7\n");
	for (i = 0; i < ARRAY_LEN(leak); i++)
		close(leak[i]);
	teardown();
}

/* What the number of one in the child is the number of the other here. */
TEST(descriptors_may_swap_numbers_and_keep_them)
{
	struct seen seen = { 0 };
	struct spawn_fd fds[3];
	char text[8] = "", script[128];
	int p[2], q[2], a, b;

	setup();
	CHECK_INT(pipe2(p, O_CLOEXEC), 0);
	CHECK_INT(pipe2(q, O_CLOEXEC), 0);
	a = fcntl(p[1], F_DUPFD_CLOEXEC, 20);
	b = fcntl(q[1], F_DUPFD_CLOEXEC, 20);
	fds[0] = (struct spawn_fd){ .child = b, .parent = a };
	fds[1] = (struct spawn_fd){ .child = a, .parent = b };
	fds[2] = (struct spawn_fd){ .child = 9, .parent = p[1] };
	CHECK(a < 60 && b < 60);
	snprintf(script, sizeof(script), "echo p >/proc/self/fd/%d; "
	    "echo q >/proc/self/fd/%d; echo r >&9", b, a);
	run(script, (struct spawn_spec){ .fds = fds, .nfds = 3 },
	    &seen);
	CHECK_STR(seen.err, "");
	CHECK_INT(read(p[0], text, sizeof(text)), 4);
	CHECK_MEM(text, 4, "p\nr\n", 4);
	CHECK_INT(read(q[0], text, sizeof(text)), 2);
	CHECK_MEM(text, 2, "q\n", 2);
	close(a);
	close(b);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
	teardown();
}

/* A signal set of /proc/PID/status. glibc's posix_spawn leaves its two internal
 * signals, 32 and 33, ignored. */
static unsigned long long
signal_set(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	CHECK(at != NULL);
	return at == NULL ? 0 :
	    strtoull(at + strlen(name), NULL, 16) & ~(3ULL << 31);
}

TEST(signals_are_reset)
{
	const char *const argv[] = { "/bin/cat", "/proc/self/status", NULL };
	struct seen seen = { 0 };
	sigset_t set, old;

	setup();
	signal(SIGUSR1, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	run("", (struct spawn_spec){ .argv = argv }, &seen);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	CHECK_INT(signal_set(seen.out, "SigBlk:"), 0);
	CHECK_INT(signal_set(seen.out, "SigIgn:"), 0);
	CHECK_INT(signal_set(seen.out, "SigCgt:"), 0);
	teardown();
}

TEST(the_child_leads_its_session)
{
	const char *const argv[] = { "/bin/true", NULL };
	struct spawn_spec spec = { .argv = argv };
	struct seen seen = { .free_inside = true };
	struct spawn *s = NULL;

	setup();
	CHECK_INT(spawn_start(loop, reaper, &spec, seen_cb, &seen, &s, NULL),
	    0);
	CHECK_INT(getsid(spawn_pid(s)), spawn_pid(s));
	CHECK_INT(getpgid(spawn_pid(s)), spawn_pid(s));
	turn_until_called(&seen);
	teardown();
}

TEST(a_freed_child_is_killed_and_reaped_silently)
{
	const char *const argv[] = { "/bin/sh", "-c", "sleep 100 & sleep 100",
	    NULL };
	struct spawn_spec spec = { .argv = argv };
	struct spawn_fd fd = { .child = 3 };
	struct seen seen = { 0 };
	struct spawn *s = NULL;
	int p[2];

	setup();
	CHECK_INT(pipe2(p, O_CLOEXEC), 0);
	fd.parent = p[1];
	spec.fds = &fd;
	spec.nfds = 1;
	CHECK_INT(spawn_start(loop, reaper, &spec, seen_cb, &seen, &s, NULL),
	    0);
	close(p[1]);
	loop_turn(loop, 0);
	spawn_free(s);
	spawn_free(NULL);
	CHECK(all_gone(p[0]));
	close(p[0]);
	teardown();
	CHECK_INT(seen.calls, 0);
}

TEST(bad_descriptor_numbers_are_refused)
{
	const char *const argv[] = { "/bin/true", NULL };
	struct spawn_fd fd = { .child = 64, .parent = 1 };
	struct spawn_spec spec = { .argv = argv, .fds = &fd, .nfds = 1 };
	struct err e = ERR_INIT;
	struct spawn *s = NULL;
	int fds = open_count();

	setup();
	CHECK_INT(spawn_start(loop, reaper, &spec, seen_cb, NULL, &s, &e), -1);
	CHECK_STR(e.code, "SpawnFailed");
	fd = (struct spawn_fd){ .child = 5, .parent = 255 };
	CHECK_INT(spawn_start(loop, reaper, &spec, seen_cb, NULL, &s, &e), -1);
	CHECK_INT(e.sys, EBADF);
	teardown();
	CHECK_INT(open_count(), fds);
}

CHECK_MAIN(
    RUN(collects_output_and_status);
    RUN(environment_is_exactly_what_was_given);
    RUN(a_death_by_signal_is_told);
    RUN(fills_stderr_before_stdout);
    RUN(caps_are_exact);
    RUN(overflow_ends_the_child_when_asked);
    RUN(timeout_kills_who_ignores_term);
    RUN(timeout_sweeps_the_group_when_the_leader_obeys);
    RUN(a_grandchild_that_holds_the_pipe_does_not_hang_the_result);
    RUN(feeds_stdin_beyond_the_pipe);
    RUN(a_child_that_does_not_read_stdin_harms_nobody);
    RUN(secrets_go_in_and_come_out_locked);
    RUN(only_listed_descriptors_are_open);
    RUN(descriptors_may_swap_numbers_and_keep_them);
    RUN(signals_are_reset);
    RUN(the_child_leads_its_session);
    RUN(a_freed_child_is_killed_and_reaped_silently);
    RUN(bad_descriptor_numbers_are_refused))
