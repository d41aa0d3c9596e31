/*
 * agent_link.c - records from and to a shim; see agent.h.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent_priv.h"
#include "log.h"

#define READ_SIZE	(64 * 1024)

void
agent_link_close(struct agent *a)
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

static bool
agent_parse_answer(const char *at, struct agent_msg *msg)
{
	long v, waiting;

	if (!parse_number(&at, 1, LONG_MAX - 1, &msg->number) ||
	    !parse_number(&at, 0, INT_MAX, &v) ||
	    !parse_number(&at, 0, LONG_MAX - 1, &waiting))
		return false;
	msg->what = AGENT_INPUT;
	msg->code = (int)v;
	msg->waiting = waiting;
	return true;
}

static bool
agent_parse_end(const char *at, struct agent_msg *msg, struct agent_end *end)
{
	long code, signo;

	if (!parse_number(&at, -1, 255, &code) ||
	    !parse_number(&at, 0, NSIG, &signo))
		return false;
	agent_end_words(end, at, ' ');
	end->code = (int)code;
	end->signo = (int)signo;
	msg->what = AGENT_ENDED;
	msg->end = end;
	return true;
}

/* Returns false when the payload makes no sense. */
static bool
agent_parse(char type, const char *payload, size_t len, struct agent_msg *msg,
    struct agent_end *end)
{
	const char *at = payload;
	long v;

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
	case 'J':
		msg->what = AGENT_INSIDE_JAIL;
		return true;
	case 'D':		/* while nobody reads there may be many */
	case 'F':
		if (!parse_number(&at, 0, type == 'D' ? LONG_MAX : INT_MAX, &v))
			return false;
		msg->what = type == 'D' ? AGENT_DROPPED : AGENT_FAILED;
		msg->code = v < INT_MAX ? (int)v : INT_MAX;
		msg->text = at;
		msg->len = strlen(at);
		return true;
	case 'A':
		return agent_parse_answer(at, msg);
	case 'X':
		return agent_parse_end(at, msg, end);
	default:		/* known, and of no use here */
		return true;
	}
}

static bool
agent_record(struct agent *a, char type, const char *payload, size_t len)
{
	struct agent_msg msg = { .code = 0 };
	struct agent_end end = { .code = 0 };
	char *copy = NULL;
	bool ok;

	/* What a newer shim may say, and its hello, which holds nothing yet
	 * that this daemon must know. */
	if (type == '\0' || strchr("EHJPDFAX", type) == NULL)
		return true;

	/* Events are many and are not looked into; the rest is text. */
	if (type != 'E')
		payload = copy = xmemdup0(payload, len);
	ok = agent_parse(type, payload, len, &msg, &end);
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

/* A shim that talks nonsense. Without its link it could not be asked to stop any
 * more; one that is no child of ours is told so by its pid, if that still is its. */
static void
agent_broken(struct agent *a)
{
	struct agent_record rec;

	log_error("agent", "the shim of agent %s sent a bad record", a->id);
	agent_link_close(a);
	if (a->reaper == NULL && agent_find(a->dir, &rec, NULL) == 0 &&
	    rec.found == AGENT_ALIVE && rec.shim > 1)
		kill(rec.shim, SIGTERM);
	agent_closed(a);
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
		agent_link_close(a);
}

bool
agent_link_read(struct agent *a)
{
	ssize_t n;

	if (a->fd < 0)
		return false;
	n = recv(a->fd, buf_reserve(&a->in, READ_SIZE), READ_SIZE,
	    MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n <= 0) {
		agent_link_close(a);
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
	agent_link_read(a);
	if (a->fd < 0 && !a->finished && !a->freed && a->reaper == NULL)
		agent_closed(a);	/* of a child the reaper tells */
	agent_leave(a);
}

/* --- records to the shim --- */

void
agent_link_write(struct agent *a)
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
	agent_link_write(arg);
}

void
agent_link_send(struct agent *a, char type, const void *payload, size_t len)
{
	if (a->fd < 0)
		return;
	agent_add_record(&a->out, type, payload, len);
	agent_link_write(a);
}

int
agent_link_open(struct agent *a, int fd, struct err *e)
{
	struct event_base *base = loop_base(a->loop);

	a->fd = fd;
	a->readable = event_new(base, fd, EV_READ | EV_PERSIST,
	    agent_readable_cb, a);
	a->writable = event_new(base, fd, EV_WRITE, agent_writable_cb, a);
	if (a->readable == NULL || a->writable == NULL ||
	    event_add(a->readable, NULL) != 0)
		return err_set(e, "SpawnFailed", "cannot watch the shim");
	return 0;
}
