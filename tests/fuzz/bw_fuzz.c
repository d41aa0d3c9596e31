/* links: bw bw_json fs fs_read fs_walk fs_write secret secret_redact err mem log log_line */
/*
 * Whatever bw prints and whatever stands in BW_SERVER: no crash, no leak, and
 * what was accepted keeps its promises.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bw.h"
#include "bw_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "bw_fuzz: expected %s\n", #cond);	\
		abort();						\
	}								\
} while (0)

static void
fuzz_json(const char *text, size_t size)
{
	struct err e = ERR_INIT;
	struct bw_json r;
	enum bw_token t;
	int depth = 0;

	bw_json_start(&r, text, size);
	do {
		t = bw_json_next(&r, &e);
		depth += (t == BW_OBJECT || t == BW_LIST) -
		    (t == BW_OBJECT_END || t == BW_LIST_END);
		FUZZ_CHECK(depth >= 0 && depth <= BW_JSON_DEPTH);
		FUZZ_CHECK(t != BW_END || depth == 0);
		FUZZ_CHECK(r.text.len <= size);
	} while (t != BW_END && t != BW_FAILED);
	FUZZ_CHECK(t == BW_END || strcmp(e.code, "VaultProtocol") == 0);
	bw_json_free(&r);
}

/* An accepted URL is accepted again, unchanged, and has no strange byte. */
static void
fuzz_server(const char *text, size_t size)
{
	char url[BW_SERVER_MAX], again[BW_SERVER_MAX], name[BW_NAME_MAX];
	struct err e = ERR_INIT;

	if (bw_server_check(text, size, url, &e) != 0) {
		FUZZ_CHECK(strcmp(e.code, "VaultNotConfigured") == 0);
		return;
	}
	FUZZ_CHECK(strncmp(url, "https://", 8) == 0);
	FUZZ_CHECK(strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
	    "UVWXYZ0123456789.-_~:/[]") == strlen(url));
	FUZZ_CHECK(bw_server_check(url, strlen(url), again, &e) == 0);
	FUZZ_CHECK(strcmp(url, again) == 0);
	bw_dir_name(url, text, size, name);
	FUZZ_CHECK(name[0] != '.' && strchr(name, '/') == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t before = secret_count();

	fuzz_json(text, size);
	fuzz_server(text, size);
	bw_session_ok(text, size);
	FUZZ_CHECK(secret_count() == before);
	return 0;
}
