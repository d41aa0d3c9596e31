/*
 * mem.h - allocation that does not return NULL.
 *
 * Running out of memory on the C side ends the process with one line on
 * stderr: there is no useful way on, and half a decision is worse. Lua memory
 * is another matter: vm.c caps it and a script that asks for too much gets an
 * ordinary error. Everything here is released with free(3).
 */
#ifndef COLIBRI_MEM_H
#define COLIBRI_MEM_H

#include "core.h"

void *xmalloc(size_t size) ATTR_MUST_USE;
void *xcalloc(size_t n, size_t size) ATTR_MUST_USE;

/* Like reallocarray(3): checks the multiplication. */
void *xreallocarray(void *p, size_t n, size_t size) ATTR_MUST_USE;

char *xstrdup(const char *s) ATTR_MUST_USE;

/* Copy of len bytes plus a terminating NUL. */
char *xmemdup0(const void *p, size_t len) ATTR_MUST_USE;

char *xasprintf(const char *fmt, ...) ATTR_PRINTF(1, 2) ATTR_MUST_USE;

/* A growable byte buffer; zero-initialise it, end with buf_free(). */
struct buf {
	char *data;		/* not NUL-terminated */
	size_t len, cap;
};

/* Make room for `more` further bytes; returns where they go. */
char *buf_grow(struct buf *b, size_t more);
static inline char *
buf_reserve(struct buf *b, size_t more)
{
	return b->cap - b->len >= more ? b->data + b->len : buf_grow(b, more);
}
static inline void
buf_add_byte(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->len++;
}
void buf_add(struct buf *b, const void *p, size_t len);
void buf_add_str(struct buf *b, const char *s);

/* Drop the first n bytes (n <= len); cheap when that empties the buffer. */
void buf_drain(struct buf *b, size_t n);
void buf_free(struct buf *b);

#endif
