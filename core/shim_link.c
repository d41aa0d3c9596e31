/*
 * shim_link.c - records from and to the daemon; see shim_priv.h and agent.h.
 *
 * The daemon may be slow or gone; the agent must not notice. What it does not
 * read waits in a bounded queue from which the oldest events are dropped. While
 * there is no daemon the newest events wait for the next one.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "shim_priv.h"

#define HEADER	5		/* type, length */

struct shim_record {
	TAILQ_ENTRY(shim_record) link;
	size_t len, sent;
	unsigned long dropped;	/* of 'D' */
	char data[];		/* header and payload */
};

void
shim_link_init(struct shim_link *l, int fd)
{
	*l = (struct shim_link){ .fd = fd };
	TAILQ_INIT(&l->out);
}

static void
link_drop(struct shim_link *l, struct shim_record *r)
{
	TAILQ_REMOVE(&l->out, r, link);
	l->queued -= r->len;
	free(r);
}

/* Make room by dropping the oldest events; not one that is half sent. */
static void
link_make_room(struct shim_link *l, size_t len)
{
	size_t max = l->fd >= 0 ? SHIM_QUEUE_MAX : SHIM_AWAY_MAX;
	struct shim_record *r, *next;

	for (r = TAILQ_FIRST(&l->out); r != NULL && l->queued + len > max;
	    r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->data[0] == 'E' && r->sent == 0) {
			link_drop(l, r);
			l->dropped++;
		}
	}
}

void
shim_link_close(struct shim_link *l)
{
	struct shim_record *r, *next;

	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	secret_buf_free(&l->in);
	l->used = 0;
	for (r = TAILQ_FIRST(&l->out); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		r->sent = 0;
		if (r->data[0] == 'E')
			continue;
		l->dropped += r->dropped;
		link_drop(l, r);
	}
	link_make_room(l, 0);
}

void
shim_link_open(struct shim_link *l, int fd)
{
	shim_link_close(l);
	l->fd = fd;
}

/* --- from the daemon --- */

void
shim_link_read(struct shim_link *l)
{
	unsigned char *room;
	ssize_t n;

	if (l->fd < 0)
		return;
	room = secret_buf_reserve(&l->in, 4096);
	n = recv(l->fd, room, 4096, MSG_DONTWAIT);
	if (n > 0)
		l->in.len += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		shim_link_close(l);
}

void
shim_link_done(struct shim_link *l)
{
	if (l->used == 0)
		return;
	l->in.len -= l->used;
	memmove(l->in.data, l->in.data + l->used, l->in.len);
	secret_wipe(l->in.data + l->in.len, l->used);
	l->used = 0;
	if (l->in.len == 0)
		secret_buf_free(&l->in);
}

bool
shim_link_next(struct shim_link *l, char *type, const char **payload,
    size_t *len)
{
	const unsigned char *p;

	shim_link_done(l);
	if (l->in.len < HEADER)
		return false;
	p = l->in.data;
	*len = (size_t)p[1] | (size_t)p[2] << 8 | (size_t)p[3] << 16 |
	    (size_t)p[4] << 24;
	if (*len > SHIM_RECORD_MAX) {
		shim_link_close(l);
		return false;
	}
	if (l->in.len - HEADER < *len)
		return false;
	*type = (char)p[0];
	*payload = (const char *)p + HEADER;
	l->used = HEADER + *len;
	return true;
}

/* --- to the daemon --- */

static struct shim_record *
link_record(char type, const void *payload, size_t len)
{
	struct shim_record *r = xmalloc(sizeof(*r) + HEADER + len);

	r->len = HEADER + len;
	r->sent = 0;
	r->dropped = 0;
	r->data[0] = type;
	r->data[1] = (char)(len & 0xff);
	r->data[2] = (char)(len >> 8 & 0xff);
	r->data[3] = (char)(len >> 16 & 0xff);
	r->data[4] = (char)(len >> 24 & 0xff);
	memcpy(r->data + HEADER, payload, len);
	return r;
}

void
shim_link_send(struct shim_link *l, char type, const void *payload, size_t len)
{
	struct shim_record *r;

	if (l->fd < 0 && type != 'E')
		return;
	link_make_room(l, HEADER + len);
	r = link_record(type, payload, len);
	TAILQ_INSERT_TAIL(&l->out, r, link);
	l->queued += r->len;
}

void
shim_link_send_first(struct shim_link *l, char type, const void *payload,
    size_t len)
{
	struct shim_record *r;

	if (l->fd < 0)
		return;
	r = link_record(type, payload, len);
	TAILQ_INSERT_HEAD(&l->out, r, link);
	l->queued += r->len;
}

/* Tell of dropped events before the first that was not. */
static void
link_tell_dropped(struct shim_link *l, struct shim_record *before)
{
	struct shim_record *r;
	char text[32];

	if (l->dropped == 0 || before->sent != 0 ||
	    (before->data[0] != 'E' && before->data[0] != 'X'))
		return;
	snprintf(text, sizeof(text), "%lu", l->dropped);
	r = link_record('D', text, strlen(text));
	r->dropped = l->dropped;
	l->dropped = 0;
	TAILQ_INSERT_BEFORE(before, r, link);
	l->queued += r->len;
}

void
shim_link_flush(struct shim_link *l)
{
	struct shim_record *r;
	ssize_t n;

	while (l->fd >= 0 && (r = TAILQ_FIRST(&l->out)) != NULL) {
		link_tell_dropped(l, r);
		r = TAILQ_FIRST(&l->out);
		n = send(l->fd, r->data + r->sent, r->len - r->sent,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			return;
		if (n < 0) {
			shim_link_close(l);
			return;
		}
		r->sent += (size_t)n;
		if (r->sent == r->len)
			link_drop(l, r);
	}
}
