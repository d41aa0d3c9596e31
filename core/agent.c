/*
 * agent.c - the daemon's end of an agent's shim; see agent.h.
 *
 * The shim is watched twice: its link (records, end of file) and its process
 * (the reaper). The last records may still be in the socket when the process
 * is reaped, so they are read before a shim counts as lost.
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
#include "mem.h"
#include "secret.h"
#include "spawn_priv.h"

#define READ_SIZE	(64 * 1024)
#define DEFAULT_GRACE	10.0

struct agent {
	struct loop *loop;
	struct reaper *reaper;
	agent_cb *cb;
	void *arg;
	char *id, *dir;
	double grace;
	pid_t shim;
	pid_t child;			/* once known: leads its group */
	bool reaped;
	int fd;				/* -1: closed */
	struct event *readable, *writable;
	struct buf in;
	struct secret_buf out;		/* holds environment values */
	size_t sent;			/* of out */
	bool ran;			/* 'P' came: <dir>/exit is this run's */
	bool finished;			/* FAILED, ENDED or LOST was told */
	int depth;			/* of callbacks; no free meanwhile */
	bool freed;
};

static void
agent_unlink(struct agent *a)
{
	if (a->readable != NULL)
		event_free(a->readable);
	if (a->writable != NULL)
		event_free(a->writable);
	a->readable = a->writable = NULL;
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	secret_buf_free(&a->out);
	a->sent = 0;
}

static void
agent_release(struct agent *a)
{
	agent_unlink(a);
	buf_free(&a->in);
	free(a->id);
	free(a->dir);
	free(a);
}

/* Around everything that may call back: agent_free() from there is honoured
 * when the outermost of it is left. */
static void
agent_enter(struct agent *a)
{
	a->depth++;
}

static void
agent_leave(struct agent *a)
{
	if (--a->depth == 0 && a->freed)
		agent_release(a);
}

static void
agent_tell(struct agent *a, const struct agent_msg *msg)
{
	if (a->finished || a->freed)
		return;
	if (msg->what == AGENT_FAILED || msg->what == AGENT_ENDED ||
	    msg->what == AGENT_LOST)
		a->finished = true;
	a->cb(a, msg, a->arg);
}

/* --- records from the shim --- */

static bool
parse_number(const char **text, long min, long max, long *v)
{
	char *end;

	errno = 0;
	*v = strtol(*text, &end, 10);
	if (end == *text || errno != 0 || *v < min || *v > max ||
	    (*end != '\0' && *end != ' '))
		return false;
	*text = *end == ' ' ? end + 1 : end;
	return true;
}

/* Returns false when the payload makes no sense. */
static bool
agent_parse(char type, const char *payload, size_t len, struct agent_msg *msg)
{
	const char *at = payload;
	long v, signo;

	switch (type) {
	case 'E':
		msg->what = AGENT_EVENT;
		msg->text = payload;
		msg->len = len;
		return true;
	case 'H':
	case 'P':
		if (!parse_number(&at, 1, INT_MAX, &v))
			return false;
		msg->what = type == 'H' ? AGENT_HELD : AGENT_STARTED;
		msg->pid = (pid_t)v;
		return true;
	case 'D':
	case 'F':
		if (!parse_number(&at, 0, INT_MAX, &v))
			return false;
		msg->what = type == 'D' ? AGENT_DROPPED : AGENT_FAILED;
		msg->code = (int)v;
		msg->text = at;
		msg->len = strlen(at);
		return true;
	case 'X':
		if (!parse_number(&at, -1, 255, &v) ||
		    !parse_number(&at, 0, NSIG, &signo))
			return false;
		msg->what = AGENT_ENDED;
		msg->code = (int)v;
		msg->signo = (int)signo;
		return true;
	default:
		return false;
	}
}

static bool
agent_record(struct agent *a, char type, const char *payload, size_t len)
{
	struct agent_msg msg = { .code = 0 };
	char *copy = NULL;
	bool ok;

	/* Events are many and are not looked into; the rest is text. */
	if (type != 'E')
		payload = copy = xmemdup0(payload, len);
	ok = agent_parse(type, payload, len, &msg);
	if (ok) {
		if (msg.what == AGENT_STARTED)
			a->ran = true;
		if (msg.pid > 1)
			a->child = msg.pid;
		agent_tell(a, &msg);
	}
	free(copy);
	return ok;
}

/* A shim that talks nonsense is stopped, and its agent with it. */
static void
agent_broken(struct agent *a)
{
	struct agent_msg msg = { .what = AGENT_LOST };

	log_error("agent", "the shim of agent %s sent a bad record", a->id);
	if (!a->reaped)
		kill(a->shim, SIGTERM);
	agent_unlink(a);
	agent_tell(a, &msg);
}

static void
agent_records(struct agent *a)
{
	const unsigned char *p;
	size_t len, at = 0;

	while (!a->finished && !a->freed && a->in.len - at >= AGENT_HEADER) {
		p = (const unsigned char *)a->in.data + at;
		len = (size_t)p[1] | (size_t)p[2] << 8 | (size_t)p[3] << 16 |
		    (size_t)p[4] << 24;
		if (len > AGENT_RECORD_MAX) {
			agent_broken(a);
			return;
		}
		if (a->in.len - at - AGENT_HEADER < len)
			break;
		at += AGENT_HEADER + len;
		if (!agent_record(a, (char)p[0], (const char *)p + AGENT_HEADER,
		    len)) {
			agent_broken(a);
			return;
		}
	}
	buf_drain(&a->in, at);
	if (a->finished)
		agent_unlink(a);
}

/* One read. Returns whether there may be more at once. */
static bool
agent_read(struct agent *a)
{
	ssize_t n;

	if (a->fd < 0)
		return false;
	n = recv(a->fd, buf_reserve(&a->in, READ_SIZE), READ_SIZE,
	    MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n <= 0) {
		agent_unlink(a);	/* what it means, the reaper tells */
		return false;
	}
	a->in.len += (size_t)n;
	agent_records(a);
	return !a->freed && !a->finished;
}

static void
agent_readable_cb(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;

	(void)fd;
	(void)what;
	agent_enter(a);
	agent_read(a);
	agent_leave(a);
}

/* The shim is gone. It may have been killed between recording the end and
 * telling of it. */
static void
agent_reaped_cb(pid_t pid, int status, void *arg)
{
	struct agent_msg msg = { .what = AGENT_LOST };
	struct agent *a = arg;
	struct agent_record rec;

	(void)pid;
	(void)status;
	a->reaped = true;
	agent_enter(a);
	while (agent_read(a))
		;
	agent_unlink(a);
	if (!a->finished && !a->freed && a->ran &&
	    agent_find(a->dir, &rec, NULL) == 0 && rec.found == AGENT_EXITED) {
		msg.what = AGENT_ENDED;
		msg.code = rec.code;
		msg.signo = rec.signo;
	}
	/* The shim was killed. The kernel has killed the agent's first process
	 * with it; do the same to its group. What left the group is lost. */
	if (!a->finished && msg.what == AGENT_LOST && a->child > 1)
		kill(-a->child, SIGKILL);
	agent_tell(a, &msg);
	agent_leave(a);
}

/* --- records to the shim --- */

static void
agent_write(struct agent *a)
{
	ssize_t n;

	while (a->fd >= 0 && a->sent < a->out.len) {
		n = send(a->fd, a->out.data + a->sent, a->out.len - a->sent,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN && errno != ENOBUFS)
			break;		/* gone; there may be input left */
		if (n < 0) {
			event_add(a->writable, NULL);
			return;
		}
		a->sent += (size_t)n;
	}
	secret_buf_free(&a->out);
	a->sent = 0;
}

static void
agent_writable_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	agent_write(arg);
}

static void
agent_send(struct agent *a, char type, const char *payload)
{
	if (a->fd < 0)
		return;
	agent_add_record(&a->out, type, payload, strlen(payload));
	agent_write(a);
}

void
agent_go(struct agent *a)
{
	agent_send(a, 'G', "");
}

void
agent_stop(struct agent *a, int signo, double grace)
{
	char seconds[AGENT_GRACE_TEXT], text[64];

	agent_grace_text(agent_grace(grace, a->grace), seconds);
	snprintf(text, sizeof(text), "%d %s", signo, seconds);
	agent_send(a, 'K', text);
}

/* --- start --- */

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
agent_connect(struct agent *a, const char *shim, struct err *e)
{
	struct event_base *base = loop_base(a->loop);
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return err_sys(e, "SpawnFailed", "make a socket pair");
	a->fd = pair[0];
	a->readable = event_new(base, a->fd, EV_READ | EV_PERSIST,
	    agent_readable_cb, a);
	a->writable = event_new(base, a->fd, EV_WRITE, agent_writable_cb, a);
	if (a->readable == NULL || a->writable == NULL ||
	    event_add(a->readable, NULL) != 0)
		rc = err_set(e, "SpawnFailed", "cannot watch the shim");
	else
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
	a = xcalloc(1, sizeof(*a));
	a->loop = l;
	a->reaper = r;
	a->cb = cb;
	a->arg = arg;
	a->id = xstrdup(spec->id);
	a->dir = xstrdup(spec->dir);
	a->grace = agent_grace(spec->grace > 0 ? spec->grace : DEFAULT_GRACE,
	    DEFAULT_GRACE);
	a->fd = -1;
	if (agent_add_spec(&a->out, spec, exe, a->grace, e) != 0 ||
	    agent_connect(a, shim, e) != 0) {
		agent_release(a);
		return -1;
	}
	reaper_watch(r, a->shim, agent_reaped_cb, a);
	agent_write(a);
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
	if (!a->reaped)
		reaper_abandon(a->reaper, a->shim);
	a->freed = true;
	if (a->depth == 0)
		agent_release(a);
	else
		agent_unlink(a);
}
