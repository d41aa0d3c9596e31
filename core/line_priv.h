/*
 * line_priv.h - what line.c (the owner's side, input) and line_out.c (output,
 * timeouts, the end) share. Nobody else includes it.
 */
#ifndef COLIBRI_LINE_PRIV_H
#define COLIBRI_LINE_PRIV_H

#include "line.h"

struct event;

#define LINE_READ_SIZE	65536
#define LINE_KEEP_SIZE	4096	/* an empty buffer above this is freed */
#define LINE_HANGUP_SECONDS 1	/* between two looks at a paused peer */

struct line {
	struct loop *loop;
	int fd;
	bool is_socket;
	struct line_limits limits;
	line_cb *cb;
	void *arg;
	struct event *rd, *wr, *timer;	/* wr, timer: made when needed */
	bool rd_armed, wr_armed;
	struct buf in, out;
	size_t in_pos, scanned, sent;
	bool paused;
	bool eof, eof_told, hangup_told;
	bool too_long;			/* told; input is over */
	bool finishing;
	bool closed;			/* told; nothing goes on */
	bool stall_told;
	bool want_room;			/* LINE_ROOM at `room` unread bytes */
	size_t room;
	double received;		/* when the last bytes came */
	double stalled_since;		/* 0: not above the limit */
	double timer_at;		/* 0: not armed */
	struct loop_defer deliver, flush;
};

/* More unread output than allowed? */
bool line_is_full(const struct line *l);

/* Free a buffer that is empty and large. */
void line_shrink(struct buf *b);

/* Start, or leave running, the one timer so that it fires by `at`. */
void line_arm_timer(struct line *l, double at);

/* The output grew or shrank: start or stop the stall clock. */
void line_watch_stall(struct line *l);

/* Read when the state allows it, else leave what comes to the kernel. */
void line_update_reading(struct line *l);

/* Hand out at LOOP_TASKS what is buffered. */
void line_defer_deliver(struct line *l);

/* The connection is dead: report it once. */
void line_set_closed(struct line *l);

/* Before that: hand out what the peer wrote last. */
void line_read_last(struct line *l);

/* After the end of the input, while paused: report a peer that is gone. */
void line_watch_hangup(struct line *l);

#endif
