/*
 * line.c - newline-framed input, and the owner's side; see line.h.
 *
 * One read of up to 64 KiB per readiness into a buffer on the stack. Lines that
 * are complete are handed out from there; only what is left over (a cut line,
 * or lines behind a pause) is kept in l->in. So a connection without unfinished
 * business has no input buffer at all. in_pos is where the next line starts,
 * scanned is where the search for its newline goes on.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line_priv.h"

/* No line may be handed out now. */
static bool
line_is_blocked(const struct line *l)
{
	return l->paused || l->too_long || l->finishing || l->closed ||
	    line_is_full(l);
}

static void
line_drop_input(struct line *l)
{
	buf_free(&l->in);
	l->in_pos = l->scanned = 0;
}

void
line_update_reading(struct line *l)
{
	size_t enough = l->limits.max_line < LINE_READ_SIZE ?
	    l->limits.max_line : LINE_READ_SIZE;
	bool want = !l->eof && !l->too_long && !l->finishing && !l->closed &&
	    !line_is_full(l) &&
	    !(l->paused && l->in.len >= l->in_pos + enough);

	if (want == l->rd_armed)
		return;
	if (want)
		l->rd_armed = event_add(l->rd, NULL) == 0;
	else {
		event_del(l->rd);
		l->rd_armed = false;
	}
}

/* --- input --- */

/* Longer than allowed? A last CR does not count. */
static bool
line_exceeds(const struct line *l, const char *text, size_t len)
{
	if (len > 0 && text[len - 1] == '\r')
		len--;
	return len > l->limits.max_line;
}

static void
line_set_too_long(struct line *l)
{
	l->too_long = true;
	l->cb(l, LINE_TOO_LONG, NULL, 0, l->arg);
}

/* Hand out complete lines of data from l->in_pos on, until blocked. */
static void
line_hand_out(struct line *l, const char *data, size_t len)
{
	const char *text, *nl;
	size_t n;

	while (l->scanned < len && !line_is_blocked(l)) {
		text = data + l->in_pos;
		nl = memchr(data + l->scanned, '\n', len - l->scanned);
		if (nl == NULL) {
			l->scanned = len;
			if (line_exceeds(l, text, len - l->in_pos))
				line_set_too_long(l);
			return;
		}
		n = (size_t)(nl - text);
		if (line_exceeds(l, text, n)) {
			line_set_too_long(l);
			return;
		}
		if (n > 0 && text[n - 1] == '\r')
			n--;
		l->in_pos = l->scanned = (size_t)(nl - data) + 1;
		l->cb(l, LINE_TEXT, text, n, l->arg);
	}
}

/* After handing out: the end of the input, once everything before it was. */
static void
line_check_eof(struct line *l, const char *data, size_t len)
{
	if (!l->eof || l->eof_told || line_is_blocked(l))
		return;
	l->eof_told = true;
	l->cb(l, LINE_EOF, data + l->in_pos, len - l->in_pos, l->arg);
	l->in_pos = l->scanned = len;
}

/* Keep what a pass over the input left, dropping the rest once. */
static void
line_keep_rest(struct line *l)
{
	if (l->too_long || l->finishing || l->closed) {
		line_drop_input(l);
	} else if (l->in_pos > 0) {
		buf_drain(&l->in, l->in_pos);
		l->scanned -= l->in_pos;
		l->in_pos = 0;
	}
	line_shrink(&l->in);
}

/* LOOP_TASKS: hand out what is buffered. in_pos moves on without a copy; the
 * bytes before it are dropped when they are the most, or before a read. */
static void
line_deliver_cb(void *arg)
{
	struct line *l = arg;

	line_hand_out(l, l->in.data, l->in.len);
	line_check_eof(l, l->in.data != NULL ? l->in.data : "", l->in.len);
	if (l->in_pos >= l->in.len / 2 || l->too_long || l->finishing ||
	    l->closed)
		line_keep_rest(l);
	line_update_reading(l);
}

void
line_defer_deliver(struct line *l)
{
	loop_defer(l->loop, LOOP_TASKS, &l->deliver, line_deliver_cb, l);
}

/* len new bytes, in a buffer that is not ours. */
static void
line_take(struct line *l, const char *data, size_t len)
{
	if (l->in.len > l->in_pos) {
		line_keep_rest(l);
		buf_add(&l->in, data, len);
		line_hand_out(l, l->in.data, l->in.len);
		line_keep_rest(l);
		return;
	}
	line_drop_input(l);
	line_hand_out(l, data, len);
	buf_add(&l->in, data + l->in_pos, len - l->in_pos);
	l->scanned -= l->in_pos;
	l->in_pos = 0;
	line_keep_rest(l);
}

/* The peer reads no more; what it wrote before that is still wanted. */
void
line_read_last(struct line *l)
{
	char data[LINE_READ_SIZE];
	ssize_t n;

	while (!line_is_blocked(l) && !l->eof) {
		n = read(l->fd, data, sizeof(data));
		if (n <= 0)
			break;
		line_take(l, data, (size_t)n);
	}
}

/* Both directions are down, as after close(2) of a Unix socket; a peer that
 * only stopped sending still reads. */
static bool
line_is_hung_up(const struct line *l)
{
	struct pollfd pfd = { .fd = l->fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP) != 0;
}

/* While paused after the end of the input, nothing else would tell. */
void
line_watch_hangup(struct line *l)
{
	if (!l->eof || !l->paused || l->closed || l->hangup_told)
		return;
	if (line_is_hung_up(l)) {
		l->hangup_told = true;
		l->cb(l, LINE_HANGUP, NULL, 0, l->arg);
	} else {
		line_arm_timer(l, loop_now(l->loop) + LINE_HANGUP_SECONDS);
	}
}

static void
line_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct line *l = arg;
	char data[LINE_READ_SIZE];
	ssize_t n;

	(void)what;
	n = read((int)fd, data, sizeof(data));
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			line_set_closed(l);
		return;
	}
	l->received = loop_now(l->loop);
	if (n == 0) {
		l->eof = true;
		line_watch_hangup(l);
		line_hand_out(l, l->in.data, l->in.len);
		line_check_eof(l, l->in.data != NULL ? l->in.data : "",
		    l->in.len);
		line_keep_rest(l);
	} else {
		line_take(l, data, (size_t)n);
	}
	line_update_reading(l);
}

/* --- the owner's side --- */

struct line *
line_new(struct loop *loop, int fd, const struct line_limits *limits,
    line_cb *cb, void *arg, struct err *e)
{
	struct line *l;
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) != 0 ||
	    ((flags & O_NONBLOCK) == 0 &&
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)) {
		err_sys(e, "LineFailed", "descriptor %d", fd);
		return NULL;
	}
	l = xcalloc(1, sizeof(*l));
	l->loop = loop;
	l->fd = fd;
	l->is_socket = S_ISSOCK(st.st_mode);
	l->limits = *limits;
	l->cb = cb;
	l->arg = arg;
	l->rd = event_new(loop_base(loop), fd, EV_READ | EV_PERSIST,
	    line_read_cb, l);
	if (l->rd == NULL || event_add(l->rd, NULL) != 0) {
		err_sys(e, "LineFailed", "watch descriptor %d", fd);
		l->fd = -1;
		line_free(l);
		return NULL;
	}
	l->rd_armed = true;
	l->received = loop_now(loop);
	if (limits->idle_timeout > 0)
		line_arm_timer(l, l->received + limits->idle_timeout);
	return l;
}

void
line_free(struct line *l)
{
	if (l == NULL)
		return;
	loop_defer_cancel(l->loop, &l->deliver);
	loop_defer_cancel(l->loop, &l->flush);
	if (l->rd != NULL)
		event_free(l->rd);
	if (l->wr != NULL)
		event_free(l->wr);
	if (l->timer != NULL)
		event_free(l->timer);
	if (l->fd >= 0)
		close(l->fd);
	buf_free(&l->in);
	buf_free(&l->out);
	free(l);
}

void
line_pause(struct line *l)
{
	l->paused = true;
	if (!l->closed)
		line_update_reading(l);
}

void
line_resume(struct line *l)
{
	if (!l->paused)
		return;
	l->paused = false;
	if (l->closed)
		return;
	if (l->in.len > l->in_pos || l->eof)
		line_defer_deliver(l);
	else
		line_update_reading(l);
}

