/* links: agent agent_link agent_spec agent_find agent_log agent_sweep platform sock_peer spawn_check spawn_image reaper loop mem err log log_line secret secret_redact */
#include "agent_fixture.h"
#include "log.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "platform.h"

/* A later daemon: forget the agent, and attach to it. */
static struct agent *
attach(struct seen *seen)
{
	struct err e = ERR_INIT;
	struct agent *a = NULL;

	if (agent_attach(loop, agent_id, dir, seen_cb, seen, &a, &e) != 0)
		CHECK_NOTE("%s: %s", e.code, e.text);
	return a;
}

static void
touch(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* Without a turn of the loop. */
static void
wait_file(const char *name)
{
	char path[PATH_MAX];
	int i;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	for (i = 0; i < 4000 && access(path, F_OK) != 0; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	CHECK_INT(access(path, F_OK), 0);
}

#define WAIT_FOR(name) "until test -e $T/" name "; do sleep 0.01; done;"

TEST(a_later_daemon_has_everything)
{
	struct seen first = { 0 }, later = { .free_at_end = true };
	struct agent *a;
	pid_t pid;

	setup();
	a = start_sh("echo '{\"n\":1}';" WAIT_FOR("two") "echo '{\"n\":2}'; >$T/said;"
	    WAIT_FOR("three") "echo '{\"n\":3}'; read x; echo \"got $x\"; exit 5",
	    (struct agent_spec){ .input = true }, &first);
	UNTIL(first.events == 1);
	pid = first.pid;
	agent_free(a);
	touch("two");
	wait_file("said");
	a = attach(&later);
	UNTIL(seen_has(&later, 'P') && later.events == 1);
	CHECK_INT(later.pid, pid);
	CHECK_STR(later.first, "{\"n\":2}");
	touch("three");
	UNTIL(later.events == 2);
	CHECK(agent_input(a, "hello\n", 6) > 0);
	UNTIL(seen_end(&later));
	CHECK_STR(later.seq, "PAX");
	CHECK_INT(later.code, 5);
	CHECK_INT(later.end.log_lost, 0);
	CHECK_HAS(content("agents/a1/" OUT), "got hello\n");
	teardown();
}

TEST(a_later_daemon_can_stop_it)
{
	struct seen first = { 0 }, later = { .free_at_end = true };
	struct agent *a;

	setup();
	a = start_sh("trap '' TERM; echo '{}'; while :; do sleep 1000; done",
	    (struct agent_spec){ 0 }, &first);
	UNTIL(first.events == 1);
	agent_free(a);
	a = attach(&later);
	UNTIL(seen_has(&later, 'P'));
	agent_stop(a, SIGTERM, 0.05);
	UNTIL(seen_end(&later));
	CHECK_STR(later.seq, "PX");
	CHECK_INT(later.signo, SIGKILL);
	CHECK(later.end.killed >= 1);
	CHECK_HAS(later.end.victims, ":sleep");
	CHECK(is_gone(first.pid));
	teardown();
}

TEST(the_newest_daemon_has_the_link)
{
	struct seen first = { 0 }, second = { 0 }, third = { 0 };
	struct agent *a, *b, *c;

	setup();
	a = start_sh("echo '{}'; exec sleep 1000", (struct agent_spec){ 0 },
	    &first);
	UNTIL(first.events == 1);
	agent_free(a);
	b = attach(&second);
	UNTIL(seen_has(&second, 'P'));
	c = attach(&third);
	UNTIL(seen_has(&third, 'P'));
	agent_stop(c, SIGTERM, 10);
	/* The other sees by the lock that it has ended. */
	UNTIL(seen_end(&second) && seen_end(&third));
	CHECK_STR(second.seq, "PX");
	CHECK_INT(second.signo, SIGTERM);
	CHECK_STR(third.seq, "PX");
	agent_free(b);
	agent_free(c);
	teardown();
}

TEST(events_that_nobody_reads_are_bounded)
{
	struct seen first = { 0 }, later = { .free_at_end = true };
	const long n = 5000;
	struct agent *a;

	setup();
	a = start_sh("echo '{}';" WAIT_FOR("go") "i=0; while test $i -lt 5000;"
	    " do i=$((i + 1)); echo '{\"n\":'$i',\"padding\":\"0123456789012345\"}';"
	    " done; >$T/done; exec sleep 1000", (struct agent_spec){ 0 },
	    &first);
	UNTIL(first.events == 1);
	agent_free(a);
	touch("go");
	wait_file("done");
	a = attach(&later);
	UNTIL(later.events + later.dropped >= n);
	CHECK_INT(later.events + later.dropped, n);
	CHECK(later.dropped > 3000);
	CHECK_HAS(later.last, "{\"n\":5000,");
	agent_stop(a, SIGKILL, 0);
	UNTIL(seen_end(&later));
	teardown();
}

TEST(a_killed_shim_takes_all_of_an_attached_agent_along)
{
	struct seen first = { 0 }, later = { .free_at_end = true };
	const char *const argv[] = { "/bin/sh", "-c",
	    "(setsid sh -c 'echo $$ >$T/pid; exec sleep 1000' &) ;"
	    " until test -s $T/pid; do sleep 0.01; done; echo '{}';"
	    " exec sleep 1000", NULL };
	char t[80];
	const char *const envp[] = { t, "PATH=/usr/bin:/bin",
	    agent_mark, NULL };
	struct agent_record rec;
	struct agent *a;
	pid_t child;

	setup();
	snprintf(t, sizeof(t), "T=%s", top);
	a = start((struct agent_spec){ .argv = argv, .envp = envp }, &first);
	UNTIL(first.events == 1);
	child = (pid_t)atol(content("pid"));
	CHECK(child > 1 && !is_gone(child));
	agent_free(a);
	attach(&later);
	UNTIL(seen_has(&later, 'P'));
	CHECK_INT(found(&rec), AGENT_ALIVE);
	CHECK_INT(rec.pid, first.pid);
	CHECK(rec.pid_start > 0 && rec.started_at > 1000000000);
	CHECK(rec.shim > 1 && kill(rec.shim, SIGKILL) == 0);
	UNTIL(seen_end(&later));
	CHECK_STR(later.seq, "PL");
	UNTIL(is_dead(child) && is_dead(first.pid));
	teardown();
}

TEST(a_lock_of_a_stranger_is_no_shim)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct seen seen = { .free_at_end = true };
	struct agent_record rec;
	struct err e = ERR_INIT;
	struct agent *a = NULL;
	char path[128], c;
	int fd, ready[2];
	pid_t pid;

	setup();
	start_sh("exit 0", (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_end(&seen) && reaper_count(reaper) == 0);
	CHECK_INT(agent_attach(loop, agent_id, dir, seen_cb, &seen, &a, &e), -1);
	CHECK_STR(e.code, "AgentStateFailed");
	snprintf(path, sizeof(path), "%s/lock", dir);
	CHECK_INT(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fcntl(fd, F_SETLK, &lock) == 0 && write(ready[1], "x", 1))
			pause();
		_exit(1);
	}
	CHECK_INT(read(ready[0], &c, 1), 1);
	CHECK_INT(agent_find(dir, &rec, &e), -1);
	CHECK_HAS(e.text, "which is not its shim");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	CHECK_INT(found(&rec), AGENT_EXITED);
	teardown();
}

/* In a child: what a shim has in its directory, and nonsense for who connects. */
static void
lying_shim(int ready)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int fd, s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[128];
	int len;

	if (chdir(dir) != 0 || bind(s, (struct sockaddr *)&sun,
	    sizeof(sun)) != 0 || listen(s, 1) != 0)
		_exit(1);
	fd = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fcntl(fd, F_SETLK, &lock) != 0)
		_exit(1);
	len = snprintf(text, sizeof(text), "shim=%ld\nshim_start=%llu\n",
	    (long)getpid(), (unsigned long long)platform_start_time(getpid()));
	fd = open("info", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (write(fd, text, (size_t)len) != len || write(ready, "x", 1) != 1)
		_exit(1);
	fd = accept(s, NULL, NULL);
	if (write(fd, "P\1\0\0\0x", 6) != 6)
		_exit(1);
	for (;;)
		pause();
}

/* It cannot be asked to stop any more, so it is stopped. */
TEST(an_attached_shim_that_talks_nonsense_is_stopped)
{
	struct seen seen = { .free_at_end = true };
	int ready[2], status = 0;
	char c;
	pid_t pid;

	setup();
	snprintf(dir, sizeof(dir), "%s/a1", top);
	CHECK_INT(mkdir(dir, 0700), 0);
	CHECK_INT(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		lying_shim(ready[1]);
	CHECK_INT(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	CHECK(attach(&seen) != NULL);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "L");
	kill(pid, SIGKILL);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	teardown();
}

/* --- input --- */

TEST(input_is_all_or_nothing)
{
	static char big[100 * 1024];
	struct seen seen = { 0 };
	struct agent *a;
	long taken = 0;
	int i;

	setup();
	memset(big, 'x', sizeof(big));
	a = start_sh("echo '{}';" WAIT_FOR("go") "wc -c; exec <&-; >$T/closed;"
	    " exec sleep 1000", (struct agent_spec){ .input = true }, &seen);
	UNTIL(seen.events == 1);
	for (i = 0; i < 5; i++) {
		seen.seq[0] = '\0';
		CHECK_INT(agent_input(a, big, sizeof(big)), i + 1);
		UNTIL(seen_has(&seen, 'A'));
		if (seen.code == 0)
			taken++;
		else
			CHECK_INT(seen.code, EAGAIN);
		CHECK(seen.waiting <= AGENT_INPUT_MAX);
	}
	CHECK(taken >= 2 && taken < 5);
	touch("go");
	/* wc reads to the end, which only the shim's end brings. */
	agent_stop(a, SIGKILL, 0);
	UNTIL(seen_end(&seen));
	agent_free(a);
	teardown();
}

TEST(closed_or_no_input_is_told)
{
	struct seen seen = { 0 };
	struct agent *a;

	setup();
	a = start_sh("exec <&-; echo '{}'; exec sleep 1000",
	    (struct agent_spec){ .input = true }, &seen);
	UNTIL(seen.events == 1);
	agent_input(a, "x", 1);
	UNTIL(seen_has(&seen, 'A'));
	CHECK_INT(seen.code, EPIPE);
	agent_stop(a, SIGKILL, 0);
	UNTIL(seen_end(&seen));
	CHECK_INT(agent_input(a, "x", 1), 0);
	agent_free(a);
	UNTIL(reaper_count(reaper) == 0);
	seen = (struct seen){ 0 };
	a = start_sh("echo '{}'; exec sleep 1000", (struct agent_spec){ 0 },
	    &seen);
	UNTIL(seen.events == 1);
	agent_input(a, "x", 1);
	UNTIL(seen_has(&seen, 'A'));
	CHECK_INT(seen.code, ENOTSUP);
	agent_stop(a, SIGKILL, 0);
	UNTIL(seen_end(&seen));
	agent_free(a);
	teardown();
}

int
main(void)
{
	/* What is left behind is logged. */
	log_setup(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, LOG_TEXT);
	RUN(a_later_daemon_has_everything);
	RUN(a_later_daemon_can_stop_it);
	RUN(the_newest_daemon_has_the_link);
	RUN(events_that_nobody_reads_are_bounded);
	RUN(a_killed_shim_takes_all_of_an_attached_agent_along);
	RUN(a_lock_of_a_stranger_is_no_shim);
	RUN(an_attached_shim_that_talks_nonsense_is_stopped);
	RUN(input_is_all_or_nothing);
	RUN(closed_or_no_input_is_told);
	printf("1..%d\n", check_number);
	return check_failed_tests != 0;
}
