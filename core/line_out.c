/*
 * line_out.c - output, timeouts and the end of a connection; see line.h.
 *
 * l->out is filled by the owner; `sent` of it went out already. One write at
 * LOOP_FLUSH; what the kernel does not take is written when it is ready.
 *
 * One timer serves idle_timeout and stall: it fires at the earlier of the two
 * and looks at the times, so that traffic never re-arms it.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "line_priv.h"

#define DISCARD_READS	16	/* of LINE_READ_SIZE each, at the end */

static void line_timer_cb(evutil_socket_t, short, void *);
static void line_write_cb(evutil_socket_t, short, void *);

size_t
line_unsent(const struct line *l)
{
	return l->out.len - l->sent;
}

void
line_want_room(struct line *l, size_t unread)
{
	l->want_room = true;
	l->room = unread;
}

bool
line_is_full(const struct line *l)
{
	return line_unsent(l) > l->limits.max_output;
}

void
line_shrink(struct buf *b)
{
	if (b->len == 0 && b->cap > LINE_KEEP_SIZE)
		buf_free(b);
}

/* --- timer --- */

void
line_arm_timer(struct line *l, double at)
{
	double wait = at - loop_now(l->loop);
	struct timeval tv;

	if (l->timer_at != 0 && l->timer_at <= at)
		return;
	if (l->timer == NULL) {
		l->timer = event_new(loop_base(l->loop), -1, 0, line_timer_cb,
		    l);
		if (l->timer == NULL)
			return;
	}
	if (wait < 0)
		wait = 0;
	tv.tv_sec = (time_t)wait;
	tv.tv_usec = (suseconds_t)((wait - (double)tv.tv_sec) * 1e6);
	if (event_add(l->timer, &tv) == 0)
		l->timer_at = at;
}

/* While finishing, any rest counts: a peer that never reads must not keep us. */
void
line_watch_stall(struct line *l)
{
	bool over = line_is_full(l) || (l->finishing && line_unsent(l) > 0);

	if (!over || l->closed) {
		l->stalled_since = 0;
		l->stall_told = false;
	} else if (l->stalled_since == 0 && l->limits.stall > 0) {
		l->stalled_since = loop_now(l->loop);
		line_arm_timer(l, l->stalled_since + l->limits.stall);
	}
}

void
line_set_closed(struct line *l)
{
	if (l->closed)
		return;
	l->closed = true;
	event_del(l->rd);
	l->rd_armed = false;
	if (l->wr_armed)
		event_del(l->wr);
	l->wr_armed = false;
	if (l->timer != NULL)
		event_del(l->timer);
	loop_defer_cancel(l->loop, &l->deliver);
	loop_defer_cancel(l->loop, &l->flush);
	buf_free(&l->out);
	l->sent = 0;
	/* The input may be what the callback is looking at: line_free's. */
	l->cb(l, LINE_CLOSED, NULL, 0, l->arg);
}

/* --- output --- */

static ssize_t
line_send(struct line *l)
{
	const char *p = l->out.data + l->sent;
	size_t n = line_unsent(l);

	if (l->is_socket)
		return send(l->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	return write(l->fd, p, n);
}

/* Everything is written: say goodbye. What the peer sent and nobody read would
 * turn our end into a reset on its side, so it is thrown away first. */
static void
line_shutdown(struct line *l)
{
	char data[LINE_READ_SIZE];
	int i;

	if (l->is_socket) {
		shutdown(l->fd, SHUT_RDWR);
		for (i = 0; i < DISCARD_READS; i++) {
			if (read(l->fd, data, sizeof(data)) <= 0)
				break;
		}
	}
	line_set_closed(l);
}

static void
line_arm_write(struct line *l)
{
	if (l->wr_armed)
		return;
	if (l->wr == NULL)
		l->wr = event_new(loop_base(l->loop), l->fd, EV_WRITE,
		    line_write_cb, l);
	if (l->wr == NULL || event_add(l->wr, NULL) != 0) {
		line_set_closed(l);
		return;
	}
	l->wr_armed = true;
}

static void
line_write(struct line *l)
{
	bool was_full = line_is_full(l);
	ssize_t n = 0;

	if (line_unsent(l) > 0)
		n = line_send(l);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		line_read_last(l);
		line_set_closed(l);
		return;
	}
	if (n > 0) {
		l->sent += (size_t)n;
		if (l->finishing)
			l->stalled_since = 0;	/* it does read */
		if (l->sent >= l->out.len / 2) {
			buf_drain(&l->out, l->sent);
			l->sent = 0;
		}
	}
	line_shrink(&l->out);
	line_watch_stall(l);
	if (line_unsent(l) > 0) {
		line_arm_write(l);
	} else if (l->finishing) {
		line_shutdown(l);
		return;
	}
	if (l->closed)
		return;
	if (l->want_room && line_unsent(l) <= l->room) {
		l->want_room = false;
		l->cb(l, LINE_ROOM, NULL, 0, l->arg);
	}
	if (was_full && !line_is_full(l))
		line_defer_deliver(l);
	line_update_reading(l);
}

static void
line_write_cb(evutil_socket_t fd, short what, void *arg)
{
	struct line *l = arg;

	(void)fd;
	(void)what;
	l->wr_armed = false;
	line_write(l);
}

static void
line_flush_cb(void *arg)
{
	line_write(arg);
}

/* --- timeouts --- */

static void
line_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct line *l = arg;
	double now = loop_now(l->loop), next = 0;

	(void)fd;
	(void)what;
	/* libevent's clock is coarse: half a tick early is on time. */
	now += 0.005;
	l->timer_at = 0;
	line_watch_hangup(l);
	if (l->stalled_since != 0 && !l->stall_told) {
		next = l->stalled_since + l->limits.stall;
		if (next <= now) {
			if (l->finishing) {
				line_set_closed(l);
				return;
			}
			l->stall_told = true;
			l->cb(l, LINE_STALLED, NULL, 0, l->arg);
		} else {
			line_arm_timer(l, next);
		}
	}
	if (l->closed || l->limits.idle_timeout <= 0)
		return;
	next = l->received + l->limits.idle_timeout;
	if (next <= now) {
		l->received = now;	/* tell again after as long again */
		next = now + l->limits.idle_timeout;
		l->cb(l, LINE_IDLE, NULL, 0, l->arg);
	}
	if (!l->closed)
		line_arm_timer(l, next);
}

/* --- the owner's side --- */

struct buf *
line_output(struct line *l)
{
	return &l->out;
}

void
line_flush(struct line *l)
{
	if (l->closed) {
		buf_free(&l->out);
		l->sent = 0;
	} else if (l->wr_armed) {
		/* Nothing is written until the peer reads: judge it now. */
		line_watch_stall(l);
		line_update_reading(l);
	} else {
		loop_defer(l->loop, LOOP_FLUSH, &l->flush, line_flush_cb, l);
	}
}

void
line_finish(struct line *l)
{
	if (l->closed || l->finishing)
		return;
	l->finishing = true;
	l->stalled_since = 0;		/* a full period for the rest */
	l->stall_told = false;
	line_update_reading(l);
	line_flush(l);
}
