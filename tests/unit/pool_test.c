/* links: pool */
#include <stdlib.h>

#include "check.h"
#include "pool.h"

TEST(a_freed_block_is_used_again)
{
	struct pool pool = { 0 };
	void *a = pool_realloc(&pool, NULL, 0, 24), *b;

	CHECK(a != NULL);
	CHECK(pool_realloc(&pool, a, 24, 0) == NULL);
	b = pool_realloc(&pool, NULL, 0, 20);
#if POOL_LARGEST > 0
	CHECK(a == b);
	CHECK(pool_realloc(&pool, b, 20, 24) == b);	/* room enough */
#endif
	pool_realloc(&pool, b, POOL_LARGEST > 0 ? 24 : 20, 0);
	pool_free(&pool);
}

/* Every size, over the border to malloc and back, keeps the bytes. */
TEST(blocks_keep_their_bytes)
{
	struct pool pool = { 0 };
	unsigned char *blocks[300] = { 0 };
	size_t sizes[300] = { 0 }, i, j, size;
	int round, wrong = 0;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < ARRAY_LEN(blocks); i++) {
			size = (i * 37 + (size_t)round * 101) % 1200;
			blocks[i] = pool_realloc(&pool, blocks[i], sizes[i],
			    size);
			for (j = 0; j < size && j < sizes[i]; j++)
				wrong += blocks[i][j] != (i & 0xff);
			for (j = 0; j < size; j++)
				blocks[i][j] = (unsigned char)i;
			wrong += ((uintptr_t)blocks[i] & (POOL_STEP - 1)) != 0;
			sizes[i] = size;
		}
	}
	CHECK_INT(wrong, 0);
	for (i = 0; i < ARRAY_LEN(blocks); i++)
		pool_realloc(&pool, blocks[i], sizes[i], 0);
	pool_free(&pool);
}

CHECK_MAIN(
    RUN(a_freed_block_is_used_again);
    RUN(blocks_keep_their_bytes))
