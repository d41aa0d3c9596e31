/*
 * check.h - typed checks for the unit tests; TAP on stdout.
 *
 *	TEST(empty_buffer) { CHECK_INT(buf.len, 0); }
 *	CHECK_MAIN(RUN(empty_buffer))
 *
 * A failed check prints both values and the test goes on; a test with a failed
 * check is "not ok". Nothing aborts, so clean-up code runs.
 */
#ifndef COLIBRI_CHECK_H
#define COLIBRI_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failed;	/* in the running test */
static int check_failed_tests, check_number;

#define CHECK_NOTE(...) do {						\
	check_failed++;							\
	printf("# %s:%d: ", __FILE__, __LINE__);			\
	printf(__VA_ARGS__);						\
	printf("\n");							\
} while (0)

#define CHECK(cond) do {						\
	if (!(cond))							\
		CHECK_NOTE("expected %s", #cond);			\
} while (0)

#define CHECK_INT(got, want) do {					\
	long long check_g = (long long)(got), check_w = (long long)(want); \
	if (check_g != check_w)						\
		CHECK_NOTE("%s: got %lld, expected %lld", #got, check_g, check_w); \
} while (0)

#define CHECK_STR(got, want) do {					\
	const char *check_g = (got), *check_w = (want);			\
	if (check_g == NULL || strcmp(check_g, check_w) != 0)		\
		CHECK_NOTE("%s: got \"%s\", expected \"%s\"", #got,	\
		    check_g != NULL ? check_g : "(null)", check_w);	\
} while (0)

#define CHECK_MEM(got, gotlen, want, wantlen) do {			\
	size_t check_gl = (gotlen), check_wl = (wantlen);		\
	if (check_gl != check_wl ||					\
	    memcmp((got), (want), check_wl) != 0)			\
		CHECK_NOTE("%s: got %zu bytes \"%.*s\", expected %zu",	\
		    #got, check_gl, (int)(check_gl < 200 ? check_gl : 200), \
		    (const char *)(got), check_wl);			\
} while (0)

/* A string that must contain a part. */
#define CHECK_HAS(got, part) do {					\
	const char *check_g = (got);					\
	if (check_g == NULL || strstr(check_g, (part)) == NULL)		\
		CHECK_NOTE("%s: got \"%s\", expected it to contain \"%s\"", \
		    #got, check_g != NULL ? check_g : "(null)", (part)); \
} while (0)

#define TEST(name)	static void test_##name(void)

#define RUN(name) do {							\
	check_failed = 0;						\
	test_##name();							\
	check_number++;							\
	if (check_failed != 0)						\
		check_failed_tests++;					\
	printf("%sok %d - %s\n", check_failed != 0 ? "not " : "",	\
	    check_number, #name);					\
	fflush(stdout);							\
} while (0)

#define CHECK_MAIN(...)							\
int main(void)								\
{									\
	setvbuf(stdout, NULL, _IOLBF, 0);				\
	__VA_ARGS__;							\
	printf("1..%d\n", check_number);				\
	return check_failed_tests != 0;					\
}

#endif
