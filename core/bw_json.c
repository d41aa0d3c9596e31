/*
 * bw_json.c - a reader of JSON whose strings may be secrets; see bw_json.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bw_json.h"
#include "utf8.h"

enum { WANT_VALUE, WANT_VALUE_OR_END, WANT_KEY, WANT_KEY_OR_END, WANT_MORE };

void
bw_json_start(struct bw_json *r, const char *text, size_t len)
{
	*r = (struct bw_json){ .start = (const unsigned char *)text,
	    .p = (const unsigned char *)text,
	    .end = (const unsigned char *)text + len, .want = WANT_VALUE };
}

void
bw_json_free(struct bw_json *r)
{
	secret_buf_free(&r->text);
}

static enum bw_token
json_fail(const struct bw_json *r, struct err *e, const char *why)
{
	err_set(e, "VaultProtocol", "byte %zu of %zu: %s",
	    (size_t)(r->p - r->start), (size_t)(r->end - r->start), why);
	return BW_FAILED;
}

/* --- strings --- */

static void
text_add(struct bw_json *r, const void *p, size_t len)
{
	if (len == 0)
		return;
	memcpy(secret_buf_reserve(&r->text, len), p, len);
	r->text.len += len;
}

static void
text_add_code(struct bw_json *r, unsigned c)
{
	unsigned char u[4];
	size_t n = 0;

	if (c < 0x80) {
		u[n++] = (unsigned char)c;
	} else if (c < 0x800) {
		u[n++] = (unsigned char)(0xc0 | c >> 6);
		u[n++] = (unsigned char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		u[n++] = (unsigned char)(0xe0 | c >> 12);
		u[n++] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		u[n++] = (unsigned char)(0x80 | (c & 0x3f));
	} else {
		u[n++] = (unsigned char)(0xf0 | c >> 18);
		u[n++] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
		u[n++] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		u[n++] = (unsigned char)(0x80 | (c & 0x3f));
	}
	text_add(r, u, n);
	secret_wipe(u, sizeof(u));
}

/* Four hex digits at p, or -1. */
static int
hex4(const unsigned char *p, const unsigned char *end)
{
	static const char digits[] = "0123456789abcdef";
	const char *d;
	int i, v = 0;

	if (end - p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		d = p[i] != '\0' ? strchr(digits, p[i] >= 'A' && p[i] <= 'F' ?
		    p[i] - 'A' + 'a' : p[i]) : NULL;
		if (d == NULL)
			return -1;
		v = v * 16 + (int)(d - digits);
	}
	return v;
}

/* \uXXXX, or two of them for a character beyond the first 65,536; p is at the
 * first X. Returns 0, or -1. */
static int
string_unicode(struct bw_json *r)
{
	int hi = hex4(r->p, r->end), lo;

	if (hi < 0)
		return -1;
	r->p += 4;
	if (hi >= 0xdc00 && hi <= 0xdfff)
		return -1;
	if (hi >= 0xd800 && hi <= 0xdbff) {
		if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u')
			return -1;
		lo = hex4(r->p + 2, r->end);
		if (lo < 0xdc00 || lo > 0xdfff)
			return -1;
		r->p += 6;
		hi = 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00);
	}
	text_add_code(r, (unsigned)hi);
	return 0;
}

/* p is at the backslash. */
static int
string_escape(struct bw_json *r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (r->end - r->p < 2)
		return -1;
	r->p += 2;
	if (r->p[-1] == 'u')
		return string_unicode(r);
	at = r->p[-1] != '\0' ? strchr(from, r->p[-1]) : NULL;
	if (at == NULL)
		return -1;
	text_add(r, &to[at - from], 1);
	return 0;
}

/* The string whose opening quote is at p, into text. NULL, or what is wrong. */
static const char *
json_string(struct bw_json *r)
{
	const unsigned char *from = ++r->p;
	size_t n;

	if (r->text.len != 0)
		secret_wipe(r->text.data, r->text.len);
	r->text.len = 0;
	while (r->p < r->end) {
		if (*r->p == '"' || *r->p == '\\') {
			text_add(r, from, (size_t)(r->p - from));
			if (*r->p == '"') {
				r->p++;
				return NULL;
			}
			if (string_escape(r) != 0)
				return "bad escape";
			from = r->p;
		} else if (*r->p < 0x20) {
			return "control byte in a string";
		} else {
			n = *r->p < 0x80 ? 1 :
			    utf8_len(r->p, (size_t)(r->end - r->p));
			if (n == 0)
				return "not UTF-8";
			r->p += n;
		}
	}
	return "a string without an end";
}

/* --- numbers and words --- */

static const unsigned char *
skip_digits(const unsigned char *p, const unsigned char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static enum bw_token
json_number(struct bw_json *r, struct err *e)
{
	const unsigned char *p = r->p, *q;
	bool integer = true;
	char copy[64];
	size_t len;

	p += *p == '-';
	q = skip_digits(p, r->end);
	if (q == p || (*p == '0' && q > p + 1))
		return json_fail(r, e, "bad number");
	if (q < r->end && *q == '.') {
		integer = false;
		p = ++q;
		q = skip_digits(p, r->end);
		if (q == p)
			return json_fail(r, e, "bad number");
	}
	if (q < r->end && (*q == 'e' || *q == 'E')) {
		integer = false;
		q++;
		q += q < r->end && (*q == '+' || *q == '-');
		p = q;
		q = skip_digits(p, r->end);
		if (q == p)
			return json_fail(r, e, "bad number");
	}
	len = (size_t)(q - r->p);
	if (len >= sizeof(copy))
		return json_fail(r, e, "number too long");
	memcpy(copy, r->p, len);
	copy[len] = '\0';
	r->p = q;
	errno = 0;
	r->integer = strtoll(copy, NULL, 10);
	if (integer && errno == 0)
		return BW_INTEGER;
	r->number = strtod(copy, NULL);
	return BW_NUMBER;
}

static enum bw_token
json_word(struct bw_json *r, struct err *e)
{
	static const struct {
		const char *word;
		enum bw_token token;
	} words[] = { { "true", BW_TRUE }, { "false", BW_FALSE },
	    { "null", BW_NULL } };
	size_t i, len;

	for (i = 0; i < ARRAY_LEN(words); i++) {
		len = strlen(words[i].word);
		if ((size_t)(r->end - r->p) >= len &&
		    memcmp(r->p, words[i].word, len) == 0) {
			r->p += len;
			return words[i].token;
		}
	}
	return json_fail(r, e, "no JSON value");
}

/* --- structure --- */

static bool
in_object(const struct bw_json *r)
{
	return r->depth > 0 && (r->objects >> (r->depth - 1) & 1) != 0;
}

static enum bw_token
json_open(struct bw_json *r, bool object, struct err *e)
{
	if (r->depth == BW_JSON_DEPTH)
		return json_fail(r, e, "nested too deeply");
	r->p++;
	if (object)
		r->objects |= UINT64_C(1) << r->depth;
	else
		r->objects &= ~(UINT64_C(1) << r->depth);
	r->depth++;
	r->want = object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
	return object ? BW_OBJECT : BW_LIST;
}

static enum bw_token
json_close(struct bw_json *r)
{
	enum bw_token token = in_object(r) ? BW_OBJECT_END : BW_LIST_END;

	r->p++;
	r->depth--;
	r->want = WANT_MORE;
	return token;
}

static void
skip_space(struct bw_json *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' ||
	    *r->p == '\n' || *r->p == '\r'))
		r->p++;
}

static enum bw_token
json_key(struct bw_json *r, struct err *e)
{
	const char *wrong;

	if (*r->p != '"')
		return json_fail(r, e, "no key");
	wrong = json_string(r);
	if (wrong != NULL)
		return json_fail(r, e, wrong);
	skip_space(r);
	if (r->p == r->end || *r->p != ':')
		return json_fail(r, e, "no ':' after a key");
	r->p++;
	r->want = WANT_VALUE;
	return BW_KEY;
}

static enum bw_token
json_value(struct bw_json *r, struct err *e)
{
	const char *wrong;

	if (++r->values > BW_JSON_VALUES)
		return json_fail(r, e, "too many values");
	if (*r->p == '{' || *r->p == '[')
		return json_open(r, *r->p == '{', e);
	r->want = WANT_MORE;
	if (*r->p == '"') {
		wrong = json_string(r);
		return wrong != NULL ? json_fail(r, e, wrong) : BW_STRING;
	}
	if (*r->p == '-' || (*r->p >= '0' && *r->p <= '9'))
		return json_number(r, e);
	return json_word(r, e);
}

enum bw_token
bw_json_next(struct bw_json *r, struct err *e)
{
	if (r->end - r->start > BW_JSON_MAX)
		return json_fail(r, e, "too long");
	skip_space(r);
	if (r->want == WANT_MORE && r->depth == 0)
		return r->p == r->end ? BW_END :
		    json_fail(r, e, "something follows the value");
	if (r->p == r->end)
		return json_fail(r, e, "the text ends early");
	if (*r->p == (in_object(r) ? '}' : ']') && r->depth > 0 &&
	    (r->want == WANT_MORE || r->want == WANT_KEY_OR_END ||
	    r->want == WANT_VALUE_OR_END))
		return json_close(r);
	if (r->want == WANT_MORE) {
		if (*r->p != ',')
			return json_fail(r, e, "no ',' between values");
		r->p++;
		r->want = in_object(r) ? WANT_KEY : WANT_VALUE;
		return bw_json_next(r, e);
	}
	if (r->want == WANT_KEY || r->want == WANT_KEY_OR_END)
		return json_key(r, e);
	return json_value(r, e);
}
