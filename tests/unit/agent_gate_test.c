/* links: agent agent_link agent_spec agent_find agent_log agent_sweep platform sock_peer spawn_check spawn_image reaper loop mem err log log_line secret secret_redact */
/*
 * Agents that are held: in front of their exec, or by their argv inside a jail.
 */
#include "agent_fixture.h"
#include "agent_priv.h"

#include <sys/socket.h>

#define MARK "echo ran >$T/marker"

TEST(a_held_child_runs_when_released)
{
	struct seen seen = { .free_at_end = true };
	struct agent *a;
	pid_t pid;

	setup();
	a = start_sh(MARK, (struct agent_spec){ .gate = AGENT_GATE_EXEC }, &seen);
	UNTIL(seen_has(&seen, 'H'));
	pid = seen.pid;
	CHECK_INT(kill(pid, 0), 0);
	CHECK_STR(content("marker"), "");
	agent_go(a);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "HPX");
	CHECK_INT(seen.pid, pid);
	CHECK_STR(content("marker"), "ran\n");
	teardown();
}

TEST(a_child_that_is_never_released_never_runs)
{
	struct seen seen = { 0 };
	struct agent_record rec;
	struct agent *a;

	setup();
	a = start_sh(MARK, (struct agent_spec){ .gate = AGENT_GATE_EXEC }, &seen);
	UNTIL(seen_has(&seen, 'H'));
	agent_free(a);		/* as when the daemon dies */
	UNTIL(reaper_count(reaper) == 0);
	CHECK(is_gone(seen.pid));
	CHECK_STR(content("marker"), "");
	CHECK_STR(seen.seq, "H");
	CHECK_INT(found(&rec), AGENT_GONE);
	teardown();
}

TEST(a_held_child_that_is_stopped_never_runs)
{
	struct seen seen = { .free_at_end = true };
	struct agent_record rec;
	struct agent *a;

	setup();
	a = start_sh(MARK, (struct agent_spec){ .gate = AGENT_GATE_EXEC }, &seen);
	UNTIL(seen_has(&seen, 'H'));
	agent_stop(a, SIGTERM, 60);
	agent_go(a);		/* too late */
	UNTIL(seen_end(&seen) && reaper_count(reaper) == 0);
	CHECK_STR(seen.seq, "HX");
	CHECK_INT(seen.signo, SIGKILL);
	CHECK_STR(content("marker"), "");
	CHECK_INT(found(&rec), AGENT_GONE);
	teardown();
}

TEST(a_held_child_dies_with_its_shim)
{
	struct seen seen = { .free_at_end = true };
	struct agent *a;

	setup();
	a = start_sh(MARK, (struct agent_spec){ .gate = AGENT_GATE_EXEC }, &seen);
	UNTIL(seen_has(&seen, 'H'));
	CHECK_INT(kill(agent_shim_pid(a), SIGKILL), 0);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "HL");
	CHECK_STR(content("marker"), "");
	teardown();
}

/* As lua/colibri/agent_gate.lua has it: what argv runs in the jail waits. */
#define INSIDE "echo 'colibri: inside'; read -r w && [ \"$w\" = go ] || exit 125; "

TEST(one_held_inside_says_so_and_runs_when_released)
{
	struct seen seen = { .free_at_end = true };
	struct agent *a;

	setup();
	a = start_sh("echo launcher; printf '{\"type\":\"x\"}\\nno newline'; "
	    INSIDE "read -r more || echo end; " MARK,
	    (struct agent_spec){ .gate = AGENT_GATE_JAIL }, &seen);
	UNTIL(seen_has(&seen, 'J'));
	CHECK_STR(seen.seq, "HJ");
	CHECK_INT(agent_input(a, "x\n", 2), 1);
	agent_go(a);
	UNTIL(seen_end(&seen));
	CHECK_STR(seen.seq, "HJAPX");
	CHECK_INT(seen.code, 0);
	CHECK_INT(seen.events, 1);
	CHECK_STR(content("agents/a1/" OUT),
	    "launcher\n{\"type\":\"x\"}\nno newlineend\n");
	CHECK_STR(content("marker"), "ran\n");
	teardown();
}

TEST(what_is_sent_to_one_held_inside_comes_behind_the_gate)
{
	struct seen seen = { .free_at_end = true };
	struct agent *a;

	setup();
	a = start_sh(INSIDE "read -r a; read -r b; echo \"$a,$b\"",
	    (struct agent_spec){ .gate = AGENT_GATE_JAIL, .input = true },
	    &seen);
	CHECK_INT(agent_input(a, "go\n", 3), 1);
	UNTIL(seen_has(&seen, 'J') && seen_has(&seen, 'A'));
	CHECK_STR(content("agents/a1/" OUT), "");
	CHECK_INT(agent_input(a, "two\n", 4), 2);
	agent_go(a);
	UNTIL(seen_end(&seen));
	CHECK_INT(seen.code, 0);
	CHECK_STR(content("agents/a1/" OUT), "go,two\n");
	teardown();
}

TEST(one_held_inside_never_runs_without_its_shim_or_daemon)
{
	struct seen seen;
	struct agent_record rec;
	struct agent *a;
	int i;

	for (i = 0; i < 2; i++) {
		seen = (struct seen){ .free_at_end = true };
		setup();
		/* In a session of its own: out of the shim's reach at first. */
		a = start_sh("setsid sh -c \"" "echo 'colibri: inside'; "
		    "read -r w && echo ran >$T/marker; echo end >$T/end\"",
		    (struct agent_spec){ .gate = AGENT_GATE_JAIL }, &seen);
		UNTIL(seen_has(&seen, 'J'));
		if (i == 0)
			CHECK_INT(kill(agent_shim_pid(a), SIGKILL), 0);
		else
			agent_free(a);	/* as when the daemon dies */
		UNTIL(i == 1 || seen_end(&seen));
		UNTIL(reaper_count(reaper) == 0);
		if (i == 0)
			UNTIL(content("end")[0] != '\0');
		CHECK_STR(content("marker"), "");
		CHECK_INT(found(&rec), AGENT_GONE);
		teardown();
	}
}

/* The daemon may go just when its shim tells it something. */
TEST(one_held_inside_dies_when_nobody_can_be_told_of_it)
{
	struct seen seen = { .free_at_end = true };
	struct agent *a;
	char path[128];
	int i;

	setup();
	a = start_sh("until test -e $T/go; do sleep 0.01; done; " INSIDE MARK,
	    (struct agent_spec){ .gate = AGENT_GATE_JAIL }, &seen);
	UNTIL(seen_has(&seen, 'H'));
	CHECK_INT(shutdown(a->fd, SHUT_RD), 0);
	snprintf(path, sizeof(path), "%s/go", top);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	/* Without a turn of the loop, in which our end would be closed. */
	for (i = 0; i < 2000 && !is_gone(seen.pid); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	CHECK(is_gone(seen.pid));
	UNTIL(seen_end(&seen));
	CHECK_STR(content("marker"), "");
	teardown();
}

TEST(a_launcher_that_does_not_get_inside_has_said_why)
{
	struct seen seen = { .free_at_end = true };
	char text[5000];

	setup();
	/* The line, but not at the end of what there is. */
	start_sh("i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo "
	    "'colibri: inside?'; done; printf 'colibri: ins'; exit 3",
	    (struct agent_spec){ .gate = AGENT_GATE_JAIL }, &seen);
	UNTIL(seen_end(&seen) && reaper_count(reaper) == 0);
	CHECK_STR(seen.seq, "HX");
	CHECK_INT(seen.code, 3);
	snprintf(text, sizeof(text), "%.4999s", content("agents/a1/" OUT));
	CHECK_INT(strlen(text), 300 * 17 > 4999 ? 4999 : 300 * 17);
	teardown();
}

CHECK_MAIN(
    RUN(a_held_child_runs_when_released);
    RUN(a_child_that_is_never_released_never_runs);
    RUN(a_held_child_that_is_stopped_never_runs);
    RUN(a_held_child_dies_with_its_shim);
    RUN(one_held_inside_says_so_and_runs_when_released);
    RUN(what_is_sent_to_one_held_inside_comes_behind_the_gate);
    RUN(one_held_inside_never_runs_without_its_shim_or_daemon);
    RUN(one_held_inside_dies_when_nobody_can_be_told_of_it);
    RUN(a_launcher_that_does_not_get_inside_has_said_why))
