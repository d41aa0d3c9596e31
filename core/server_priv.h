/*
 * server_priv.h - between server.c (requests and replies) and server_stream.c
 * (a request that is answered by many lines). Nobody else includes it.
 */
#ifndef COLIBRI_SERVER_PRIV_H
#define COLIBRI_SERVER_PRIV_H

#include <sys/queue.h>

#include "line.h"
#include "mem.h"
#include "server.h"
#include "task.h"

struct event;
struct stream;

struct conn {
	struct server *server;
	struct line *line;
	struct task *task;	/* the request in flight */
	int ref;		/* registry: the Lua side's table */
	bool closed;		/* the peer is gone */
	bool dropped;		/* to be freed at the end of this turn */
	struct loop_defer free_later;
	struct stream *stream;	/* of the request in flight; NULL: none */
	LIST_ENTRY(conn) link;
};

struct server {
	struct vm *vm;
	char *path;
	int fd, lock_fd;
	struct event *accept_ev, *pause_ev;
	int handle_ref, failed_ref;
	struct line_limits limits;
	struct task_limits task_limits;
	LIST_HEAD(, conn) conns;
	struct server_stats stats;
};

/* Secrets do not leave by a line either: redact what was appended. */
void server_redact(struct buf *out, size_t from);

/* --- server_stream.c --- */

/* The request is over, or its connection is gone. */
void server_stream_end(struct conn *c);
/* There is room again, or never will be. */
void server_stream_wake(struct conn *c);

#endif
