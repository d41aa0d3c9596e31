/* links: bw bw_json bw_list siphash fs fs_read fs_walk fs_write secret secret_redact err mem log log_line */
/*
 * Whatever bw prints or keeps, and whatever stands in BW_SERVER: no crash, no leak, and
 * what was accepted keeps its promises.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bw.h"
#include "bw_json.h"
#include "bw_list.h"

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

struct seen {
	const char *text;
	size_t size, end;
};

/* An element is an object of the text, behind the one before; ids are ids. */
static int
see_element(const struct bw_element *el, void *arg)
{
	struct seen *seen = arg;
	size_t i;

	if (seen != NULL) {
		FUZZ_CHECK(el->from >= seen->end && el->from < el->to);
		FUZZ_CHECK(el->to <= seen->size);
		FUZZ_CHECK(seen->text[el->from] == '{');
		FUZZ_CHECK(seen->text[el->to - 1] == '}');
		FUZZ_CHECK(bw_id_ok(el->id));
		seen->end = el->to;
	}
	FUZZ_CHECK(el->nids <= BW_IDS_MAX);
	for (i = 0; i < el->nids; i++)
		FUZZ_CHECK(bw_id_ok(el->ids[i]));
	return 0;
}

static void
fuzz_list(const char *text, size_t size)
{
	struct seen seen = { .text = text, .size = size };
	struct err e = ERR_INIT;
	struct secret *s;

	if (bw_list_each(text, size, see_element, &seen, &e) != 0)
		FUZZ_CHECK(strcmp(e.code, "VaultProtocol") == 0);
	if (bw_data_each(text, size, see_element, NULL, &e) != 0)
		FUZZ_CHECK(strcmp(e.code, "VaultProtocol") == 0);
	FUZZ_CHECK(bw_data_token_time(text, size) >= -1);
	s = bw_password_json(text, size, &e);
	if (s != NULL)
		fuzz_json(secret_bytes(s), secret_len(s));
	secret_unref(s);
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
	fuzz_list(text, size);
	fuzz_server(text, size);
	bw_session_ok(text, size);
	FUZZ_CHECK(secret_count() == before);
	return 0;
}
