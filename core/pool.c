/*
 * pool.c - small blocks of memory for the Lua state; see pool.h.
 *
 * A free block's first word links it to the next of its size. Chunks are linked
 * by their first word too.
 */
#include <stdlib.h>
#include <string.h>

#include "pool.h"

#define CHUNK_SIZE	32768

static size_t
pool_class(size_t size)
{
	return (size + POOL_STEP - 1) / POOL_STEP;
}

/* A block from the newest chunk, or from a new one. What is left of the old
 * chunk is at most one block: not worth keeping. */
static void *
pool_carve(struct pool *pool, size_t size)
{
	void *p;

	if ((size_t)(pool->end - pool->next) < size) {
		char *chunk = malloc(CHUNK_SIZE);

		if (chunk == NULL)
			return NULL;
		memcpy(chunk, &pool->chunks, sizeof(pool->chunks));
		pool->chunks = chunk;
		pool->next = chunk + 2 * sizeof(void *);
		pool->end = chunk + CHUNK_SIZE;
	}
	p = pool->next;
	pool->next += size;
	return p;
}

static void *
pool_take(struct pool *pool, size_t size)
{
	size_t class = pool_class(size);
	void *p = pool->free[class];

	if (p == NULL)
		return pool_carve(pool, class * POOL_STEP);
	memcpy(&pool->free[class], p, sizeof(void *));
	return p;
}

static void
pool_give(struct pool *pool, void *p, size_t size)
{
	size_t class = pool_class(size);

	memcpy(p, &pool->free[class], sizeof(void *));
	pool->free[class] = p;
}

void *
pool_realloc(struct pool *pool, void *p, size_t old, size_t size)
{
	bool was_small = old > 0 && old <= POOL_LARGEST;
	bool is_small = size > 0 && size <= POOL_LARGEST;
	void *fresh;

	if (!was_small && !is_small) {
		if (size > 0)
			return realloc(p, size);
		free(p);
		return NULL;
	}
	if (was_small && is_small && pool_class(old) == pool_class(size))
		return p;
	fresh = NULL;
	if (size > 0) {
		fresh = is_small ? pool_take(pool, size) : malloc(size);
		if (fresh == NULL)
			return NULL;
		if (old > 0)
			memcpy(fresh, p, old < size ? old : size);
	}
	if (was_small)
		pool_give(pool, p, old);
	else
		free(p);
	return fresh;
}

void
pool_free(struct pool *pool)
{
	void *chunk, *next;

	for (chunk = pool->chunks; chunk != NULL; chunk = next) {
		memcpy(&next, chunk, sizeof(next));
		free(chunk);
	}
	*pool = (struct pool){ 0 };
}
