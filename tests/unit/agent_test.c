/* links: agent agent_link agent_spec agent_find agent_log agent_sweep platform sock_peer spawn_check spawn_image reaper loop mem err log log_line secret secret_redact */
#include "agent_fixture.h"

/* Wait for a file with a whole line that names a pid. */
static pid_t
pid_from(const char *name)
{
	UNTIL(strchr(content(name), '\n') != NULL);
	return (pid_t)atol(content(name));
}

static unsigned
mode_of(const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return stat(path, &st) == 0 ? (unsigned)st.st_mode & 07777 : 0;
}

TEST(runs_reports_and_records)
{
	const char *const argv[] = { test_agent, "--step-ms", "1",
	    "--hold-secs", "0", "--session-id", "s1", NULL };
	struct seen seen = { 0 };
	struct agent_record rec;
	struct agent *a;

	setup();
	a = start((struct agent_spec){ .argv = argv, .cwd = top }, &seen);
	CHECK(agent_shim_pid(a) > 1);
	CHECK_STR(seen.seq, "");
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "PX");
	CHECK_INT(seen.code, 0);
	CHECK_INT(seen.signo, 0);
	CHECK_INT(seen.events, 8);
	CHECK_HAS(seen.first, "{\"type\":\"session\",\"id\":\"s1\",\"cwd\":\"/tmp/");
	CHECK_STR(seen.last, "{\"type\":\"agent_end\"}");
	UNTIL(reaper_count(reaper) == 0);
	CHECK_STR(seen.seq, "PX");
	CHECK_HAS(content("agents/a1/" OUT), "{\"type\":\"agent_end\"}\n");
	CHECK_HAS(content("agents/a1/exit"), "code=0\nsignal=0\nended_at=");
	CHECK_INT(found(&rec), AGENT_EXITED);
	CHECK_INT(rec.end.code, 0);
	CHECK(rec.end.ended_at > 1000000000);
	CHECK_INT(mode_of("agents/a1"), 0700);
	CHECK_INT(mode_of("agents/a1/" OUT), 0600);
	CHECK_INT(mode_of("agents/a1/exit"), 0600);
	agent_free(a);
	teardown();
}

TEST(the_child_gets_only_what_was_given)
{
	struct seen seen = { .free_at_end = true };
	int leak;
	const char *log;

	setup();
	leak = fcntl(1, F_DUPFD, 11);
	setenv("BW_SESSION", "leak", 1);
	start_sh("/usr/bin/env | grep -v -e ^PWD -e ^OLDPWD -e ^_; umask; pwd;"
	    " ls /proc/self/fd; readlink /proc/self/fd/0;"
	    " grep -E '^Sig(Blk|Ign)' /proc/self/status; echo oops >&2;"
	    " read a b c d e sid x </proc/self/stat; echo sid=$sid",
	    (struct agent_spec){ .cwd = "/usr" }, &seen);
	UNTIL(seen_end(&seen));
	unsetenv("BW_SESSION");
	close(leak);
	log = content("agents/a1/" OUT);
	CHECK_HAS(log, "PATH=/usr/bin:/bin\n");
	CHECK_HAS(log, "T=/tmp/");
	CHECK(strstr(log, "BW_") == NULL);
	CHECK_HAS(log, "\n0022\n/usr\n0\n1\n2\n3\n/dev/null\n");
	/* 32 and 33 are glibc's own; its posix_spawn leaves them ignored. */
	CHECK_HAS(log, "SigBlk:\t0000000000000000\nSigIgn:\t0000000");
	CHECK_HAS(log, "80000000\n");
	CHECK(strstr(log, "oops") == NULL);
	snprintf(seen.text, sizeof(seen.text), "sid=%ld\n", (long)seen.pid);
	CHECK_HAS(log, seen.text);
	CHECK_STR(content("agents/a1/" ERROUT), "oops\n");
	teardown();
}

TEST(stops_with_the_signal)
{
	struct seen seen = { .free_at_end = true };
	struct agent *a;

	setup();
	a = start_sh("exec sleep 1000", (struct agent_spec){ .grace = 30 },
	    &seen);
	UNTIL(seen_has(&seen, 'P'));
	agent_stop(a, SIGINT, 30);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "PX");
	CHECK_INT(seen.code, -1);
	CHECK_INT(seen.signo, SIGINT);
	CHECK_HAS(content("agents/a1/exit"), "code=-1\nsignal=2\n");
	teardown();
}

TEST(kills_after_the_grace)
{
	struct seen seen = { .free_at_end = true };
	struct agent *a;
	pid_t child;

	setup();
	a = start_sh("trap '' TERM; sh -c 'echo $$ >$T/pid; exec sleep 1000';"
	    " sleep 1000", (struct agent_spec){ .grace = 30 }, &seen);
	child = pid_from("pid");
	agent_stop(a, SIGTERM, 0.05);
	UNTIL(seen_end(&seen));
	CHECK_INT(seen.signo, SIGKILL);
	CHECK(is_gone(child));
	teardown();
}

TEST(a_stopped_process_can_be_ended)
{
	struct seen seen = { .free_at_end = true };
	struct agent *a;

	setup();
	a = start_sh("exec sleep 1000", (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_has(&seen, 'P'));
	CHECK_INT(kill(seen.pid, SIGSTOP), 0);
	agent_stop(a, SIGTERM, 60);
	UNTIL(seen_end(&seen));
	CHECK_INT(seen.signo, SIGTERM);
	teardown();
}

/* A double-forked process in a session of its own that ignores TERM. */
#define DAEMON "(setsid sh -c 'trap \"\" TERM HUP; echo $$ >$T/pid;" \
    " while :; do sleep 1000; done' >/dev/null 2>&1 &) "

TEST(leaves_no_descendant_when_stopped)
{
	struct seen seen = { .free_at_end = true };
	struct agent *a;
	pid_t child;

	setup();
	a = start_sh(DAEMON "; exec sleep 1000", (struct agent_spec){ 0 },
	    &seen);
	child = pid_from("pid");
	CHECK(!is_gone(child));
	agent_stop(a, SIGTERM, 0.05);
	UNTIL(seen_end(&seen));
	CHECK_INT(seen.signo, SIGTERM);
	CHECK(is_gone(child));
	teardown();
}

TEST(leaves_no_descendant_when_it_exits)
{
	struct seen seen = { .free_at_end = true };
	pid_t child;

	setup();
	start_sh(DAEMON "; until test -s $T/pid; do sleep 0.01; done; exit 6",
	    (struct agent_spec){ .grace = 0.05 }, &seen);
	UNTIL(seen_end(&seen));
	child = pid_from("pid");
	CHECK_STR(seen.seq, "PX");
	CHECK_INT(seen.code, 6);
	CHECK(is_gone(child));
	CHECK_HAS(content("agents/a1/exit"), "code=6\nsignal=0\n");
	teardown();
}

TEST(failed_execs_are_told_and_leave_no_status)
{
	const char *const argv[] = { "/bin/true", NULL };
	const char *script[] = { NULL, NULL };
	struct seen seen = { .free_at_end = true };
	struct agent_record rec;
	char path[96];
	int fd;

	setup();
	snprintf(path, sizeof(path), "%s/script", top);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	CHECK_INT(write(fd, "#!/nonexistent/sh\n", 18), 18);
	close(fd);
	script[0] = path;
	start((struct agent_spec){ .argv = script }, &seen);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "F");
	CHECK_INT(seen.code, ENOENT);
	CHECK_HAS(seen.text, "exec '");
	UNTIL(reaper_count(reaper) == 0);
	CHECK_INT(found(&rec), AGENT_GONE);

	seen = (struct seen){ .free_at_end = true };
	start((struct agent_spec){ .argv = argv, .cwd = "/nonexistent/dir" },
	    &seen);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "F");
	CHECK_HAS(seen.text, "change to directory '/nonexistent/dir'");
	UNTIL(reaper_count(reaper) == 0);
	CHECK_INT(found(&rec), AGENT_GONE);
	teardown();
}

TEST(an_earlier_status_is_forgotten)
{
	struct seen seen = { .free_at_end = true };
	struct agent_record rec;
	struct agent *a;

	setup();
	start_sh("exit 9", (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_end(&seen) && reaper_count(reaper) == 0);
	CHECK_INT(found(&rec), AGENT_EXITED);
	CHECK_INT(rec.end.code, 9);
	seen = (struct seen){ .free_at_end = true };
	a = start_sh("exec sleep 1000", (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_has(&seen, 'P'));
	CHECK_INT(found(&rec), AGENT_ALIVE);
	CHECK_INT(rec.shim, agent_shim_pid(a));
	CHECK_STR(content("agents/a1/exit"), "");
	agent_stop(a, SIGKILL, 0);
	UNTIL(seen_end(&seen));
	CHECK_INT(seen.signo, SIGKILL);
	teardown();
}

TEST(one_directory_holds_one_agent)
{
	struct seen first = { .free_at_end = true };
	struct seen second = { .free_at_end = true };
	struct agent *a;

	setup();
	a = start_sh("exec sleep 1000", (struct agent_spec){ 0 }, &first);
	UNTIL(seen_has(&first, 'P'));
	start_sh("exec sleep 1000", (struct agent_spec){ 0 }, &second);
	UNTIL(seen_end(&second));
	CHECK_STR(second.seq, "F");
	CHECK_HAS(second.text, "held by another shim");
	CHECK_STR(first.seq, "P");
	agent_stop(a, SIGTERM, 10);
	UNTIL(seen_end(&first));
	teardown();
}

/* Copy a file; returns false when that or the mode cannot be. */
static bool
copy_program(const char *from, const char *name, mode_t mode, char *path)
{
	char bytes[65536];
	struct stat st;
	ssize_t n;
	int in, out;

	snprintf(path, 128, "%s/%s", top, name);
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	while (in >= 0 && (n = read(in, bytes, sizeof(bytes))) > 0)
		CHECK_INT(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
	return in >= 0 && chmod(path, mode) == 0 && stat(path, &st) == 0 &&
	    (st.st_mode & 07777) == mode;
}

/* As behind sudo: the shim is an ordinary user, the agent is root. words become
 * root by their first one. Returns NULL where that cannot be. */
static struct agent *
start_root_agent(const char **agent, const char **kill_words,
    struct seen *seen)
{
	static char root[128], shim[128];
	char text[512];
	int fd, len;

	if (!copy_program("/usr/bin/setpriv", "as-root", 04755, root))
		return NULL;
	agent[0] = kill_words[0] = root;
	snprintf(shim, sizeof(shim), "%s/shim", top);
	fd = open(shim, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	len = snprintf(text, sizeof(text), "#!/bin/sh\nexec setpriv "
	    "--reuid=65534 --regid=65534 --clear-groups %s\n", shim_program);
	CHECK_INT(write(fd, text, (size_t)len), len);
	close(fd);
	snprintf(text, sizeof(text), "%s/agents", top);
	CHECK(chmod(top, 0755) == 0 && mkdir(text, 0755) == 0 &&
	    mkdir(dir, 0700) == 0 && chown(dir, 65534, 65534) == 0);
	return start((struct agent_spec){ .argv = agent, .shim = shim,
	    .kill = kill_words, .grace = 30 }, seen);
}

TEST(what_it_may_not_signal_is_left_to_the_kill_program)
{
	struct seen seen = { .free_at_end = true };
	const char *agent[] = { NULL, "--reuid=0", "/bin/sh", "-c",
	    "echo '{}'; exec sleep 1000", NULL };
	const char *kill_words[] = { NULL, "--reuid=0", "/bin/kill", NULL };
	struct agent *a;

	if (geteuid() != 0 || access("/usr/bin/setpriv", X_OK) != 0)
		return;
	setup();
	a = start_root_agent(agent, kill_words, &seen);
	if (a != NULL)
		UNTIL(seen.events == 1 || seen_end(&seen));
	if (a != NULL && !seen_end(&seen)) {
		CHECK(!is_gone(seen.pid));
		agent_stop(a, SIGTERM, 20);
		UNTIL(seen_end(&seen));
		CHECK_INT(seen.signo, SIGTERM);
		CHECK(is_gone(seen.pid));
		CHECK_INT(seen.end.signalled, 1);
		CHECK_INT(seen.end.killed, 0);
	}
	teardown();
}

/* It hangs, and may not be killed either: the shim goes on without it. */
TEST(a_kill_program_that_hangs_does_not_hold_the_shim)
{
	struct seen seen = { .free_at_end = true };
	char script[200], hang[200];
	const char *agent[] = { NULL, "--reuid=0", "/bin/sh", "-c", script,
	    NULL };
	const char *kill_words[] = { NULL, "--reuid=0", "/bin/sh", "-c", hang,
	    NULL };
	struct agent *a;

	if (geteuid() != 0 || access("/usr/bin/setpriv", X_OK) != 0)
		return;
	setup();
	snprintf(script, sizeof(script), "echo '{}'; until test -s %s/pids; do"
	    " sleep 0.01; done; echo '{}'; exec sleep 1000", top);
	snprintf(hang, sizeof(hang), "echo $$ >>%s/pids; exec sleep 1000", top);
	a = start_root_agent(agent, kill_words, &seen);
	if (a != NULL)
		UNTIL(seen.events == 1 || seen_end(&seen));
	if (a != NULL && !seen_end(&seen)) {
		agent_stop(a, SIGTERM, 0.1);
		UNTIL(seen.events == 2);
		CHECK_INT(kill(seen.pid, SIGKILL), 0);
		CHECK_INT(kill((pid_t)atol(content("pids")), SIGKILL), 0);
		UNTIL(seen_end(&seen));
		CHECK_INT(seen.signo, SIGKILL);
	}
	teardown();
}

CHECK_MAIN(
    RUN(runs_reports_and_records);
    RUN(the_child_gets_only_what_was_given);
    RUN(stops_with_the_signal);
    RUN(kills_after_the_grace);
    RUN(a_stopped_process_can_be_ended);
    RUN(leaves_no_descendant_when_stopped);
    RUN(leaves_no_descendant_when_it_exits);
    RUN(failed_execs_are_told_and_leave_no_status);
    RUN(an_earlier_status_is_forgotten);
    RUN(what_it_may_not_signal_is_left_to_the_kill_program);
    RUN(a_kill_program_that_hangs_does_not_hold_the_shim);
    RUN(one_directory_holds_one_agent))
