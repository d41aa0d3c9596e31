/*
 * fingerprint.h - what a secret was, without saying what it is.
 *
 * A fingerprint is a keyed hash (siphash.h) over tenant, name and value: equal
 * fingerprints mean the same value, and without the key nothing can be told
 * from one, not even by trying. The key is 16 random bytes in a 0600 file of
 * the state directory, made once; fingerprints may stand in the database.
 */
#ifndef COLIBRI_FINGERPRINT_H
#define COLIBRI_FINGERPRINT_H

#include "core.h"
#include "err.h"
#include "secret.h"

#define FINGERPRINT_TEXT	33	/* 32 hex digits and a NUL */

/*
 * The key in <dir>/<name>, made if there is none; dir is trusted. The caller
 * drops the reference. NULL on failure; codes: KeyDamaged (not 16 bytes),
 * NotTrusted (others may read it, or another user's), and those of fs_write().
 */
struct secret *fingerprint_key(const char *dir, const char *name,
    struct err *e);

/* The parts are counted, so that they cannot be moved from one to the other. */
void fingerprint_of(const struct secret *key, const char *tenant,
    const char *name, const void *value, size_t len,
    char out[FINGERPRINT_TEXT]);

#endif
