/* links: agent_sweep platform err mem log log_line secret secret_redact */
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "check.h"
#include "log.h"
#include "platform.h"

/* A session with a first process and another one in it; what its shim would have
 * written of it is in rec. */
static struct agent_record rec;
static pid_t member;

static void
session_start(void)
{
	pid_t child;
	int p[2];

	CHECK_INT(pipe2(p, O_CLOEXEC), 0);
	rec = (struct agent_record){ .pid = fork() };
	if (rec.pid == 0) {
		setsid();
		child = fork();
		if (child == 0) {
			pause();
			_exit(0);
		}
		if (write(p[1], &child, sizeof(child)) > 0)
			pause();
		_exit(1);
	}
	close(p[1]);
	CHECK_INT(read(p[0], &member, sizeof(member)), sizeof(member));
	close(p[0]);
	rec.pid_start = platform_start_time(rec.pid);
	rec.started_at = (int64_t)time(NULL);
	CHECK(rec.pid_start > 0);
}

static void
first_ends(void)
{
	CHECK_INT(kill(rec.pid, SIGKILL), 0);
	CHECK_INT(waitpid(rec.pid, NULL, 0), rec.pid);
}

static bool
sweep_finds(void)
{
	return agent_sweep("nobody-has-this-id", &rec) > 0;
}

static void
session_end(void)
{
	kill(member, SIGKILL);
	if (waitpid(rec.pid, NULL, WNOHANG) == 0) {
		kill(rec.pid, SIGKILL);
		waitpid(rec.pid, NULL, 0);
	}
}

TEST(a_session_is_swept_with_and_without_its_first_process)
{
	session_start();
	CHECK(sweep_finds());
	session_end();
	session_start();
	first_ends();
	CHECK(sweep_finds());
	session_end();
}

/* The pid was given to somebody else, who leads a session now. */
TEST(a_session_of_another_first_process_is_left_alone)
{
	session_start();
	rec.pid_start--;
	CHECK(!sweep_finds());
	CHECK_INT(kill(member, 0), 0);
	session_end();
}

/* A daemon's first process ends at once: its session has the number of an agent
 * that ran before the machine was restarted. */
TEST(a_session_from_before_a_restart_of_the_machine_is_left_alone)
{
	session_start();
	first_ends();
	rec.started_at = 1000000000;
	CHECK(!sweep_finds());
	rec.started_at = (int64_t)time(NULL);
	rec.pid_start = 1;		/* before the first process of all */
	if (platform_start_time(1) > 1)
		CHECK(!sweep_finds());
	CHECK_INT(kill(member, 0), 0);
	session_end();
}

int
main(void)
{
	log_setup(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, LOG_TEXT);
	RUN(a_session_is_swept_with_and_without_its_first_process);
	RUN(a_session_of_another_first_process_is_left_alone);
	RUN(a_session_from_before_a_restart_of_the_machine_is_left_alone);
	printf("1..%d\n", check_number);
	return check_failed_tests != 0;
}
