/*
 * http1.h - the replies of HTTP/1.1 (RFC 9112), read strictly, into locked
 * memory. No I/O; the connection is http1_conn.h.
 *
 * For one peer whom we started ourselves (`bw serve`): a reply has either
 * Content-Length or Transfer-Encoding: chunked, no content coding, a bounded
 * head and a body of at most `max` bytes. Anything else ends the connection.
 * The bytes of a body are in secret_buf from the first copy on.
 */
#ifndef COLIBRI_HTTP1_H
#define COLIBRI_HTTP1_H

#include "core.h"
#include "err.h"
#include "secret.h"

#define HTTP1_LINE_MAX	4096		/* bytes of a line of the head */
#define HTTP1_HEAD_MAX	16384		/* bytes of the head, and of trailers */

struct http1 {
	int state;
	char line[HTTP1_LINE_MAX];
	size_t line_len, head_len;
	int status;			/* 200 to 599, once the head is read */
	bool has_length, chunked;
	bool close;			/* the peer will say nothing more */
	uint64_t left;			/* bytes of the body or the chunk */
	size_t max;
	struct secret_buf body;
};

/* Before the first byte of a reply. max: bytes of the body. */
void http1_start(struct http1 *h, size_t max);

/*
 * Take bytes as they come. Returns 1 when the reply is complete, 0 when more is
 * to come, -1: VaultProtocol (what is wrong, never a byte of it). *used: how
 * many were taken, less than len only when the reply ended before.
 */
int http1_feed(struct http1 *h, const char *p, size_t len, size_t *used,
    struct err *e);

/* Wipes the body unless it was taken, and the line. May be repeated. */
void http1_free(struct http1 *h);

/* The head of a request, with its NUL, into out; body_len < 0: without a body.
 * Returns its length. method and path: visible ASCII without blanks, else -1
 * with code BadParameter, and so when it does not fit. */
int http1_request(char *out, size_t size, const char *method, const char *path,
    const char *host, long long body_len, struct err *e);

#endif
