/*
 * line.h - newline-framed reading and writing on a non-blocking descriptor.
 *
 * Plain libevent events and own buffers (bufferevents cost half the rate, see
 * tests/bench). Lines are handed out in place, without a copy. Input stops
 * while the owner is busy with a line (line_pause) and while unread output is
 * above the high-water mark.
 */
#ifndef COLIBRI_LINE_H
#define COLIBRI_LINE_H

#include "core.h"
#include "err.h"
#include "loop.h"
#include "mem.h"

struct line;

enum line_event {
	LINE_TEXT,	/* data, len: one line without its newline or CR */
	LINE_TOO_LONG,	/* a line passed max_line; no more input is read */
	LINE_EOF,	/* the peer will send no more; len: bytes of a cut line */
	LINE_HANGUP,	/* while paused: the peer is gone altogether; lines that
			 * are buffered, and LINE_EOF, still come */
	LINE_CLOSED,	/* the connection is dead (reset, hang-up, EPIPE) */
	LINE_STALLED,	/* unread output passed max_output for `stall` seconds */
	LINE_ROOM,	/* unread output fell to what line_want_room() asked */
	LINE_IDLE,	/* nothing was received for idle_timeout seconds */
};

/* data is valid until the callback returns; it may call everything below but
 * line_free (use line_finish, or free from a deferred call). After LINE_CLOSED
 * nothing more is reported; LINE_EOF comes after the last LINE_TEXT. */
typedef void line_cb(struct line *l, enum line_event ev, const char *data,
    size_t len, void *arg);

struct line_limits {
	size_t max_line;	/* bytes without the newline */
	size_t max_output;	/* unread bytes after which reading stops */
	double stall;		/* seconds above max_output before LINE_STALLED;
				 * 0: never */
	double idle_timeout;	/* seconds; 0: never */
};

/* Takes fd (on failure it stays the caller's) and makes it non-blocking.
 * Reading starts at once. A host that writes to pipes must ignore SIGPIPE; on
 * sockets it is never raised. Code: LineFailed. */
struct line *line_new(struct loop *loop, int fd,
    const struct line_limits *limits, line_cb *cb, void *arg, struct err *e);

/* Closes the descriptor and frees. Not inside the callback. */
void line_free(struct line *l);

/* No further LINE_TEXT until line_resume(), which may deliver lines that are
 * already buffered from within LOOP_TASKS of this turn, never from inside the
 * call itself. */
void line_pause(struct line *l);
void line_resume(struct line *l);

/* The output buffer: append whole lines to it, then line_flush(). Written at
 * the LOOP_FLUSH stage with one write(2) per turn, the rest as the peer reads. */
struct buf *line_output(struct line *l);
void line_flush(struct line *l);

/* Bytes not yet taken by the kernel. */
size_t line_unsent(const struct line *l);

/* Report LINE_ROOM once, when no more than this is unread. */
void line_want_room(struct line *l, size_t unread);

/* Read no more, write what is queued, then shut down and report LINE_CLOSED
 * once. A peer that takes nothing for `stall` seconds is given up. */
void line_finish(struct line *l);

#endif
