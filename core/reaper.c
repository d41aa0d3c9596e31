/*
 * reaper.c - the one place that waits for children; see reaper.h.
 *
 * Each watched pid is waited for by itself, never waitpid(-1): other children
 * may belong to an embedding program.
 */
#include <sys/types.h>
#include <sys/queue.h>
#include <sys/wait.h>

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "reaper.h"

#define STATUS_UNKNOWN	(255 << 8)	/* as if it had exited with 255 */

struct child {
	pid_t pid;
	int status;		/* once dead */
	reaper_cb *cb;		/* NULL: abandoned */
	void *arg;
	LIST_ENTRY(child) link;
};
LIST_HEAD(child_list, child);

struct reaper {
	struct loop *loop;
	struct event *sigchld;
	struct child_list alive, dead;	/* dead: callback still to come */
	struct loop_defer check;	/* after a watch: SIGCHLD may be past */
};

/* Take what has died out of `alive`, then tell: a callback may watch, abandon
 * and free what it likes, because nothing is being walked. */
static void
reaper_collect(void *arg)
{
	struct reaper *r = arg;
	struct child *c, *next;
	pid_t pid;

	for (c = LIST_FIRST(&r->alive); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		do {
			pid = waitpid(c->pid, &c->status, WNOHANG);
		} while (pid < 0 && errno == EINTR);
		if (pid == 0)
			continue;
		if (pid < 0) {
			log_warn("reaper", "the status of child %ld was taken "
			    "by somebody else", (long)c->pid);
			c->status = STATUS_UNKNOWN;
		}
		LIST_REMOVE(c, link);
		LIST_INSERT_HEAD(&r->dead, c, link);
	}
	while ((c = LIST_FIRST(&r->dead)) != NULL) {
		LIST_REMOVE(c, link);
		if (c->cb != NULL)
			c->cb(c->pid, c->status, c->arg);
		free(c);
	}
}

static void
reaper_sigchld_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	reaper_collect(arg);
}

struct reaper *
reaper_new(struct loop *l, struct err *e)
{
	struct reaper *r = xcalloc(1, sizeof(*r));

	r->loop = l;
	LIST_INIT(&r->alive);
	LIST_INIT(&r->dead);
	/* An event of our own, not loop_signal(): it must go before the loop. */
	r->sigchld = evsignal_new(loop_base(l), SIGCHLD, reaper_sigchld_cb, r);
	if (r->sigchld == NULL || event_add(r->sigchld, NULL) != 0) {
		err_set(e, "LoopFailed", "cannot watch SIGCHLD");
		reaper_free(r);
		return NULL;
	}
	return r;
}

void
reaper_free(struct reaper *r)
{
	struct child *c;

	if (r == NULL)
		return;
	loop_defer_cancel(r->loop, &r->check);
	if (r->sigchld != NULL)
		event_free(r->sigchld);
	while ((c = LIST_FIRST(&r->alive)) != NULL ||
	    (c = LIST_FIRST(&r->dead)) != NULL) {
		LIST_REMOVE(c, link);
		free(c);
	}
	free(r);
}

void
reaper_watch(struct reaper *r, pid_t pid, reaper_cb *cb, void *arg)
{
	struct child *c = xcalloc(1, sizeof(*c));

	c->pid = pid;
	c->cb = cb;
	c->arg = arg;
	LIST_INSERT_HEAD(&r->alive, c, link);
	loop_defer(r->loop, LOOP_TASKS, &r->check, reaper_collect, r);
}

static void
child_abandon(struct child *c, pid_t pid)
{
	for (; c != NULL; c = LIST_NEXT(c, link)) {
		if (c->pid == pid)
			c->cb = NULL;
	}
}

void
reaper_abandon(struct reaper *r, pid_t pid)
{
	child_abandon(LIST_FIRST(&r->alive), pid);
	child_abandon(LIST_FIRST(&r->dead), pid);
}

size_t
reaper_count(const struct reaper *r)
{
	const struct child *c;
	size_t n = 0;

	LIST_FOREACH(c, &r->alive, link)
		n++;
	LIST_FOREACH(c, &r->dead, link)
		n++;
	return n;
}
