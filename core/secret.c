/*
 * secret.c - bytes that must not leak; see secret.h.
 *
 * An arena of locked pages and the secrets in it. struct secret holds no
 * secret byte and is ordinary memory. How secrets are found in texts is in
 * secret_redact.c.
 */
#include <sys/types.h>
#include <sys/mman.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "secret.h"
#include "secret_priv.h"

#ifndef MAP_NOCORE
#define MAP_NOCORE	0
#endif

/* --- arena --- */

#define ARENA_SLAB	(32 * 1024)
#define ARENA_SMALLEST	32
#define ARENA_CLASSES	8		/* 32, 64, ... 4096 bytes */
#define ARENA_LARGEST	(ARENA_SMALLEST << (ARENA_CLASSES - 1))

static struct {
	void *free[ARENA_CLASSES];	/* each chunk starts with the next */
	unsigned char *next;		/* rest of the newest slab */
	size_t left;
	bool unlocked;			/* a page could not be locked */
} arena;

static void *
arena_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANON | MAP_NOCORE, -1, 0);

	if (p == MAP_FAILED) {
		fprintf(stderr, "colibri: out of memory\n");
		abort();
	}
	if (mlock(p, size) != 0)
		arena.unlocked = true;
#ifdef MADV_DONTDUMP
	madvise(p, size, MADV_DONTDUMP);
#endif
	return p;
}

/* The size that a request of `size` really gets. */
static size_t
arena_round(size_t size)
{
	size_t page, chunk = ARENA_SMALLEST;

	if (size > ARENA_LARGEST) {
		page = (size_t)sysconf(_SC_PAGESIZE);
		return (size + page - 1) / page * page;
	}
	while (chunk < size)
		chunk *= 2;
	return chunk;
}

static size_t
arena_class(size_t chunk)
{
	size_t class = 0;

	while (((size_t)ARENA_SMALLEST << class) < chunk)
		class++;
	return class;
}

/* At least size bytes, all zero. */
static void *
arena_get(size_t size)
{
	size_t chunk = arena_round(size), class;
	void *p;

	if (chunk > ARENA_LARGEST)
		return arena_map(chunk);
	class = arena_class(chunk);
	p = arena.free[class];
	if (p != NULL) {
		memcpy(&arena.free[class], p, sizeof(void *));
		memset(p, 0, sizeof(void *));
		return p;
	}
	if (arena.left < chunk) {
		arena.next = arena_map(ARENA_SLAB);
		arena.left = ARENA_SLAB;
	}
	p = arena.next;
	arena.next += chunk;
	arena.left -= chunk;
	return p;
}

/* size: what was asked for, or its arena_round(). NULL allowed. */
static void
arena_put(void *p, size_t size)
{
	size_t chunk = arena_round(size), class;

	if (p == NULL)
		return;
	secret_wipe(p, chunk);
	if (chunk > ARENA_LARGEST) {
		munmap(p, chunk);
		return;
	}
	class = arena_class(chunk);
	memcpy(p, &arena.free[class], sizeof(void *));
	arena.free[class] = p;
}

bool
secret_locked(void)
{
	return !arena.unlocked;
}

void
secret_wipe(void *p, size_t len)
{
	if (len != 0)
		explicit_bzero(p, len);
}

/* --- secrets --- */

struct secret {
	unsigned refs;
	bool sealed;
	unsigned char *bytes;	/* arena; bytes[len] is a NUL */
	size_t len, cap;
	struct secret_index index;
};

static size_t secrets_live;

/* Takes bytes, an arena block of cap > len bytes. */
static struct secret *
secret_wrap(unsigned char *bytes, size_t len, size_t cap)
{
	struct secret *s = xcalloc(1, sizeof(*s));

	s->refs = 1;
	s->bytes = bytes;
	s->len = len;
	s->cap = cap;
	secrets_live++;
	return s;
}

struct secret *
secret_alloc(size_t len)
{
	assert(len < SIZE_MAX / 2);
	return secret_wrap(arena_get(len + 1), len, len + 1);
}

struct secret *
secret_new(const void *bytes, size_t len)
{
	struct secret *s = secret_alloc(len);

	if (len != 0)
		memcpy(s->bytes, bytes, len);
	secret_seal(s);
	return s;
}

unsigned char *
secret_fill(struct secret *s)
{
	assert(!s->sealed);
	return s->bytes;
}

void
secret_seal(struct secret *s)
{
	if (s->sealed)
		return;
	s->sealed = true;
	s->bytes[s->len] = '\0';
	secret_index_add(&s->index, s->bytes, s->len);
}

struct secret *
secret_ref(struct secret *s)
{
	s->refs++;
	return s;
}

void
secret_unref(struct secret *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	secret_index_drop(&s->index);
	arena_put(s->bytes, s->cap);
	free(s);
	secrets_live--;
}

const char *
secret_bytes(const struct secret *s)
{
	return (const char *)s->bytes;
}

size_t
secret_len(const struct secret *s)
{
	return s->len;
}

size_t
secret_count(void)
{
	return secrets_live;
}

/* --- the buffer --- */

unsigned char *
secret_buf_reserve(struct secret_buf *b, size_t more)
{
	unsigned char *data;
	size_t need;

	assert(more < SIZE_MAX / 4 - b->len);
	need = b->len + more + 1;	/* + 1: the NUL of secret_buf_take() */
	if (b->cap < need) {
		if (need < b->cap * 2)
			need = b->cap * 2;
		data = arena_get(need);
		if (b->len != 0)
			memcpy(data, b->data, b->len);
		arena_put(b->data, b->cap);
		b->data = data;
		b->cap = arena_round(need);
	}
	return b->data + b->len;
}

struct secret *
secret_buf_take(struct secret_buf *b)
{
	struct secret *s;

	secret_buf_reserve(b, 0);
	s = secret_wrap(b->data, b->len, b->cap);
	*b = (struct secret_buf){ 0 };
	secret_seal(s);
	return s;
}

void
secret_buf_free(struct secret_buf *b)
{
	arena_put(b->data, b->cap);
	*b = (struct secret_buf){ 0 };
}
