/*
 * shim_stop.c - the end of an agent and of all its descendants; see
 * shim_priv.h.
 *
 * First the signal, to those inside a launcher's namespace if there is one;
 * then, after the grace, KILL to everybody, in rounds, until wait says that
 * nobody is left. What we may not signal (a launcher made it another user's) is
 * left to the program of the spec's `kill` words.
 */
#include <sys/types.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shim_priv.h"

#define KILL_FIRST	0.01	/* between rounds of KILL, doubled up to */
#define KILL_MOST	0.5
#define HELPER_SECONDS	5.0

double
shim_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- who was hit --- */

void
shim_hits_add(struct shim_hits *hits, const struct shim_hit *hit)
{
	size_t i, n = hits->n < SHIM_HITS_MAX ? hits->n : SHIM_HITS_MAX;

	for (i = 0; i < n; i++) {
		if (hits->list[i].pid == hit->pid)
			return;
	}
	if (n < SHIM_HITS_MAX)
		hits->list[n] = *hit;
	hits->n++;
}

void
shim_hits_refuse(struct shim_hits *hits, const struct shim_hit *hit)
{
	if (hits->nrefused < SHIM_HITS_MAX)
		hits->refused[hits->nrefused++] = *hit;
}

/* --- signals through a program with more rights --- */

static void ATTR_NORETURN
helper_run(const struct shim_spec *spec, char **argv)
{
	char path[] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
	char *envp[] = { path, NULL };
	struct sigaction sa;
	sigset_t none;
	int signo;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	for (signo = 1; signo < NSIG; signo++)
		sigaction(signo, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	closefrom(3);
	execve(spec->kill[0], argv, envp);
	_exit(127);
}

/* Waits for it: what it starts must not be taken for the agent's. One that hangs
 * and that we may not kill is left. Returns whether it has signalled them all. */
static bool
helper_wait(struct shim_stop *st, pid_t pid)
{
	double end = shim_now() + HELPER_SECONDS;
	int status = -1;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (shim_now() > end && kill(pid, SIGKILL) != 0) {
			st->hangs = pid;
			return false;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
stop_through_helper(struct shim_stop *st, int signo, struct shim_hits *h)
{
	const struct shim_spec *spec = st->spec;
	char words[SHIM_HITS_MAX + 1][16], **argv;
	size_t i, n = 0;
	pid_t pid;

	if (h->nrefused == 0 || spec->nkill == 0)
		return;
	if (st->hangs > 0 && waitpid(st->hangs, NULL, WNOHANG) == 0)
		return;			/* as another one would */
	st->hangs = 0;
	argv = xcalloc(spec->nkill + h->nrefused + 2, sizeof(*argv));
	for (i = 0; i < spec->nkill; i++)
		argv[n++] = spec->kill[i];
	snprintf(words[0], sizeof(words[0]), "-%d", signo);
	argv[n++] = words[0];
	for (i = 0; i < h->nrefused; i++) {
		snprintf(words[i + 1], sizeof(words[0]), "%ld",
		    (long)h->refused[i].pid);
		argv[n++] = words[i + 1];
	}
	pid = fork();
	if (pid == 0)
		helper_run(spec, argv);
	if (pid > 0 && helper_wait(st, pid)) {
		for (i = 0; i < h->nrefused; i++)
			shim_hits_add(h, &h->refused[i]);
	}
	free(argv);
}

static void
stop_send(struct shim_stop *st, int signo, bool inner, struct shim_hits *hits)
{
	shim_signal_all(st->child->pid, signo, inner, hits);
	stop_through_helper(st, signo, hits);
}

/* --- phases --- */

static void
stop_kill_round(struct shim_stop *st)
{
	stop_send(st, SIGKILL, false, &st->killed);
	st->deadline = shim_now() + st->kill_every;
	st->kill_every *= 2;
	if (st->kill_every > KILL_MOST)
		st->kill_every = KILL_MOST;
}

static void
stop_enter_kill(struct shim_stop *st)
{
	if (st->phase == SHIM_KILL)
		return;
	st->phase = SHIM_KILL;
	st->kill_every = KILL_FIRST;
	stop_kill_round(st);
}

void
shim_signal(struct shim_stop *st, int signo)
{
	struct shim_hits hits = { 0 };

	stop_send(st, signo, true, &hits);
}

void
shim_stop(struct shim_stop *st, int signo, double grace)
{
	double deadline = shim_now() + grace;

	if (st->phase == SHIM_KILL)
		return;
	if (signo == SIGKILL || grace <= 0) {
		stop_enter_kill(st);
		return;
	}
	stop_send(st, signo, true, &st->signalled);
	/* A stopped process takes no notice of TERM. */
	shim_signal(st, SIGCONT);
	if (st->phase == SHIM_RUNS || deadline < st->deadline)
		st->deadline = deadline;
	st->phase = SHIM_TERM;
}

void
shim_stop_turn(struct shim_stop *st)
{
	if (st->phase == SHIM_RUNS || shim_now() < st->deadline)
		return;
	if (st->phase == SHIM_TERM)
		stop_enter_kill(st);
	else
		stop_kill_round(st);
}

/* What it and its descendants used. */
static void
stop_usage(struct buf *b)
{
	struct rusage ru;
	char text[256];

	if (getrusage(RUSAGE_CHILDREN, &ru) != 0)
		memset(&ru, 0, sizeof(ru));
	snprintf(text, sizeof(text), "ended_at=%lld\nuser_usec=%lld\n"
	    "sys_usec=%lld\nmax_rss_kb=%ld\n", (long long)time(NULL),
	    (long long)ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec,
	    (long long)ru.ru_stime.tv_sec * 1000000 + ru.ru_stime.tv_usec,
	    ru.ru_maxrss);
	buf_add_str(b, text);
}

void
shim_stop_words(const struct shim_stop *st, uint64_t lost, struct buf *b)
{
	const struct shim_hits *h = &st->killed;
	size_t i, n = h->n < SHIM_HITS_MAX ? h->n : SHIM_HITS_MAX;
	char text[128];

	stop_usage(b);
	snprintf(text, sizeof(text), "log_lost=%llu\nsignalled=%zu\nkilled=%zu\n"
	    "oom_killed=%lld\n", (unsigned long long)lost, st->signalled.n,
	    h->n, (long long)st->oom_killed);
	buf_add_str(b, text);
	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%s%ld:%s",
		    i == 0 ? "victims=" : ",", (long)h->list[i].pid,
		    h->list[i].name);
		buf_add_str(b, text);
	}
	if (n > 0)
		buf_add_str(b, "\n");
}
