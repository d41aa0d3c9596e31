/*
 * agent.c - an agent's life as the daemon sees it; see agent.h.
 *
 * The shim that this daemon started is watched twice: its link (records, end of
 * file) and its process (the reaper). The last records may still be in the
 * socket when the process is reaped, so they are read before a shim counts as
 * lost. One that an earlier daemon started is no child of ours: when its link
 * closes, its lock is looked at until it is free.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent_priv.h"
#include "log.h"
#include "platform.h"
#include "sock.h"
#include "spawn_priv.h"

#define DEFAULT_GRACE	10.0
#define LOOK_USEC	20000
#define FAILED		"AgentStateFailed"

static void
agent_release(struct agent *a)
{
	agent_link_close(a);
	if (a->look != NULL)
		event_free(a->look);
	buf_free(&a->in);
	free(a->id);
	free(a->dir);
	free(a);
}

void
agent_enter(struct agent *a)
{
	a->depth++;
}

void
agent_leave(struct agent *a)
{
	if (--a->depth == 0 && a->freed)
		agent_release(a);
}

void
agent_tell(struct agent *a, const struct agent_msg *msg)
{
	if (a->finished || a->freed)
		return;
	if (msg->what == AGENT_FAILED || msg->what == AGENT_ENDED ||
	    msg->what == AGENT_LOST)
		a->finished = true;
	a->cb(a, msg, a->arg);
}

/* --- the end without a last record --- */

/* The shim is gone: what it has recorded, or that it was killed. Then the
 * kernel has killed the agent's first process with it; what is left of the
 * rest goes the same way. */
static void
agent_tell_gone(struct agent *a)
{
	struct agent_msg msg = { .what = AGENT_LOST };
	struct agent_record rec = { .pid = 0 };

	if (a->finished || a->freed)
		return;
	if (agent_find(a->dir, &rec, NULL) == 0 && a->ran &&
	    rec.found == AGENT_EXITED) {
		msg.what = AGENT_ENDED;
		msg.end = &rec.end;
	} else {
		if (a->child > 1 && a->reaper != NULL)
			kill(-a->child, SIGKILL);
		agent_sweep(a->id, &rec);
	}
	agent_tell(a, &msg);
}

/* The shim may have been killed between recording the end and telling of it. */
static void
agent_reaped_cb(pid_t pid, int status, void *arg)
{
	struct agent *a = arg;

	(void)pid;
	(void)status;
	a->reaped = true;
	agent_enter(a);
	while (agent_link_read(a))
		;
	agent_link_close(a);
	agent_tell_gone(a);
	agent_leave(a);
}

static void
agent_look_cb(evutil_socket_t fd, short what, void *arg)
{
	struct timeval soon = { .tv_usec = LOOK_USEC };
	struct agent_record rec;
	struct agent *a = arg;

	(void)fd;
	(void)what;
	if (agent_find(a->dir, &rec, NULL) == 0 && rec.found == AGENT_ALIVE) {
		event_add(a->look, &soon);
		return;
	}
	agent_enter(a);
	agent_tell_gone(a);
	agent_leave(a);
}

void
agent_closed(struct agent *a)
{
	struct agent_msg msg = { .what = AGENT_LOST };
	struct timeval now = { 0 };

	if (a->reaper == NULL) {
		if (a->look != NULL && event_add(a->look, &now) == 0)
			return;
	} else if (!a->reaped) {
		/* Nonsense: it is stopped, and its agent with it. */
		kill(a->shim, SIGTERM);
	}
	agent_tell(a, &msg);
}

/* --- records to the shim --- */

void
agent_go(struct agent *a)
{
	agent_link_send(a, 'G', "", 0);
}

void
agent_stop(struct agent *a, int signo, double grace)
{
	char seconds[AGENT_GRACE_TEXT], text[64];

	agent_grace_text(agent_grace(grace, a->grace), seconds);
	snprintf(text, sizeof(text), "%d %s", signo, seconds);
	agent_link_send(a, 'K', text, strlen(text));
}

void
agent_signal(struct agent *a, int signo)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", signo);
	agent_link_send(a, 'k', text, strlen(text));
}

long
agent_input(struct agent *a, const char *bytes, size_t len)
{
	struct secret_buf b = { 0 };
	char number[32];
	size_t n;

	if (a->fd < 0)
		return 0;
	snprintf(number, sizeof(number), "%ld ", ++a->input);
	n = strlen(number);
	memcpy(secret_buf_reserve(&b, n + len), number, n);
	if (len > 0)
		memcpy(b.data + n, bytes, len);
	b.len = n + len;
	agent_link_send(a, 'I', b.data, b.len);
	secret_buf_free(&b);
	return a->input;
}

/* --- start --- */

static struct agent *
agent_new(struct loop *l, const char *id, const char *dir, double grace,
    agent_cb *cb, void *arg)
{
	struct agent *a = xcalloc(1, sizeof(*a));

	a->loop = l;
	a->cb = cb;
	a->arg = arg;
	a->id = xstrdup(id);
	a->dir = xstrdup(dir);
	a->grace = agent_grace(grace > 0 ? grace : DEFAULT_GRACE,
	    DEFAULT_GRACE);
	a->fd = -1;
	return a;
}

static int
agent_launch(struct agent *a, const char *shim, int theirs, struct err *e)
{
	const char *const argv[] = { shim, NULL };
	struct spawn_fd fds[] = { { 0, -1 }, { 1, -1 }, { 2, -1 },
	    { 3, theirs } };
	struct spawn_image image = { .path = shim, .argv = argv, .fds = fds,
	    .nfds = ARRAY_LEN(fds) };
	int null, rc;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return err_sys(e, "SpawnFailed", "open /dev/null");
	fds[0].parent = fds[1].parent = fds[2].parent = null;
	rc = spawn_image(&image, &a->shim, e);
	close(null);
	return rc;
}

static int
agent_pair(struct agent *a, const char *shim, struct err *e)
{
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return err_sys(e, "SpawnFailed", "make a socket pair");
	rc = agent_link_open(a, pair[0], e);
	if (rc == 0)
		rc = agent_launch(a, shim, pair[1], e);
	close(pair[1]);
	return rc;
}

int
agent_start(struct loop *l, struct reaper *r, const struct agent_spec *spec,
    agent_cb *cb, void *arg, struct agent **ap, struct err *e)
{
	char shim[PATH_MAX], exe[PATH_MAX];
	struct agent *a;

	if (agent_check_spec(spec, e) != 0 ||
	    spawn_resolve_program(spec->shim, shim, e) != 0 ||
	    spawn_resolve_program(spec->argv[0], exe, e) != 0)
		return -1;
	a = agent_new(l, spec->id, spec->dir, spec->grace, cb, arg);
	a->reaper = r;
	if (agent_add_spec(&a->out, spec, exe, a->grace, e) != 0 ||
	    agent_pair(a, shim, e) != 0) {
		agent_release(a);
		return -1;
	}
	reaper_watch(r, a->shim, agent_reaped_cb, a);
	agent_link_write(a);
	*ap = a;
	return 0;
}

/* --- a shim of an earlier daemon --- */

/* The descriptor of a connection to the shim that holds the lock. */
static int
agent_reach(const char *path, pid_t holder, struct err *e)
{
	struct sock_peer peer;
	int dir, fd;

	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return err_sys(e, FAILED, "open directory '%s'", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || platform_connect_at(fd, dir, "sock") != 0) {
		err_sys(e, FAILED, "connect to '%s/sock'", path);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	close(dir);
	if (fd < 0)
		return -1;
	if (sock_peer(fd, &peer, e) != 0 ||
	    (peer.pid > 0 && holder > 0 && peer.pid != holder)) {
		close(fd);
		return err_set(e, FAILED, "'%s/sock' is not its shim's", path);
	}
	return fd;
}

int
agent_attach(struct loop *l, const char *id, const char *dir, agent_cb *cb,
    void *arg, struct agent **ap, struct err *e)
{
	static const char hello[] = "protocol=2";
	struct agent_record rec;
	struct agent *a;
	int fd;

	if (agent_find(dir, &rec, e) != 0)
		return -1;
	if (rec.found != AGENT_ALIVE)
		return err_set(e, FAILED, "agent %s has no shim", id);
	fd = agent_reach(dir, rec.shim, e);
	if (fd < 0)
		return -1;
	a = agent_new(l, id, dir, 0, cb, arg);
	a->shim = rec.shim;
	a->child = rec.pid;
	a->ran = true;
	a->look = event_new(loop_base(l), -1, 0, agent_look_cb, a);
	if (agent_link_open(a, fd, e) != 0 || a->look == NULL) {
		agent_release(a);
		return -1;
	}
	agent_link_send(a, 'V', hello, sizeof(hello));
	*ap = a;
	return 0;
}

pid_t
agent_shim_pid(const struct agent *a)
{
	return a->shim;
}

void
agent_free(struct agent *a)
{
	if (a == NULL || a->freed)
		return;
	if (a->reaper != NULL && !a->reaped)
		reaper_abandon(a->reaper, a->shim);
	a->freed = true;
	if (a->depth == 0)
		agent_release(a);
	else
		agent_link_close(a);
}
