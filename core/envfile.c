/*
 * envfile.c - the text of `.env` files: keys and writing; see envfile.h.
 *
 * The value is written so that it means the same to every reader: bare when
 * no reader could see more in it than its bytes, else in single quotes, inside
 * which nothing has a meaning but the closing quote. '~' is not among the bare
 * ones: sh expands it after '=' and ':' in an assignment.
 */
#include <stdlib.h>
#include <string.h>

#include "envfile.h"
#include "mem.h"

/* isalpha(3) and friends ask the locale; a key does not depend on one. */
static bool
key_char_ok(unsigned char c, bool first)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_')
		return true;
	return !first && c >= '0' && c <= '9';
}

bool
envfile_key_ok(const char *key, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (!key_char_ok((unsigned char)key[i], i == 0))
			return false;
	}
	return len != 0;
}

int
envfile_add(struct envfile *f, const char *key, size_t len,
    struct secret *value, struct err *e)
{
	if (!envfile_key_ok(key, len))
		return err_set(e, "InvalidKey", "'%.*s' is not a name for a "
		    "variable", (int)(len < 64 ? len : 64), key);
	if (f->n >= ENVFILE_MAX_PAIRS)
		return err_set(e, "TooLarge", "more than %d keys",
		    ENVFILE_MAX_PAIRS);
	if (f->n == f->cap) {
		f->cap = f->cap != 0 ? f->cap * 2 : 16;
		f->pairs = xreallocarray(f->pairs, f->cap, sizeof(*f->pairs));
	}
	f->pairs[f->n].key = xmemdup0(key, len);
	f->pairs[f->n].value = secret_ref(value);
	f->n++;
	return 0;
}

void
envfile_free(struct envfile *f)
{
	size_t i;

	for (i = 0; i < f->n; i++) {
		free(f->pairs[i].key);
		secret_unref(f->pairs[i].value);
	}
	free(f->pairs);
	*f = (struct envfile){ 0 };
}

/* --- writing --- */

static int
pair_compare(const void *a, const void *b)
{
	const struct envfile_pair *pa = a, *pb = b;

	return strcmp(pa->key, pb->key);
}

void
envfile_sort(struct envfile *f)
{
	if (f->n != 0)
		qsort(f->pairs, f->n, sizeof(*f->pairs), pair_compare);
}

static bool
value_is_plain(const char *v, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (!key_char_ok((unsigned char)v[i], false) &&
		    (v[i] == '\0' || strchr("@%+=:,./-", v[i]) == NULL))
			return false;
	}
	return true;
}

/* Bytes that value_write() needs. */
static size_t
value_size(const char *v, size_t len)
{
	size_t i, size = len + 2;

	if (value_is_plain(v, len))
		return len;
	for (i = 0; i < len; i++) {
		if (v[i] == '\'')
			size += 3;
	}
	return size;
}

static unsigned char *
value_write(unsigned char *out, const char *v, size_t len)
{
	size_t i;

	if (value_is_plain(v, len)) {
		memcpy(out, v, len);
		return out + len;
	}
	*out++ = '\'';
	for (i = 0; i < len; i++) {
		if (v[i] == '\'') {
			memcpy(out, "'\\''", 4);
			out += 4;
		} else
			*out++ = (unsigned char)v[i];
	}
	*out++ = '\'';
	return out;
}

/* Check sorted pairs and count the bytes of the file. */
static int
format_size(const struct envfile_pair *pairs, size_t n, size_t *size,
    struct err *e)
{
	const char *v;
	size_t i, len;

	*size = 0;
	for (i = 0; i < n; i++) {
		v = secret_bytes(pairs[i].value);
		len = secret_len(pairs[i].value);
		if (i != 0 && strcmp(pairs[i - 1].key, pairs[i].key) == 0)
			return err_set(e, "DuplicateKey", "key %.64s is there "
			    "twice", pairs[i].key);
		if (memchr(v, '\0', len) != NULL)
			return err_set(e, "InvalidValue", "the value of "
			    "%.64s holds a NUL byte", pairs[i].key);
		*size += strlen(pairs[i].key) + value_size(v, len) + 2;
	}
	return 0;
}

struct secret *
envfile_format(const struct envfile *f, struct err *e)
{
	struct envfile sorted = { .n = f->n, .cap = f->n };
	struct secret *s = NULL;
	unsigned char *out;
	size_t i, size, len;

	sorted.pairs = xcalloc(f->n, sizeof(*sorted.pairs));
	if (f->n != 0)
		memcpy(sorted.pairs, f->pairs, f->n * sizeof(*f->pairs));
	envfile_sort(&sorted);
	if (format_size(sorted.pairs, sorted.n, &size, e) == 0) {
		s = secret_alloc(size);
		out = secret_fill(s);
		for (i = 0; i < sorted.n; i++) {
			len = strlen(sorted.pairs[i].key);
			memcpy(out, sorted.pairs[i].key, len);
			out += len;
			*out++ = '=';
			out = value_write(out,
			    secret_bytes(sorted.pairs[i].value),
			    secret_len(sorted.pairs[i].value));
			*out++ = '\n';
		}
		secret_seal(s);
	}
	free(sorted.pairs);	/* borrowed what is in them */
	return s;
}
