/*
 * http1_conn.h - one HTTP/1.1 conversation over a stream that is there already
 * (a socketpair with a child). One request at a time, each with a deadline. A
 * conversation that went wrong is dead for good: the next reply could belong to
 * an earlier question.
 */
#ifndef COLIBRI_HTTP1_CONN_H
#define COLIBRI_HTTP1_CONN_H

#include "core.h"
#include "err.h"
#include "loop.h"
#include "secret.h"

struct http1_conn;

struct http1_ask {
	const char *method, *path, *host;
	struct secret *body;	/* JSON; referenced; NULL: none */
	size_t max;		/* bytes of the reply's body */
	double timeout;		/* seconds; 0: none */
};

/* Called once a request, from the loop: body is the callee's to unref; NULL
 * with e set: Timeout, Disconnected, VaultProtocol. */
typedef void http1_done_cb(int status, struct secret *body,
    const struct err *e, void *arg);

/* Owns fd from here on, a non-blocking stream socket. Code: SpawnFailed. */
struct http1_conn *http1_conn_new(struct loop *l, int fd, struct err *e);

/* Ask; borrows ask for the call. Codes: Disconnected (it is dead),
 * BadParameter, and Busy while another one is under way. */
int http1_conn_ask(struct http1_conn *c, const struct http1_ask *ask,
    http1_done_cb *cb, void *arg, struct err *e);

/* Forget the request under way: no callback, and the conversation is dead. */
void http1_conn_cancel(struct http1_conn *c);

bool http1_conn_dead(const struct http1_conn *c);

/* Closes the stream; no callback. NULL allowed. */
void http1_conn_free(struct http1_conn *c);

#endif
