/* links: agent agent_link agent_spec agent_find agent_log agent_sweep platform sock_peer spawn_check spawn_image reaper loop mem err log log_line secret secret_redact */
#include "agent_fixture.h"
#include "log.h"

/* --- the daemon goes away, or is slow --- */

TEST(the_agent_goes_on_without_the_daemon)
{
	struct seen seen = { 0 };
	struct agent_record rec;
	struct agent *a;
	pid_t shim;

	setup();
	a = start_sh("echo '{\"n\":1}'; until test -e $T/go; do sleep 0.01;"
	    " done; echo '{\"n\":2}'; exit 4",
	    (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_has(&seen, 'P') && seen.events > 0);
	shim = agent_shim_pid(a);
	agent_free(a);
	CHECK_INT(found(&rec), AGENT_ALIVE);
	CHECK_INT(rec.shim, shim);
	snprintf(seen.text, sizeof(seen.text), "%s/go", top);
	close(open(seen.text, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	UNTIL(found(&rec) != AGENT_ALIVE);
	CHECK_INT(rec.found, AGENT_EXITED);
	CHECK_INT(rec.end.code, 4);
	CHECK_HAS(content("agents/a1/" OUT), "{\"n\":1}\n{\"n\":2}\n");
	teardown();
}

TEST(term_to_the_shim_stops_an_adopted_agent)
{
	struct seen seen = { 0 };
	struct agent_record rec;
	struct agent *a;

	setup();
	a = start_sh("exec sleep 1000", (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_has(&seen, 'P'));
	agent_free(a);
	CHECK_INT(found(&rec), AGENT_ALIVE);
	CHECK(rec.shim > 1 && kill(rec.shim, SIGHUP) == 0);
	CHECK(rec.shim > 1 && kill(rec.shim, SIGTERM) == 0);
	UNTIL(found(&rec) != AGENT_ALIVE);
	CHECK_INT(rec.found, AGENT_EXITED);
	CHECK_INT(rec.end.signo, SIGTERM);
	CHECK(is_gone(seen.pid));
	teardown();
}

TEST(a_slow_daemon_never_blocks_the_agent)
{
	struct seen seen = { .free_at_end = true };
	const long n = 60000;		/* more than queue and socket hold */

	setup();
	start_sh("i=0; while test $i -lt 60000; do i=$((i + 1));"
	    " echo '{\"n\":'$i',\"padding\":\"0123456789012345678901234567890123456789\"}';"
	    " done", (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_has(&seen, 'P'));
	/* Not a turn of the loop until the agent has recorded its end. */
	while (content("agents/a1/exit")[0] == '\0')
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	UNTIL(seen_end(&seen));
	CHECK(seen.dropped > 0);
	CHECK_INT(seen.events + seen.dropped, n);
	CHECK_HAS(seen.last, "{\"n\":60000,");
	CHECK_INT(seen.code, 0);
	teardown();
}

TEST(only_lines_that_look_like_events_are_forwarded)
{
	struct seen seen = { .free_at_end = true };
	struct stat st;

	setup();
	start_sh("echo text; echo; echo ' {\"a\":1}'; printf '{\"b\":2}\\r\\n';"
	    " printf '{\"long\":\"'; head -c 70000 /dev/zero | tr '\\0' x;"
	    " echo '\"}'; printf '\\377\\000\\n'; echo '{\"c\":3}' >&2;"
	    " printf '{\"d\":4'; sleep 0.05; printf '}\\n{\"e\":5}'",
	    (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_end(&seen));
	CHECK_INT(seen.events, 3);
	CHECK_INT(seen.dropped, 1);		/* the long one */
	CHECK_STR(seen.first, "{\"b\":2}");
	CHECK_STR(seen.last, "{\"e\":5}");
	snprintf(seen.text, sizeof(seen.text), "%s/" OUT, dir);
	CHECK_INT(stat(seen.text, &st), 0);
	CHECK(st.st_size > 70000);
	teardown();
}

TEST(an_event_of_the_greatest_size_passes)
{
	struct seen seen = { .free_at_end = true };

	setup();
	start_sh("printf '{'; head -c 65535 /dev/zero | tr '\\0' x; echo;"
	    " printf '{'; head -c 65536 /dev/zero | tr '\\0' x; echo",
	    (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_end(&seen));
	CHECK_INT(seen.events, 1);
	CHECK_INT(seen.dropped, 1);
	CHECK_INT(seen.longest, 65536);
	teardown();
}

TEST(a_killed_shim_is_lost_and_takes_the_agent_along)
{
	struct seen seen = { .free_at_end = true };
	struct agent_record rec;
	struct agent *a;

	setup();
	a = start_sh("sh -c 'echo $$ >$T/pid; echo {}; exec sleep 1000'; wait",
	    (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_has(&seen, 'P') && seen.events == 1);
	CHECK(agent_shim_pid(a) > 1 && kill(agent_shim_pid(a), SIGKILL) == 0);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "PL");
	CHECK_INT(found(&rec), AGENT_GONE);
	UNTIL(is_dead(seen.pid));
	UNTIL(is_dead((pid_t)atol(content("pid"))));
	teardown();
}

/* --- a shim that lies: a script in its place --- */

static void
hostile(const char *body, const char *want)
{
	const char *const argv[] = { "/bin/true", NULL };
	struct seen seen = { .free_at_end = true };
	char path[96], text[512];
	int fd, len;

	setup();
	snprintf(path, sizeof(path), "%s/shim", top);
	len = snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", body);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	CHECK_INT(write(fd, text, (size_t)len), len);
	close(fd);
	start((struct agent_spec){ .argv = argv, .shim = path }, &seen);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, want);
	teardown();
}

#define WAIT "; exec sleep 1000"

TEST(bad_records_are_no_harm)
{
	/* These say so once and are ended. */
	hostile("printf 'E\\377\\377\\377\\377xxxx' >&3" WAIT, "L");
	hostile("printf 'E\\001\\000\\020\\000x' >&3" WAIT, "L");
	hostile("printf 'P\\003\\000\\000\\000abc' >&3" WAIT, "L");
	hostile("printf 'P\\000\\000\\000\\000' >&3" WAIT, "L");
	hostile("printf 'H\\002\\000\\000\\000-1' >&3" WAIT, "L");
	hostile("printf 'P\\024\\000\\000\\00099999999999999999999' >&3" WAIT,
	    "L");
	hostile("printf 'X\\002\\000\\000\\0000 ' >&3" WAIT, "L");
	hostile("printf 'X\\005\\000\\000\\000999 0' >&3" WAIT, "L");
	hostile("printf 'F\\000\\000\\000\\000' >&3" WAIT, "L");
	hostile("printf 'D\\002\\000\\000\\000-5' >&3" WAIT, "L");
	hostile("exec cat /proc/self/environ /bin/sh >&3", "L");
	/* These are cut off. */
	hostile("exit 0", "L");
	hostile("printf 'P' >&3", "L");
	hostile("printf 'P\\005\\000\\000\\000123' >&3", "L");
	hostile("exec 3>&-; exec sleep 0.05", "L");
	/* Unknown records are skipped. */
	hostile("printf 'Z\\001\\000\\000\\000xX\\003\\000\\000\\0000 0' "
	    ">&3", "X");
	/* An agent that writes a lot while nobody reads. */
	hostile("printf 'D\\012\\000\\000\\0003000000000X\\003\\000\\000\\0000 0' "
	    ">&3", "X");
	/* These are well formed; nothing comes after the end. */
	hostile("printf 'X\\003\\000\\000\\0000 0X\\003\\000\\000\\0000 0' "
	    ">&3", "X");
	hostile("printf 'F\\004\\000\\000\\0002 xP\\001\\000\\000\\0009' >&3",
	    "F");
	hostile("printf 'E\\000\\000\\000\\000D\\001\\000\\000\\0007P\\001"
	    "\\000\\000\\0009' >&3", "PL");
}

/* --- arguments --- */

static const char *
refused(struct agent_spec spec)
{
	static struct err e;
	struct seen seen = { 0 };
	struct agent *a = NULL;

	if (agent_start(loop, reaper, &spec, seen_cb, &seen, &a, &e) == 0) {
		agent_free(a);
		return "started";
	}
	return e.code;
}

TEST(bad_specs_are_refused_at_once)
{
	static char big[2 * 1024 * 1024];
	const char *const ok[] = { "/bin/true", NULL };
	const char *const relative[] = { "true", NULL };
	const char *const missing[] = { "/nonexistent", NULL };
	const char *const huge[] = { "/bin/true", big, NULL };
	struct agent_spec s;

	setup();
	memset(big, 'x', sizeof(big) - 1);
	s = (struct agent_spec){ .id = "a1", .shim = shim_program, .dir = dir,
	    .argv = ok };
	s.id = "";
	CHECK_STR(refused(s), "BadPath");
	s.id = "../a";
	CHECK_STR(refused(s), "BadPath");
	s.id = "a1";
	s.dir = "agents/a1";
	CHECK_STR(refused(s), "BadPath");
	s.dir = dir;
	s.cwd = "tmp";
	CHECK_STR(refused(s), "BadPath");
	s.cwd = NULL;
	s.argv = relative;
	CHECK_STR(refused(s), "ProgramNotTrusted");
	s.argv = missing;
	CHECK_STR(refused(s), "ProgramNotFound");
	s.argv = huge;
	CHECK_STR(refused(s), "SpawnFailed");
	s.argv = ok;
	s.shim = "/nonexistent";
	CHECK_STR(refused(s), "ProgramNotFound");
	teardown();
}

TEST(a_directory_of_others_is_refused)
{
	struct seen seen = { .free_at_end = true };

	setup();
	snprintf(dir, sizeof(dir), "%s/open", top);
	CHECK_INT(mkdir(dir, 0755), 0);
	CHECK_INT(chmod(dir, 0777), 0);
	start_sh("exit 0", (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "F");
	CHECK_HAS(seen.text, "not ours alone");
	snprintf(dir, sizeof(dir), "%s/a/b/c", top);
	seen = (struct seen){ .free_at_end = true };
	start_sh("exit 0", (struct agent_spec){ 0 }, &seen);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "F");
	CHECK_INT(seen.code, ENOENT);
	teardown();
}

TEST(a_large_spec_passes)
{
	static char env[100000];
	const char *const envp[] = { env, env, env, env, env, env, env, env,
	    NULL };
	const char *const argv[] = { "/bin/sh", "-c", "echo ${#A}", NULL };
	struct seen seen = { .free_at_end = true };

	setup();
	memset(env, 'x', sizeof(env) - 1);
	memcpy(env, "A=", 2);
	start((struct agent_spec){ .argv = argv, .envp = envp }, &seen);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "PX");
	CHECK_STR(content("agents/a1/" OUT), "99997\n");
	teardown();
}

/* --- agent_find --- */

TEST(finds_what_is_on_disk)
{
	struct agent_record rec;
	struct err e = ERR_INIT;
	char path[128];
	int fd;

	setup();
	CHECK_INT(found(&rec), AGENT_GONE);
	snprintf(dir, sizeof(dir), "%s/d", top);
	CHECK_INT(mkdir(dir, 0700), 0);
	CHECK_INT(found(&rec), AGENT_GONE);
	snprintf(path, sizeof(path), "%s/lock", dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	CHECK_INT(found(&rec), AGENT_GONE);
	snprintf(path, sizeof(path), "%s/exit", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK_INT(write(fd, "code=3\nsignal=0\nended_at=12\n", 28), 28);
	CHECK_INT(found(&rec), AGENT_EXITED);
	CHECK_INT(rec.end.code, 3);
	CHECK_INT(rec.end.ended_at, 12);
	CHECK_INT(write(fd, "x", 1), 1);
	CHECK_INT(agent_find(dir, &rec, &e), -1);
	CHECK_STR(e.code, "AgentStateFailed");
	CHECK_INT(ftruncate(fd, 0), 0);
	CHECK_INT(agent_find(dir, &rec, &e), -1);
	close(fd);
	teardown();
}

int
main(void)
{
	/* The lies of shims are logged. */
	log_setup(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, LOG_TEXT);
	RUN(the_agent_goes_on_without_the_daemon);
	RUN(term_to_the_shim_stops_an_adopted_agent);
	RUN(a_slow_daemon_never_blocks_the_agent);
	RUN(only_lines_that_look_like_events_are_forwarded);
	RUN(an_event_of_the_greatest_size_passes);
	RUN(a_killed_shim_is_lost_and_takes_the_agent_along);
	RUN(bad_records_are_no_harm);
	RUN(bad_specs_are_refused_at_once);
	RUN(a_directory_of_others_is_refused);
	RUN(a_large_spec_passes);
	RUN(finds_what_is_on_disk);
	printf("1..%d\n", check_number);
	return check_failed_tests != 0;
}
