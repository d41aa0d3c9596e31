/*
 * secret_redact.c - find secrets in texts; see secret.h and secret_priv.h.
 *
 * Every form of every live value is in a table by its first four bytes. The
 * scan of a text that holds no secret costs one look at a mostly empty table
 * per byte, however many secrets live.
 */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "secret.h"
#include "secret_priv.h"

#define SECRET_MARK	"[secret]"
#define SECRET_MARK_LEN	(sizeof(SECRET_MARK) - 1)
#define SECRET_SHORTEST	4	/* shorter values are not looked for */

/* A longer value is looked for as it stands only: its encoded forms would take
 * many times its size of locked memory. Keys and certificates are far below. */
#define SECRET_LONGEST_ENCODED (16 * 1024)

/* --- forms: how a value may be written --- */

/* Encoders write at most 6 bytes for each of the value and return how many. */
struct form_kind {
	size_t (*encode)(const struct form_kind *k, unsigned char *out,
	    const unsigned char *in, size_t len);
	const char *digits;	/* base64: alphabet; percent: hex digits */
	const char *plain;	/* percent: left alone besides [A-Za-z0-9] */
	bool plus;		/* percent: blank becomes '+' */
	bool slash, del, ascii;	/* json: also escape '/'; 0x7f; non-ASCII */
};

/* Without padding: what follows is taken care of by form.pad. */
static size_t
form_base64(const struct form_kind *k, unsigned char *out,
    const unsigned char *in, size_t len)
{
	size_t i, n = 0;
	uint32_t word;

	for (i = 0; i < len; i += 3) {
		word = (uint32_t)in[i] << 16;
		if (i + 1 < len)
			word |= (uint32_t)in[i + 1] << 8;
		if (i + 2 < len)
			word |= in[i + 2];
		out[n++] = (unsigned char)k->digits[word >> 18];
		out[n++] = (unsigned char)k->digits[word >> 12 & 63];
		if (i + 1 < len)
			out[n++] = (unsigned char)k->digits[word >> 6 & 63];
		if (i + 2 < len)
			out[n++] = (unsigned char)k->digits[word & 63];
	}
	return n;
}

static bool
form_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z');
}

static size_t
form_percent(const struct form_kind *k, unsigned char *out,
    const unsigned char *in, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		if (form_alnum(in[i]) ||
		    memchr(k->plain, in[i], strlen(k->plain)) != NULL) {
			out[n++] = in[i];
		} else if (k->plus && in[i] == ' ') {
			out[n++] = '+';
		} else {
			out[n++] = '%';
			out[n++] = (unsigned char)k->digits[in[i] >> 4];
			out[n++] = (unsigned char)k->digits[in[i] & 15];
		}
	}
	return n;
}

/* The character at in and its length; 0 when it is not UTF-8. */
static size_t
form_utf8(const unsigned char *in, size_t left, uint32_t *ch)
{
	size_t n = *in >= 0xf0 ? 4 : *in >= 0xe0 ? 3 : 2, i;

	if (*in < 0xc2 || *in > 0xf4 || left < n)
		return 0;
	*ch = *in & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((in[i] & 0xc0) != 0x80)
			return 0;
		*ch = *ch << 6 | (in[i] & 0x3f);
	}
	return n;
}

static size_t
form_unicode(unsigned char *out, uint32_t unit)
{
	static const char hex[] = "0123456789abcdef";
	int i;

	out[0] = '\\';
	out[1] = 'u';
	for (i = 0; i < 4; i++)
		out[2 + i] = (unsigned char)hex[unit >> (12 - 4 * i) & 15];
	return 6;
}

static size_t
form_json(const struct form_kind *k, unsigned char *out,
    const unsigned char *in, size_t len)
{
	static const char names[] = "\b\f\n\r\t\"\\/", letters[] = "bfnrt\"\\/";
	size_t i, n = 0, wide;
	const char *at;
	uint32_t ch;

	for (i = 0; i < len; i++) {
		at = memchr(names, in[i], sizeof(names) - (k->slash ? 1 : 2));
		if (at != NULL) {
			out[n++] = '\\';
			out[n++] = (unsigned char)letters[at - names];
		} else if (in[i] < 0x20 || (in[i] == 0x7f && k->del)) {
			n += form_unicode(out + n, in[i]);
		} else if (k->ascii && in[i] >= 0x80 &&
		    (wide = form_utf8(in + i, len - i, &ch)) != 0) {
			if (wide == 4) {
				ch -= 0x10000;
				n += form_unicode(out + n, 0xd800 | ch >> 10);
				ch = 0xdc00 | (ch & 0x3ff);
			}
			n += form_unicode(out + n, ch);
			i += wide - 1;
		} else {
			out[n++] = in[i];
		}
	}
	return n;
}

#define ALNUM62	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define HEX_UP	"0123456789ABCDEF"
#define HEX_LOW	"0123456789abcdef"

static const struct form_kind form_kinds[] = {
	{ .encode = form_base64, .digits = ALNUM62 "+/" },
	{ .encode = form_base64, .digits = ALNUM62 "-_" },
	{ .encode = form_percent, .digits = HEX_UP, .plain = "-._~" },
	{ .encode = form_percent, .digits = HEX_LOW, .plain = "-._~" },
	/* encodeURIComponent() */
	{ .encode = form_percent, .digits = HEX_UP, .plain = "-._~!*'()" },
	/* application/x-www-form-urlencoded */
	{ .encode = form_percent, .digits = HEX_UP, .plain = "-._*",
	  .plus = true },
	{ .encode = form_json },			/* JSON.stringify() */
	{ .encode = form_json, .del = true },		/* ours */
	{ .encode = form_json, .del = true, .slash = true },	/* lua-cjson */
	{ .encode = form_json, .del = true, .ascii = true },	/* Python */
};
/* --- the index --- */

struct form {
	struct form *next;	/* same bucket */
	const unsigned char *bytes;
	size_t len;
	size_t pad;		/* '=' that may follow (base64) */
};

#define BUCKET_BITS	15	/* measured: 3 ns a byte with 1,000 secrets */
static struct form *buckets[1 << BUCKET_BITS];
static size_t nforms;

static struct form **
form_bucket(const void *first4)
{
	uint32_t word;

	memcpy(&word, first4, sizeof(word));
	return &buckets[(word * 2654435761u) >> (32 - BUCKET_BITS)];
}

/* Append every encoding of the value to pack, each different one once, with
 * its length and padding in found. Returns how many. */
static size_t
form_encode(const unsigned char *bytes, size_t len, struct secret_buf *pack,
    struct form found[ARRAY_LEN(form_kinds)])
{
	size_t n = 0, i, j, at, size;
	const struct form_kind *k;
	unsigned char *out;

	for (i = 0; i < ARRAY_LEN(form_kinds); i++) {
		k = &form_kinds[i];
		out = secret_buf_reserve(pack, len * 6);
		size = k->encode(k, out, bytes, len);
		if (size == len && memcmp(out, bytes, len) == 0)
			continue;
		for (j = 0, at = 0; j < n; at += found[j++].len) {
			if (found[j].len == size &&
			    memcmp(pack->data + at, out, size) == 0)
				break;
		}
		if (j < n)
			continue;
		found[n++] = (struct form){ .len = size,
		    .pad = k->encode == form_base64 ? (3 - len % 3) % 3 : 0 };
		pack->len += size;
	}
	return n;
}

void
secret_index_add(struct secret_index *x, const unsigned char *bytes,
    size_t len)
{
	struct form found[ARRAY_LEN(form_kinds) + 1], *form, **bucket;
	struct secret_buf pack = { 0 };
	const unsigned char *at;
	size_t i, n = 0;

	if (len < SECRET_SHORTEST)
		return;
	if (len <= SECRET_LONGEST_ENCODED)
		n = form_encode(bytes, len, &pack, found);
	form = (struct form *)(void *)secret_buf_reserve(&x->block,
	    (n + 1) * sizeof(*form) + pack.len);
	x->n = n + 1;
	if (pack.len != 0)
		memcpy(form + x->n, pack.data, pack.len);
	secret_buf_free(&pack);
	at = (const unsigned char *)(form + x->n);
	for (i = 0; i < n; at += found[i++].len)
		found[i].bytes = at;
	found[n] = (struct form){ .bytes = bytes, .len = len };
	for (i = 0; i < x->n; i++) {
		form[i] = found[i];
		bucket = form_bucket(form[i].bytes);
		form[i].next = *bucket;
		*bucket = &form[i];
	}
	nforms += x->n;
}

void
secret_index_drop(struct secret_index *x)
{
	struct form *form = (struct form *)(void *)x->block.data, **at;
	size_t i;

	for (i = 0; i < x->n; i++) {
		at = form_bucket(form[i].bytes);
		while (*at != &form[i])
			at = &(*at)->next;
		*at = form[i].next;
	}
	nforms -= x->n;
	x->n = 0;
	secret_buf_free(&x->block);
}

/* --- redaction --- */

/* Are these bytes whole elements of one JSON string literal? Cutting an escape
 * in two or taking the closing quote would break the text. */
static bool
redact_json_whole(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] != '"') {
		if (p[i] != '\\')
			i++;
		else if (i + 1 < n)
			i += p[i + 1] == 'u' ? 6 : 2;
		else
			return false;
	}
	return i == n;
}

/* Does the match lie within a mark of an earlier redaction? Then it tells
 * nothing, and "[[secret]]" would tell that the value is "secret". */
static bool
redact_in_mark(const char *text, size_t len, size_t pos, size_t n)
{
	size_t back;

	for (back = 0; back + n <= SECRET_MARK_LEN && back <= pos; back++) {
		if (pos - back + SECRET_MARK_LEN <= len && memcmp(text + pos -
		    back, SECRET_MARK, SECRET_MARK_LEN) == 0)
			return true;
	}
	return false;
}

/* Length of the longest form that starts at pos, or 0. */
static size_t
redact_match(const char *text, size_t len, size_t pos, bool json)
{
	const char *p = text + pos;
	size_t left = len - pos, best = 0, n, pad;
	const struct form *f;

	for (f = *form_bucket(p); f != NULL; f = f->next) {
		if (f->len > left || memcmp(f->bytes, p, f->len) != 0)
			continue;
		n = f->len;
		for (pad = f->pad; pad > 0 && n < left && p[n] == '='; pad--)
			n++;
		if (n > best && (!json || redact_json_whole(p, n)) &&
		    !redact_in_mark(text, len, pos, n))
			best = n;
	}
	return best;
}

/* Matches that overlap are one run, so that no tail of the second is left. */
static char *
redact(const char *text, size_t len, size_t *outlen, bool json)
{
	bool in_string = !json;
	struct buf out = { 0 };
	size_t pos, step, n, end = 0;	/* end: of what went to out */

	if (nforms == 0)
		return NULL;
	for (pos = 0; pos + SECRET_SHORTEST <= len; pos += step) {
		step = 1;
		if (json && text[pos] == '"') {
			in_string = !in_string;
			continue;
		}
		if (!in_string)
			continue;
		if (json && text[pos] == '\\')
			step = text[pos + 1] == 'u' ? 6 : 2;
		n = redact_match(text, len, pos, json);
		if (n == 0)
			continue;
		if (pos >= end) {
			buf_add(&out, text + end, pos - end);
			buf_add_str(&out, SECRET_MARK);
		}
		if (pos + n > end)
			end = pos + n;
	}
	if (out.data == NULL)
		return NULL;
	buf_add(&out, text + end, len - end);
	*outlen = out.len;
	buf_add(&out, "", 1);
	return out.data;
}

char *
secret_redact(const char *text, size_t len, size_t *outlen)
{
	return redact(text, len, outlen, false);
}

char *
secret_redact_json(const char *text, size_t len, size_t *outlen)
{
	return redact(text, len, outlen, true);
}
