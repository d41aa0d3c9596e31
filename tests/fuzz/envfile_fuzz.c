/* links: envfile envfile_parse secret secret_redact log log_line err mem */
/*
 * Whatever text is parsed: no crash, no leak, and what was understood survives
 * being written and read again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "envfile_fuzz: expected %s\n", #cond);	\
		abort();						\
	}								\
} while (0)

static void
fuzz_round_trip(struct envfile *f)
{
	struct envfile again = { 0 };
	struct err e = ERR_INIT;
	struct secret *text;
	size_t i;

	text = envfile_format(f, &e);
	FUZZ_CHECK(text != NULL);
	FUZZ_CHECK(envfile_parse(&again, secret_bytes(text), secret_len(text),
	    "again", &e) == 0);
	FUZZ_CHECK(again.n == f->n);
	envfile_sort(f);
	for (i = 0; i < f->n; i++) {
		const struct envfile_pair *a = &f->pairs[i];
		const struct envfile_pair *b = &again.pairs[i];

		FUZZ_CHECK(strcmp(a->key, b->key) == 0);
		FUZZ_CHECK(secret_len(a->value) == secret_len(b->value));
		FUZZ_CHECK(memcmp(secret_bytes(a->value),
		    secret_bytes(b->value), secret_len(a->value)) == 0);
	}
	envfile_free(&again);
	secret_unref(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envfile f = { 0 };
	struct err e = ERR_INIT;
	size_t before = secret_count();

	if (envfile_parse(&f, (const char *)data, size, "input", &e) == 0)
		fuzz_round_trip(&f);
	else
		FUZZ_CHECK(f.n == 0 && e.code[0] != '\0');
	envfile_free(&f);
	FUZZ_CHECK(secret_count() == before);
	return 0;
}
