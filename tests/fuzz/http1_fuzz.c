/* links: http1 secret secret_redact err mem log log_line */
/*
 * A reply of `bw serve`, in pieces: no crash, no leak, the same result however
 * it is cut, and nothing is taken beyond the reply's end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http1.h"

#define BODY_MAX	4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "http1_fuzz: expected %s\n", #cond);	\
		abort();						\
	}								\
} while (0)

struct result {
	int rc, status;
	size_t used, len;
};

/* Feed it in pieces of `step` bytes. */
static struct result
feed(const char *text, size_t size, size_t step)
{
	struct result r = { 0 };
	struct err e = ERR_INIT;
	struct http1 h;
	size_t used, n;

	http1_start(&h, BODY_MAX);
	while (r.rc == 0 && r.used < size) {
		n = size - r.used < step ? size - r.used : step;
		r.rc = http1_feed(&h, text + r.used, n, &used, &e);
		FUZZ_CHECK(used <= n && (r.rc != 0 || used == n));
		r.used += used;
	}
	FUZZ_CHECK(r.rc >= 0 || strcmp(e.code, "VaultProtocol") == 0);
	FUZZ_CHECK(h.body.len <= BODY_MAX);
	FUZZ_CHECK(r.rc != 1 || (h.status >= 200 && h.status <= 599));
	r.status = h.status;
	r.len = h.body.len;
	http1_free(&h);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct result whole = feed(text, size, size + 1);
	struct result bytes = feed(text, size, 1);
	struct result pieces = feed(text, size, 7);

	FUZZ_CHECK(whole.rc == bytes.rc && whole.rc == pieces.rc);
	FUZZ_CHECK(whole.status == bytes.status);
	FUZZ_CHECK(whole.used == bytes.used && whole.used == pieces.used);
	FUZZ_CHECK(whole.len == bytes.len && whole.len == pieces.len);
	FUZZ_CHECK(secret_count() == 0);
	return 0;
}
