/*
 * bw_list.c - the elements of a listing of `bw`; see bw_list.h.
 */
#include <string.h>

#include "bw_list.h"

bool
bw_id_ok(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len < BW_ID_MAX &&
	    strspn(id, "0123456789abcdefABCDEF-") == len;
}

static int
list_fail(struct err *e, const char *why)
{
	return err_set(e, "VaultProtocol", "not the listing that was asked "
	    "for: %s", why);
}

static bool
text_is(const struct bw_json *r, const char *word)
{
	return r->text.len == strlen(word) &&
	    memcmp(r->text.data, word, r->text.len) == 0;
}

static bool
ends_with(const struct bw_json *r, const char *word)
{
	size_t len = strlen(word);

	return r->text.len >= len &&
	    memcmp(r->text.data + r->text.len - len, word, len) == 0;
}

/* The id that was just read; "" when it cannot be one. */
static void
take_id(const struct bw_json *r, char out[BW_ID_MAX])
{
	size_t len = r->text.len < BW_ID_MAX ? r->text.len : 0;

	if (len != 0)
		memcpy(out, r->text.data, len);
	out[len] = '\0';
	if (strlen(out) != len || !bw_id_ok(out))
		out[0] = '\0';
}

/* The second of a time that was just read: servers write the rest in many
 * ways, and bw writes it anew. */
static void
take_time(const struct bw_json *r, char out[BW_TIME_MAX])
{
	size_t len = r->text.len < BW_TIME_MAX - 1 ? 0 : BW_TIME_MAX - 1;

	if (len != 0)
		memcpy(out, r->text.data, len);
	out[len] = '\0';
	if (strspn(out, "0123456789-:T") != len)
		out[0] = '\0';
}

/* Go past the value that begins with this token. */
static int
skip_value(struct bw_json *r, enum bw_token token, struct err *e)
{
	int depth = r->depth;

	if (token == BW_OBJECT || token == BW_LIST) {
		while (r->depth >= depth) {
			token = bw_json_next(r, e);
			if (token == BW_FAILED)
				return -1;
		}
	}
	return token == BW_FAILED ? -1 : 0;
}

/* --- one item --- */

static int
element_ids(struct bw_json *r, struct bw_element *el, enum bw_token token,
    struct err *e)
{
	if (token == BW_NULL)
		return 0;
	if (token != BW_LIST)
		return token == BW_FAILED ? -1 :
		    list_fail(e, "collectionIds is no list");
	while ((token = bw_json_next(r, e)) == BW_STRING) {
		if (el->nids == BW_IDS_MAX)
			return list_fail(e, "an item in too many collections");
		take_id(r, el->ids[el->nids]);
		if (el->ids[el->nids++][0] == '\0')
			return list_fail(e, "an id that is none");
	}
	if (token != BW_LIST_END)
		return token == BW_FAILED ? -1 :
		    list_fail(e, "collectionIds is no list of ids");
	return 0;
}

/* The object whose opening brace was just read. */
static int
element_read(struct bw_json *r, struct bw_element *el, struct err *e)
{
	enum { ID = 1, IDS = 2, TRASH = 4, ARCHIVE = 8, REVISED = 16 };
	unsigned seen = 0, key;
	enum bw_token token;

	el->id[0] = el->revised[0] = '\0';
	el->nids = 0;
	el->gone = false;
	while ((token = bw_json_next(r, e)) == BW_KEY) {
		key = text_is(r, "id") ? ID : text_is(r, "collectionIds") ? IDS :
		    text_is(r, "deletedDate") ? TRASH :
		    text_is(r, "archivedDate") ? ARCHIVE :
		    text_is(r, "revisionDate") ? REVISED : 0;
		if ((seen & key) != 0)
			return list_fail(e, "the same key twice");
		seen |= key;
		token = bw_json_next(r, e);
		if (key == ID && token == BW_STRING)
			take_id(r, el->id);
		else if (key == REVISED && token == BW_STRING)
			take_time(r, el->revised);
		else if ((key == TRASH || key == ARCHIVE) && token != BW_NULL)
			el->gone = true;
		if (key == IDS) {
			if (element_ids(r, el, token, e) != 0)
				return -1;
		} else if (skip_value(r, token, e) != 0)
			return -1;
	}
	return token == BW_OBJECT_END ? 0 : -1;
}

/* --- a listing --- */

static size_t
offset(const struct bw_json *r)
{
	return (size_t)(r->p - r->start);
}

/* The elements of the list whose opening bracket was just read. */
static int
list_elements(struct bw_json *r, bw_element_cb *cb, void *arg, struct err *e)
{
	struct bw_element el;
	enum bw_token token;
	int rc;

	while ((token = bw_json_next(r, e)) == BW_OBJECT) {
		el.from = offset(r) - 1;
		if (element_read(r, &el, e) != 0)
			return -1;
		el.to = offset(r);
		if (el.id[0] == '\0')
			return list_fail(e, "an element without an id");
		rc = cb(&el, arg);
		if (rc != 0)
			return rc;
	}
	if (token == BW_LIST_END)
		return 0;
	return token == BW_FAILED ? -1 : list_fail(e, "an element is no object");
}

/* {"object":"list","data":[...]}, its opening brace was just read. */
static int
list_data(struct bw_json *r, bw_element_cb *cb, void *arg, struct err *e)
{
	enum bw_token token;
	bool seen = false, here;
	int rc;

	while ((token = bw_json_next(r, e)) == BW_KEY) {
		here = text_is(r, "data");
		if (here && seen)
			return list_fail(e, "the same key twice");
		token = bw_json_next(r, e);
		if (here && token == BW_LIST) {
			seen = true;
			rc = list_elements(r, cb, arg, e);
			if (rc != 0)
				return rc;
		} else if (skip_value(r, token, e) != 0)
			return -1;
	}
	if (token != BW_OBJECT_END)
		return -1;
	return seen ? 0 : list_fail(e, "there is no list");
}

static int
list_reply(struct bw_json *r, bw_element_cb *cb, void *arg, struct err *e)
{
	bool success = false, seen = false, is_success, is_data;
	enum bw_token token;
	int rc;

	token = bw_json_next(r, e);
	if (token != BW_OBJECT)
		return token == BW_FAILED ? -1 : list_fail(e, "no object");
	while ((token = bw_json_next(r, e)) == BW_KEY) {
		is_success = text_is(r, "success");
		is_data = text_is(r, "data");
		if ((is_success && success) || (is_data && seen))
			return list_fail(e, "the same key twice");
		token = bw_json_next(r, e);
		if (is_success) {
			if (token != BW_TRUE)
				return list_fail(e, "it does not say success");
			success = true;
		} else if (is_data && token == BW_OBJECT) {
			seen = true;
			rc = list_data(r, cb, arg, e);
			if (rc != 0)
				return rc;
		} else if (skip_value(r, token, e) != 0)
			return -1;
	}
	if (token != BW_OBJECT_END || bw_json_next(r, e) != BW_END)
		return -1;
	return success && seen ? 0 : list_fail(e, "it does not say success");
}

int
bw_list_each(const char *text, size_t len, bw_element_cb *cb, void *arg,
    struct err *e)
{
	struct bw_json r;
	int rc;

	bw_json_start(&r, text, len);
	rc = list_reply(&r, cb, arg, e);
	bw_json_free(&r);
	return rc;
}

/* --- the data file --- */

/* { ID: { item }, ... }, its opening brace was just read. */
static int
data_items(struct bw_json *r, bw_element_cb *cb, void *arg, struct err *e)
{
	struct bw_element el;
	enum bw_token token;
	int rc;

	while ((token = bw_json_next(r, e)) == BW_KEY) {
		token = bw_json_next(r, e);
		if (token != BW_OBJECT)
			return token == BW_FAILED ? -1 :
			    list_fail(e, "an item is no object");
		el.from = el.to = 0;
		if (element_read(r, &el, e) != 0)
			return -1;
		rc = cb(&el, arg);
		if (rc != 0)
			return rc;
	}
	return token == BW_OBJECT_END ? 0 : -1;
}

int
bw_data_each(const char *text, size_t len, bw_element_cb *cb, void *arg,
    struct err *e)
{
	enum bw_token token;
	bool here, seen = false;
	struct bw_json r;
	int rc = 0;

	bw_json_start(&r, text, len);
	token = bw_json_next(&r, e);
	if (token != BW_OBJECT)
		rc = token == BW_FAILED ? -1 : list_fail(e, "no object");
	while (rc == 0 && (token = bw_json_next(&r, e)) == BW_KEY) {
		here = ends_with(&r, "_ciphers_ciphers");
		token = bw_json_next(&r, e);
		if (here && seen)
			rc = list_fail(e, "two vaults");
		else if (here && token == BW_OBJECT) {
			seen = true;
			rc = data_items(&r, cb, arg, e);
		} else
			rc = skip_value(&r, token, e);
	}
	if (rc == 0 && (token != BW_OBJECT_END ||
	    bw_json_next(&r, e) != BW_END))
		rc = -1;
	if (rc == 0 && !seen)
		rc = list_fail(e, "the data file has no copy of the vault");
	bw_json_free(&r);
	return rc;
}

/* The value of one base64url character, -1: none. */
static int
base64url(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* The middle part of a token, decoded. */
static int
token_claims(const unsigned char *p, size_t len, struct secret_buf *out)
{
	const unsigned char *end = p + len, *dot = memchr(p, '.', len);
	unsigned bits = 0;
	int n = 0, v;

	if (dot == NULL)
		return -1;
	for (p = dot + 1; p < end && *p != '.'; p++) {
		v = base64url(*p);
		if (v < 0)
			return -1;
		bits = (bits << 6 | (unsigned)v) & 0xffff;
		n += 6;
		if (n >= 8) {
			n -= 8;
			*secret_buf_reserve(out, 1) = (unsigned char)(bits >> n);
			out->len++;
		}
	}
	return p < end ? 0 : -1;
}

static int64_t
claims_time(const struct secret_buf *claims)
{
	struct err e = ERR_INIT;
	enum bw_token token;
	struct bw_json r;
	int64_t at = -1;
	bool here;

	bw_json_start(&r, (const char *)claims->data, claims->len);
	token = bw_json_next(&r, &e);
	while (token == BW_OBJECT && bw_json_next(&r, &e) == BW_KEY) {
		here = text_is(&r, "nbf");
		token = bw_json_next(&r, &e);
		if (here && token == BW_INTEGER && r.integer > 0)
			at = r.integer;
		if (skip_value(&r, token, &e) != 0)
			break;
		token = BW_OBJECT;
	}
	bw_json_free(&r);
	return at;
}

int64_t
bw_data_token_time(const char *text, size_t len)
{
	struct secret_buf claims = { 0 };
	struct err e = ERR_INIT;
	enum bw_token token;
	struct bw_json r;
	int64_t at = -1;
	bool here;

	bw_json_start(&r, text, len);
	token = bw_json_next(&r, &e);
	while (token == BW_OBJECT && bw_json_next(&r, &e) == BW_KEY) {
		here = ends_with(&r, "_token_accessToken");
		token = bw_json_next(&r, &e);
		if (here && token == BW_STRING && r.text.len != 0 &&
		    token_claims(r.text.data, r.text.len, &claims) == 0 &&
		    claims.len != 0) {
			at = claims_time(&claims);
			break;
		}
		if (skip_value(&r, token, &e) != 0)
			break;
		token = BW_OBJECT;
	}
	secret_buf_free(&claims);
	bw_json_free(&r);
	return at;
}
