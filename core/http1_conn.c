/*
 * http1_conn.c - one HTTP/1.1 conversation over a stream; see http1_conn.h.
 */
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http1.h"
#include "http1_conn.h"
#include "mem.h"

#define REQUEST_MAX	2048
#define READ_SIZE	65536
#define READS_A_TURN	16	/* then others have their turn */

struct http1_conn {
	int fd;				/* -1: dead */
	struct event *readable, *writable, *timer;
	struct secret_buf in;		/* what was just read */
	char head[REQUEST_MAX];
	size_t head_len, sent;
	struct secret *body;		/* of the request */
	struct http1 reply;
	http1_done_cb *cb;		/* NULL: nothing is under way */
	void *arg;
};

static size_t
conn_total(const struct http1_conn *c)
{
	return c->head_len + (c->body != NULL ? secret_len(c->body) : 0);
}

/* Nothing is under way any more. */
static void
conn_rest(struct http1_conn *c)
{
	event_del(c->timer);
	event_del(c->writable);
	secret_unref(c->body);
	c->body = NULL;
	c->cb = NULL;
	http1_free(&c->reply);
}

static void
conn_kill(struct http1_conn *c)
{
	conn_rest(c);
	if (c->fd < 0)
		return;
	event_del(c->readable);
	close(c->fd);
	c->fd = -1;
}

static void
conn_fail(struct http1_conn *c, const struct err *e)
{
	http1_done_cb *cb = c->cb;
	void *arg = c->arg;

	conn_kill(c);
	if (cb != NULL)
		cb(0, NULL, e, arg);
}

static void
conn_done(struct http1_conn *c)
{
	struct secret *body = secret_buf_take(&c->reply.body);
	http1_done_cb *cb = c->cb;
	int status = c->reply.status;
	void *arg = c->arg;

	if (c->reply.close)
		conn_kill(c);
	else
		conn_rest(c);
	cb(status, body, NULL, arg);
}

/* What came: part of the reply, or something that nobody asked for. */
static void
conn_take(struct http1_conn *c, size_t n)
{
	struct err e = ERR_INIT;
	size_t used = 0;
	int rc = -1;

	if (c->cb == NULL)
		err_set(&e, "VaultProtocol", "a reply that nobody asked for");
	else
		rc = http1_feed(&c->reply, (const char *)c->in.data, n, &used,
		    &e);
	if (rc == 1 && used < n)
		rc = err_set(&e, "VaultProtocol", "more than one reply");
	secret_wipe(c->in.data, n);
	if (rc < 0)
		conn_fail(c, &e);
	else if (rc == 1)
		conn_done(c);
}

static void
conn_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct http1_conn *c = arg;
	struct err e = ERR_INIT;
	ssize_t n;
	int i;

	(void)fd;
	(void)what;
	for (i = 0; i < READS_A_TURN && c->fd >= 0; i++) {
		n = read(c->fd, secret_buf_reserve(&c->in, READ_SIZE),
		    READ_SIZE);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			err_set(&e, "Disconnected",
			    "the program closed the connection");
			conn_fail(c, &e);
			return;
		}
		conn_take(c, (size_t)n);
		/* The callback belongs to somebody who may ask again; but it
		 * may not free us (see http1_conn_free's callers). */
		if (c->cb == NULL)
			return;
	}
}

static void
conn_write_cb(evutil_socket_t fd, short what, void *arg)
{
	struct http1_conn *c = arg;
	struct err e = ERR_INIT;
	const char *from;
	size_t left;
	ssize_t n;

	(void)fd;
	(void)what;
	while (c->sent < conn_total(c)) {
		if (c->sent < c->head_len) {
			from = c->head + c->sent;
			left = c->head_len - c->sent;
		} else {
			from = secret_bytes(c->body) + (c->sent - c->head_len);
			left = conn_total(c) - c->sent;
		}
		n = send(c->fd, from, left, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			err_set(&e, "Disconnected",
			    "the program closed the connection");
			conn_fail(c, &e);
			return;
		}
		c->sent += (size_t)n;
	}
	event_del(c->writable);
}

static void
conn_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct err e = ERR_INIT;

	(void)fd;
	(void)what;
	err_set(&e, "Timeout", "no answer in time");
	conn_fail(arg, &e);
}

struct http1_conn *
http1_conn_new(struct loop *l, int fd, struct err *e)
{
	struct event_base *base = loop_base(l);
	struct http1_conn *c = xcalloc(1, sizeof(*c));

	c->fd = fd;
	c->timer = event_new(base, -1, 0, conn_timer_cb, c);
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, conn_read_cb,
	    c);
	c->writable = event_new(base, fd, EV_WRITE | EV_PERSIST,
	    conn_write_cb, c);
	if (c->timer == NULL || c->readable == NULL || c->writable == NULL ||
	    event_add(c->readable, NULL) != 0) {
		err_set(e, "SpawnFailed", "cannot watch a socket");
		http1_conn_free(c);
		return NULL;
	}
	return c;
}

int
http1_conn_ask(struct http1_conn *c, const struct http1_ask *ask,
    http1_done_cb *cb, void *arg, struct err *e)
{
	struct timeval tv;
	int n;

	if (c->fd < 0)
		return err_set(e, "Disconnected",
		    "the program closed the connection");
	if (c->cb != NULL)
		return err_set(e, "Busy", "a request is already under way");
	n = http1_request(c->head, sizeof(c->head), ask->method, ask->path,
	    ask->host, ask->body != NULL ? (long long)secret_len(ask->body) :
	    -1, e);
	if (n < 0)
		return -1;
	c->head_len = (size_t)n;
	c->sent = 0;
	c->body = ask->body != NULL ? secret_ref(ask->body) : NULL;
	c->cb = cb;
	c->arg = arg;
	http1_start(&c->reply, ask->max);
	if (ask->timeout > 0) {
		tv.tv_sec = (time_t)ask->timeout;
		tv.tv_usec = (suseconds_t)((ask->timeout -
		    (double)tv.tv_sec) * 1e6);
		event_add(c->timer, &tv);
	}
	event_add(c->writable, NULL);
	return 0;
}

void
http1_conn_cancel(struct http1_conn *c)
{
	conn_kill(c);
}

bool
http1_conn_dead(const struct http1_conn *c)
{
	return c->fd < 0;
}

void
http1_conn_free(struct http1_conn *c)
{
	if (c == NULL)
		return;
	if (c->timer != NULL && c->writable != NULL)
		conn_rest(c);
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->writable != NULL)
		event_free(c->writable);
	if (c->timer != NULL)
		event_free(c->timer);
	if (c->fd >= 0)
		close(c->fd);
	secret_buf_free(&c->in);
	free(c);
}
