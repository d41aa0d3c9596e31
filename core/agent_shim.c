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
#include <time.h>
#include <unistd.h>

#include "platform.h"
#include "shim_platform.h"
#include "shim_priv.h"

#define LINK_FD		3
#define SPEC_SECONDS	30.0	/* for the daemon to say what to start */
#define LAST_SECONDS	5.0	/* for the daemon to read the end */
#define LAST_READS	64	/* a pipe holds less, unless it is refilled */
#define KILL_FIRST	0.01	/* between rounds of KILL, doubled up to */
#define KILL_MOST	0.5

enum phase {
	PHASE_RUN,
	PHASE_TERM,		/* asked to end; KILL at the deadline */
	PHASE_KILL		/* KILL again at each deadline until alone */
};

struct shim {
	struct shim_link link;
	struct shim_spec spec;
	struct shim_dir dir;
	struct shim_child child;
	struct shim_lines lines;
	bool held;		/* not released: it has not run anything */
	bool exec_failed;
	struct err exec_err;
	int status;		/* of the agent itself */
	bool alone;		/* no child is left */
	enum phase phase;
	double deadline;	/* of the phase */
	double kill_every;
};

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

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- ending the agent --- */

static void
shim_kill_round(struct shim *sh)
{
	shim_signal_all(sh->child.pid, SIGKILL);
	sh->deadline = now() + sh->kill_every;
	sh->kill_every *= 2;
	if (sh->kill_every > KILL_MOST)
		sh->kill_every = KILL_MOST;
}

static void
shim_enter_kill(struct shim *sh)
{
	if (sh->phase == PHASE_KILL)
		return;
	sh->phase = PHASE_KILL;
	sh->kill_every = KILL_FIRST;
	shim_kill_round(sh);
}

/* A further request may shorten the grace but not extend it. */
static void
shim_stop(struct shim *sh, int signo, double grace)
{
	double deadline = now() + grace;

	if (sh->phase == PHASE_KILL)
		return;
	if (sh->held || signo == SIGKILL || grace <= 0) {
		shim_enter_kill(sh);
		return;
	}
	shim_signal_all(sh->child.pid, signo);
	/* A stopped process takes no notice of TERM. */
	shim_signal_all(sh->child.pid, SIGCONT);
	if (sh->phase == PHASE_RUN || deadline < sh->deadline)
		sh->deadline = deadline;
	sh->phase = PHASE_TERM;
}

static void
shim_deadline(struct shim *sh)
{
	if (sh->phase == PHASE_RUN || now() < sh->deadline)
		return;
	if (sh->phase == PHASE_TERM)
		shim_enter_kill(sh);
	else
		shim_kill_round(sh);
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
		shim_stop(sh, SIGTERM, sh->spec.grace);
}

/* --- from the daemon --- */

static void
shim_read_stop(struct shim *sh, const char *payload, size_t len)
{
	char text[64];
	double grace;
	int signo;

	if (len >= sizeof(text))
		return;
	memcpy(text, payload, len);
	text[len] = '\0';
	if (sscanf(text, "%d %lf", &signo, &grace) != 2 || signo < 1 ||
	    signo >= NSIG || !(grace >= 0 && grace < 1e9))
		shim_stop(sh, SIGTERM, sh->spec.grace);
	else
		shim_stop(sh, signo, grace);
}

static void
shim_read_link(struct shim *sh)
{
	const char *payload;
	size_t len;
	char type;

	shim_link_read(&sh->link);
	while (shim_link_next(&sh->link, &type, &payload, &len)) {
		if (type == 'G' && sh->held && sh->phase == PHASE_RUN) {
			sh->held = false;
			shim_child_release(&sh->child);
		} else if (type == 'K') {
			shim_read_stop(sh, payload, len);
		}
	}
	if (sh->link.fd < 0 && sh->held)
		shim_enter_kill(sh);
}

/* --- from the agent --- */

/* One read of its stdout (events) or stderr. Returns whether there was any. */
static bool
shim_copy(struct shim *sh, int *fd, bool events)
{
	static char data[64 * 1024];
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
	shim_dir_log(&sh->dir, data, (size_t)n);
	if (events)
		shim_lines_add(&sh->lines, data, (size_t)n, &sh->link);
	return true;
}

static void
shim_send_pid(struct shim *sh, char type)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", (long)sh->child.pid);
	shim_link_send(&sh->link, type, text, strlen(text));
}

static void
shim_send_failed(struct shim *sh, const struct err *e)
{
	char text[sizeof(e->text) + 32];

	snprintf(text, sizeof(text), "%d %s", e->sys, e->text);
	shim_link_send(&sh->link, 'F', text, strlen(text));
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
		shim_send_pid(sh, 'P');
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
	};
	struct timespec ts = { 0 };
	double left = sh->deadline - now();

	if (!TAILQ_EMPTY(&sh->link.out))
		p[0].events |= POLLOUT;
	if (left > 0) {
		ts.tv_sec = (time_t)left;
		ts.tv_nsec = (long)((left - (double)ts.tv_sec) * 1e9);
	}
	/* The signals are blocked but in here, so none is missed. */
	if (ppoll(p, ARRAY_LEN(p), sh->phase == PHASE_RUN ? NULL : &ts,
	    mask) <= 0)
		return;
	if (p[0].revents != 0)
		shim_read_link(sh);
	if (p[1].revents != 0)
		shim_read_exec(sh);
	if (p[2].revents != 0)
		shim_copy(sh, &sh->child.out, true);
	if (p[3].revents != 0)
		shim_copy(sh, &sh->child.err, false);
}

static void
shim_run(struct shim *sh, const sigset_t *mask)
{
	while (!sh->alone) {
		shim_wait(sh, mask);
		if (got_term) {
			got_term = 0;
			shim_stop(sh, SIGTERM, sh->spec.grace);
		}
		if (got_kill) {
			got_kill = 0;
			shim_stop(sh, SIGKILL, 0);
		}
		if (got_child) {
			got_child = 0;
			shim_reap(sh);
		}
		shim_deadline(sh);
		shim_link_flush(&sh->link);
	}
}

/* Give the daemon the time to read the last records, not more. */
static void
shim_say_last(struct shim *sh)
{
	double end = now() + LAST_SECONDS, left;
	struct pollfd p = { .events = POLLOUT };

	for (;;) {
		shim_link_flush(&sh->link);
		left = end - now();
		if (sh->link.fd < 0 || TAILQ_EMPTY(&sh->link.out) || left <= 0)
			return;
		p.fd = sh->link.fd;
		poll(&p, 1, (int)(left * 1000) + 1);
	}
}

/* Nobody is left. What they wrote last is still in the pipes; whoever else
 * holds their other ends is not waited for. */
static int
shim_end(struct shim *sh)
{
	int code = WIFEXITED(sh->status) ? WEXITSTATUS(sh->status) : -1;
	int signo = WIFSIGNALED(sh->status) ? WTERMSIG(sh->status) : 0;
	char text[64];
	int i;

	for (i = 0; i < LAST_READS && shim_copy(sh, &sh->child.out, true); i++)
		;
	for (i = 0; i < LAST_READS && shim_copy(sh, &sh->child.err, false); i++)
		;
	shim_read_exec(sh);
	shim_lines_end(&sh->lines, &sh->link);
	if (sh->exec_failed) {
		shim_send_failed(sh, &sh->exec_err);
	} else {
		/* One that was held did not run: no status to record. */
		if (!sh->held)
			shim_dir_exit(&sh->dir, code, signo);
		snprintf(text, sizeof(text), "%d %d", code, signo);
		shim_link_send(&sh->link, 'X', text, strlen(text));
	}
	shim_say_last(sh);
	return 0;
}

/* --- start --- */

static int
shim_read_spec(struct shim *sh, struct err *e)
{
	struct pollfd p = { .fd = LINK_FD, .events = POLLIN };
	double end = now() + SPEC_SECONDS, left;
	const char *payload;
	size_t len;
	char type;
	int rc;

	while (!shim_link_next(&sh->link, &type, &payload, &len)) {
		left = end - now();
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
	    shim_dir_open(&sh->dir, sh->spec.dir, e) != 0)
		return -1;
	if (shim_own_descendants() != 0)
		return err_sys(e, "SpawnFailed", "become a reaper");
	if (shim_child_start(&sh->spec, &sh->child, e) != 0)
		return -1;
	sh->held = sh->spec.gate;
	if (sh->held)
		shim_send_pid(sh, 'H');
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
	umask(077);
	shim_signals(&mask);
	shim_link_init(&sh.link, LINK_FD);
	if (shim_start(&sh, &e) != 0) {
		shim_send_failed(&sh, &e);
		shim_say_last(&sh);
		return 1;
	}
	shim_run(&sh, &mask);
	return shim_end(&sh);
}
