/* links: pattern bound bound_match bound_gsub bound_string bound_table bound_sort vm pool vm_load task task_op task_co task_limit task_trace lx loop log log_line mem err secret secret_redact conf conf_table conf_value platform fs fs_host fs_read fs_walk */
/*
 * Patterns: the same as stock Lua over random patterns and subjects, and a
 * matcher that stops when its fuel is used up and goes on where it stopped.
 * PATTERN_TEST_RUNS (default 15000) says how many.
 */
#include "../fuzz/pattern_fuzz.c"

#include "check.h"

static uint64_t seed = 88172645463325252u;

static unsigned
pick(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

static const char *const pieces[] = { "a", "b", ".", "%a", "%d", "%s", "%w",
    "%A", "%z", "%c", "%g", "%l", "%u", "%p", "%x", "%W", "%Z", "%q", "[%z%p]", "%", "[ab]", "[^a]", "[a-c]", "[%w_]", "[]]", "[^]]", "[a-]", "[%a",
    "[", "]", "(", ")", "()", "(a)", "(.-)", "*", "+", "-", "?", "^", "$", "%b()",
    "%bab", "%b", "%f[%w]", "%f[^a]", "%f", "%1", "%2", "%0", "%%", "%.", " ",
    "b*", "a-", "a+", "b?", ".-", ".*", "x", "1", "\xe4" };
static const char *const repls[] = { "", "x", "%0", "%1", "%2", "%%", "<%0>",
    "%1%1", "%", "%a", "long replacement text" };

static void
random_case(char *s, size_t *len, char *p, size_t *plen)
{
	static const char letters[] = "aaabbbab()1 x.c_";
	unsigned i, n = pick(7);

	*plen = 0;
	for (i = 0; i < n; i++) {
		const char *piece = pieces[pick(ARRAY_LEN(pieces))];

		memcpy(p + *plen, piece, strlen(piece));
		*plen += strlen(piece);
	}
	/* A zero byte is a byte like any other. */
	if (pick(20) == 0)
		p[(*plen)++] = '\0';
	*len = pick(14);
	for (i = 0; i < *len; i++)
		s[i] = pick(40) == 0 ? '\0' : letters[pick(sizeof(letters) - 1)];
}

TEST(differs_nowhere)
{
	const char *text = getenv("PATTERN_TEST_RUNS"), *r;
	long i, runs = text != NULL ? atol(text) : 15000, compared = 0;
	char s[32], p[128];
	size_t len, plen;

	for (i = 0; i < runs; i++) {
		random_case(s, &len, p, &plen);
		r = repls[pick(ARRAY_LEN(repls))];
		compared += compare(s, len, p, plen, r, strlen(r));
	}
	CHECK(compared > runs * 9 / 10);
}

TEST(stops_and_goes_on)
{
	static const char s[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaa(b(c)b)x";
	static const char p[] = "(a-)(a-)(a*)[%w]+%b()x$";
	struct pattern_choice stack[16];
	struct pattern m = { .text = (const unsigned char *)s,
	    .pat = (const unsigned char *)p, .stack = stack, .stack_size = 1 };
	enum pattern_result r;
	int more = 0, grown = 0;

	m.text_end = m.text + sizeof(s) - 1;
	m.pat_end = m.pat + sizeof(p) - 1;
	pattern_start(&m, m.text);
	while ((r = pattern_run(&m)) == PATTERN_MORE || r == PATTERN_GROW) {
		if (r == PATTERN_GROW)
			m.stack_size = (size_t)++grown + 1;
		else
			m.fuel = 1 + more++ % 3;
	}
	CHECK_INT(r, PATTERN_MATCH);
	CHECK(m.end == m.text_end);
	CHECK_INT(m.ncaptures, 3);
	CHECK_INT(m.capture[0].len, 0);
	CHECK_INT(m.capture[2].len, 27);
	CHECK(more > 20);
	CHECK(grown > 3);
}

TEST(fuel_bounds_backtracking)
{
	static const char s[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const char p[] = ".-.-.-.-.-.-.-.-.-.-.-.-b";
	struct pattern_choice stack[64];
	struct pattern m = { .text = (const unsigned char *)s,
	    .pat = (const unsigned char *)p, .stack = stack, .stack_size = 64,
	    .fuel = 100000 };

	m.text_end = m.text + sizeof(s) - 1;
	m.pat_end = m.pat + sizeof(p) - 1;
	pattern_start(&m, m.text);
	CHECK_INT(pattern_run(&m), PATTERN_MORE);
	CHECK(m.fuel <= 0 && m.fuel > -100);
}

TEST(plain)
{
	CHECK(pattern_is_plain("abc", 3));
	CHECK(pattern_is_plain("a\0]", 3));
	CHECK(!pattern_is_plain("a\0%", 3));
	CHECK(pattern_is_plain("", 0));
}

CHECK_MAIN(
    RUN(plain);
    RUN(stops_and_goes_on);
    RUN(fuel_bounds_backtracking);
    RUN(differs_nowhere))
