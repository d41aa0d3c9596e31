/*
 * pool.h - small blocks of memory for the Lua state.
 *
 * Lua makes and frees a dozen small objects for each request and tells the size
 * of what it frees; a free list for each size then takes a tenth of malloc's
 * time and no header. Larger blocks are malloc's. Nothing goes back to the
 * system before pool_free(). Built with AddressSanitizer, every block is
 * malloc's, so that it sees each of them.
 */
#ifndef COLIBRI_POOL_H
#define COLIBRI_POOL_H

#include "core.h"

#define POOL_STEP	8	/* bytes between two sizes, and the alignment */
#if defined(__SANITIZE_ADDRESS__)
#define POOL_LARGEST	0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_LARGEST	0
#endif
#endif
#ifndef POOL_LARGEST
#define POOL_LARGEST	512	/* bytes */
#endif

struct pool {			/* zero-initialise it */
	void *free[POOL_LARGEST / POOL_STEP + 1];
	char *next, *end;	/* what is left of the newest chunk */
	void *chunks;
};

/* As realloc(3), with the size that the block at p was asked for (0: p is
 * NULL); size 0 frees. NULL when there is no memory: then p stays. */
void *pool_realloc(struct pool *pool, void *p, size_t old, size_t size);

/* Give everything back; no block is used any more. */
void pool_free(struct pool *pool);

#endif
