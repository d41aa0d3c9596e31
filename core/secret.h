/*
 * secret.h - bytes that must not leak.
 *
 * A secret lives in memory of its own: locked (mlock), left out of core dumps
 * (MADV_DONTDUMP, MAP_NOCORE on FreeBSD), zeroed when its last reference goes.
 * While it lives it is known to secret_redact(), which the log writer and the
 * reply writer call. Allocation never fails; when the lock limit is reached
 * the bytes stay unlocked and secret_locked() says so.
 */
#ifndef COLIBRI_SECRET_H
#define COLIBRI_SECRET_H

#include "core.h"

struct secret;

/* A new secret with one reference, holding a copy of the bytes. The caller
 * zeroes its own copy (secret_wipe). */
struct secret *secret_new(const void *bytes, size_t len);

/* A new secret of len zero bytes for the caller to fill; redaction knows it
 * after secret_seal(). */
struct secret *secret_alloc(size_t len);
unsigned char *secret_fill(struct secret *s);
void secret_seal(struct secret *s);

struct secret *secret_ref(struct secret *s);
void secret_unref(struct secret *s);	/* NULL allowed; zeroes on the last */

/* NUL-terminated for convenience; the NUL is not part of the length. */
const char *secret_bytes(const struct secret *s);
size_t secret_len(const struct secret *s);

/* Zero memory in a way no compiler removes (explicit_bzero). */
void secret_wipe(void *p, size_t len);

/* A growable, locked, zeroed-on-free buffer: what a child that prints secrets
 * is read into. secret_buf_take() turns it into a secret and empties it.
 * Growing copies and wipes the old bytes. */
struct secret_buf {
	unsigned char *data;
	size_t len, cap;
};
unsigned char *secret_buf_reserve(struct secret_buf *b, size_t more);
struct secret *secret_buf_take(struct secret_buf *b);
void secret_buf_free(struct secret_buf *b);

/*
 * Replace every occurrence of a live secret's value (raw, base64, URL and JSON
 * escaped forms; values under 4 bytes are too short to look for, of values over
 * 16 KiB only the raw form is) by "[secret]"; occurrences that overlap become
 * one. Returns NULL when nothing was found, else a malloc'd, NUL-terminated
 * copy whose length is stored in *outlen. A mark of an earlier redaction is
 * left as it is.
 */
char *secret_redact(const char *text, size_t len, size_t *outlen);

/* The same for a JSON text, which stays valid JSON: only whole characters and
 * escapes inside string literals are replaced (so the value "true" does not
 * turn `"ok":true` into `"ok":[secret]`). */
char *secret_redact_json(const char *text, size_t len, size_t *outlen);

/* How many secrets live, for leak checks. */
size_t secret_count(void);

/* False once a page of secrets could not be locked (RLIMIT_MEMLOCK). The
 * daemon says so in its log; this file cannot, because the log asks it. */
bool secret_locked(void);

#endif
