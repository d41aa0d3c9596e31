/*
 * bw_json.h - a reader of JSON whose strings may be secrets.
 *
 * A pull reader over bytes that stay where they are: bw_json_next() gives one
 * token after the other; the bytes of a string are put together in locked
 * memory that the reader owns and that the next string overwrites. So nothing
 * of what a vault says is ever in ordinary memory unless the caller puts it
 * there. Strict: RFC 8259, UTF-8, no lone surrogate, nothing after the value.
 */
#ifndef COLIBRI_BW_JSON_H
#define COLIBRI_BW_JSON_H

#include "core.h"
#include "err.h"
#include "secret.h"

#define BW_JSON_DEPTH	64
#define BW_JSON_MAX	(32 * 1024 * 1024)	/* bytes of a text */
#define BW_JSON_VALUES	1000000			/* values in a text */

enum bw_token {
	BW_FAILED,		/* e is filled; the reader is of no use now */
	BW_END,			/* the value is complete, nothing follows */
	BW_OBJECT, BW_OBJECT_END,
	BW_LIST, BW_LIST_END,
	BW_KEY, BW_STRING,	/* text */
	BW_INTEGER, BW_NUMBER,	/* integer; number */
	BW_TRUE, BW_FALSE, BW_NULL
};

struct bw_json {
	const unsigned char *start, *p, *end;
	uint64_t objects;	/* bit n: level n + 1 is an object */
	int depth;		/* 0: outside of the value */
	int want;		/* what may come next */
	size_t values;
	struct secret_buf text;
	int64_t integer;
	double number;
};

/* Borrows the text. May be used again after bw_json_free(). */
void bw_json_start(struct bw_json *r, const char *text, size_t len);

/* The next token. Code: VaultProtocol, with the place, never the content. */
enum bw_token bw_json_next(struct bw_json *r, struct err *e);

void bw_json_free(struct bw_json *r);

#endif
