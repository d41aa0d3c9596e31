/*
 * agent_shim.c - colibri-agent-shim: owns one agent; see agent.h for the wire.
 *
 * Started by agent_start() with descriptor 3 as its link to the daemon, in a
 * session of its own. It holds the lock of the agent's directory for its whole
 * life, starts the agent, copies its output, ends it with all its descendants
 * when asked, and records how it ended. The daemon may go away at any time;
 * only an agent that is still held then dies with it. A later daemon asks by
 * signal: TERM to stop with the grace of the spec, USR1 to kill at once.
 */
#include <sys/types.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform.h"
#include "shim_priv.h"

#define LINK_FD		3
#define SPEC_SECONDS	30.0	/* for the daemon to say what to start */
#define LAST_READS	64	/* a pipe holds less, unless it is refilled */

static volatile sig_atomic_t got_term, got_kill, got_child;

static void
on_signal(int signo)
{
	if (signo == SIGTERM)
		got_term = 1;
	else if (signo == SIGUSR1)
		got_kill = 1;
	else
		got_child = 1;
}

/* One that is held has nothing to do before its end. */
static void
shim_end_by(struct shim *sh, int signo, double grace)
{
	shim_stop(&sh->stop, sh->held ? SIGKILL : signo, grace);
}

/* Take every status there is. The agent's own end is the end of its
 * descendants, too. */
static void
shim_reap(struct shim *sh)
{
	bool ended = false;
	int status;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid <= 0)
			break;
		if (pid == sh->child.pid) {
			sh->status = status;
			ended = true;
		}
	}
	sh->alone = pid < 0;
	if (ended && !sh->alone)
		shim_stop(&sh->stop, SIGTERM, sh->spec.grace);
}

/* --- from the daemon --- */

static void
shim_read_stop(struct shim *sh, const char *text)
{
	double grace;
	int signo;

	if (sscanf(text, "%d %lf", &signo, &grace) != 2 || signo < 1 ||
	    signo >= NSIG || !(grace >= 0 && grace < 1e9))
		shim_end_by(sh, SIGTERM, sh->spec.grace);
	else
		shim_end_by(sh, signo, grace);
}

static void
shim_read_signal(struct shim *sh, const char *text)
{
	int signo;

	if (sscanf(text, "%d", &signo) == 1 && signo >= 1 && signo < NSIG &&
	    !sh->held)
		shim_signal(&sh->stop, signo);
}

static void
shim_read_input(struct shim *sh, const char *payload, size_t len)
{
	const char *space = memchr(payload, ' ', len);
	char text[96];
	long number;
	int rc;

	if (space == NULL || (number = strtol(payload, NULL, 10)) < 1)
		return;
	len -= (size_t)(space + 1 - payload);
	rc = shim_input_add(&sh->input, space + 1, len);
	snprintf(text, sizeof(text), "%ld %d %zu", number, rc,
	    sh->input.waiting.len);
	shim_link_send(&sh->link, 'A', text, strlen(text));
}

static void
shim_release(struct shim *sh)
{
	shim_child_release(&sh->spec, &sh->child);
	sh->held = sh->input.held = false;
	sh->input.fd = sh->child.in;
	shim_input_flush(&sh->input);
	if (shim_runs(sh))
		shim_say_pid(sh, 'P');
}

static void
shim_read_record(struct shim *sh, char type, const char *payload, size_t len)
{
	char text[64];

	memcpy(text, payload, len < sizeof(text) ? len : sizeof(text) - 1);
	text[len < sizeof(text) ? len : sizeof(text) - 1] = '\0';
	switch (type) {
	case 'G':
		if (sh->held && sh->stop.phase == SHIM_RUNS)
			shim_release(sh);
		break;
	case 'K':
		shim_read_stop(sh, text);
		break;
	case 'k':
		shim_read_signal(sh, text);
		break;
	case 'I':
		shim_read_input(sh, payload, len);
		break;
	default:	/* 'V', and what a newer daemon may say */
		break;
	}
}

/* With its daemon, whoever could let it go is gone. */
static void
shim_check_held(struct shim *sh)
{
	if (sh->link.fd < 0 && sh->held)
		shim_end_by(sh, SIGKILL, 0);
}

static void
shim_read_link(struct shim *sh)
{
	const char *payload;
	size_t len;
	char type;

	shim_link_read(&sh->link);
	while (shim_link_next(&sh->link, &type, &payload, &len))
		shim_read_record(sh, type, payload, len);
	shim_check_held(sh);
}

/* --- from the agent --- */

static void
shim_copy_stdout(struct shim *sh, const char *data, size_t n)
{
	shim_log_write(&sh->dir.out, data, n);
	shim_lines_add(&sh->lines, data, n, &sh->link);
}

/* Until it is inside its jail, this is its launcher's. */
static void
shim_copy_gate(struct shim *sh, const char *data, size_t n)
{
	size_t len;

	if (shim_gate_look(&sh->gate, data, n, &len))
		shim_link_send(&sh->link, 'J', "", 0);
	if (len > 0)
		shim_copy_stdout(sh, sh->gate.seen.data, len);
	buf_drain(&sh->gate.seen, len);
}

/* One read of its stdout (events) or stderr. Returns whether there was any. */
static bool
shim_copy(struct shim *sh, int *fd, bool events)
{
	static char data[256 * 1024];
	ssize_t n;

	if (*fd < 0)
		return false;
	n = read(*fd, data, sizeof(data));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		close(*fd);
		*fd = -1;
		return false;
	}
	if (!events)
		shim_log_write(&sh->dir.err, data, (size_t)n);
	else if (sh->gate.waits)
		shim_copy_gate(sh, data, (size_t)n);
	else
		shim_copy_stdout(sh, data, (size_t)n);
	return true;
}

/* A later daemon has connected: it learns where we are, then what has waited. */
static void
shim_accept(struct shim *sh)
{
	int fd = shim_dir_accept(&sh->dir);
	char pid[32];

	if (fd < 0)
		return;
	shim_link_open(&sh->link, fd);
	snprintf(pid, sizeof(pid), "%ld", (long)sh->child.pid);
	if (sh->held || shim_runs(sh))
		shim_link_send_first(&sh->link, sh->held ? 'H' : 'P', pid,
		    strlen(pid));
	shim_say_hello(sh);
}

static void
shim_read_exec(struct shim *sh)
{
	int rc;

	if (sh->child.exec < 0)
		return;
	rc = shim_child_result(&sh->spec, &sh->child, &sh->exec_err);
	if (rc > 0)
		sh->exec_failed = true;
	else if (rc == 0 && !sh->held)
		shim_say_pid(sh, 'P');
	if (rc >= 0 && !sh->exec_failed && sh->spec.argv != NULL)
		shim_spec_wipe_words(&sh->spec);
}

/* --- the loop --- */

static void
shim_wait(struct shim *sh, const sigset_t *mask)
{
	struct pollfd p[] = {
		{ .fd = sh->link.fd, .events = POLLIN },
		{ .fd = sh->child.exec, .events = POLLIN },
		{ .fd = sh->child.out, .events = POLLIN },
		{ .fd = sh->child.err, .events = POLLIN },
		{ .fd = sh->dir.sock, .events = POLLIN },
		{ .fd = sh->input.waiting.len > 0 ? sh->input.fd : -1,
		  .events = POLLOUT },
		{ .fd = sh->child.ready, .events = POLLIN },
	};
	struct timespec ts = { 0 };
	double left = sh->stop.deadline - shim_now();
	sigset_t blocked;

	if (sh->link.fd >= 0 && !TAILQ_EMPTY(&sh->link.out))
		p[0].events |= POLLOUT;
	if (left > 0) {
		ts.tv_sec = (time_t)left;
		ts.tv_nsec = (long)((left - (double)ts.tv_sec) * 1e9);
	}
	/* The signals are blocked but in here, so none is missed. */
	if (ppoll(p, ARRAY_LEN(p), sh->stop.phase == SHIM_RUNS ? NULL : &ts,
	    mask) <= 0)
		return;
	/* Linux lets none in while a descriptor is ready, maybe for ever. */
	sigprocmask(SIG_SETMASK, mask, &blocked);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	if (p[0].revents != 0)
		shim_read_link(sh);
	if (p[1].revents != 0)
		shim_read_exec(sh);
	if (p[2].revents != 0)
		shim_copy(sh, &sh->child.out, true);
	if (p[3].revents != 0)
		shim_copy(sh, &sh->child.err, false);
	if (p[4].revents != 0)
		shim_accept(sh);
	if (p[5].revents != 0)
		shim_input_flush(&sh->input);
	if (p[6].revents != 0)
		shim_ready_read(&sh->child.ready, &sh->link);
}

static void
shim_run(struct shim *sh, const sigset_t *mask)
{
	while (!sh->alone) {
		shim_wait(sh, mask);
		if (got_term) {
			got_term = 0;
			shim_end_by(sh, SIGTERM, sh->spec.grace);
		}
		if (got_kill) {
			got_kill = 0;
			shim_end_by(sh, SIGKILL, 0);
		}
		if (got_child) {
			got_child = 0;
			shim_reap(sh);
		}
		shim_stop_turn(&sh->stop);
		shim_link_flush(&sh->link);
		shim_check_held(sh);	/* a write may have told */
	}
}

/* Nobody is left. What they wrote last is still in the pipes; whoever else
 * holds their other ends is not waited for. */
static int
shim_end(struct shim *sh)
{
	int i;

	for (i = 0; i < LAST_READS && shim_copy(sh, &sh->child.out, true); i++)
		;
	for (i = 0; i < LAST_READS && shim_copy(sh, &sh->child.err, false); i++)
		;
	shim_read_exec(sh);
	sh->stop.oom_killed = shim_limits_end(&sh->spec);
	if (sh->gate.seen.len > 0)
		shim_copy_stdout(sh, sh->gate.seen.data, sh->gate.seen.len);
	shim_lines_end(&sh->lines, &sh->link);
	if (sh->exec_failed)
		shim_say_failed(sh, &sh->exec_err);
	else
		shim_say_ended(sh);
	shim_say_last(sh);
	return 0;
}

/* --- start --- */

static int
shim_read_spec(struct shim *sh, struct err *e)
{
	struct pollfd p = { .fd = LINK_FD, .events = POLLIN };
	double end = shim_now() + SPEC_SECONDS, left;
	const char *payload;
	size_t len;
	char type;
	int rc;

	while (!shim_link_next(&sh->link, &type, &payload, &len)) {
		left = end - shim_now();
		if (sh->link.fd < 0 || left <= 0)
			return err_set(e, "SpawnFailed", "no spec came");
		if (poll(&p, 1, (int)(left * 1000) + 1) > 0)
			shim_link_read(&sh->link);
	}
	if (type != 'S')
		return err_set(e, "SpawnFailed", "the first record is no spec");
	rc = shim_spec_parse(&sh->spec, payload, len, e);
	shim_link_done(&sh->link);
	return rc;
}

static int
shim_start(struct shim *sh, struct err *e)
{
	if (shim_read_spec(sh, e) != 0 ||
	    shim_dir_open(&sh->dir, &sh->spec, e) != 0)
		return -1;
	if (shim_own_descendants() != 0)
		return err_sys(e, "SpawnFailed", "become a reaper");
	if (shim_child_start(&sh->spec, &sh->child, e) != 0)
		return -1;
	sh->stop.child = &sh->child;
	sh->stop.spec = &sh->spec;
	sh->input.fd = sh->child.in;
	sh->input.any = sh->spec.input;
	sh->held = sh->spec.gate;
	sh->input.held = sh->gate.waits = sh->spec.inside;
	shim_dir_info(&sh->dir, sh->child.pid);
	shim_say_hello(sh);
	if (sh->held)
		shim_say_pid(sh, 'H');
	return 0;
}

/* Blocks what shim_wait() lets in; *mask is the set for the wait. */
static void
shim_signals(sigset_t *mask)
{
	struct sigaction sa;
	sigset_t block;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGUSR1);
	sigaddset(&block, SIGCHLD);
	sigprocmask(SIG_BLOCK, &block, NULL);
	sigemptyset(mask);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGCHLD, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGQUIT, &sa, NULL);
}

int
main(int argc, char **argv)
{
	static struct shim sh;
	struct err e = ERR_INIT;
	struct stat st;
	sigset_t mask;

	(void)argv;
	if (argc > 1 || fstat(LINK_FD, &st) != 0 || !S_ISSOCK(st.st_mode)) {
		fputs("colibri-agent-shim: started by colibri-daemon, not by "
		    "hand\n", stderr);
		return 2;
	}
	platform_no_dump();
	shim_limits_usual();
	umask(077);
	shim_signals(&mask);
	shim_link_init(&sh.link, LINK_FD);
	if (shim_start(&sh, &e) != 0) {
		shim_say_failed(&sh, &e);
		shim_say_last(&sh);
		return 1;
	}
	shim_run(&sh, &mask);
	return shim_end(&sh);
}
