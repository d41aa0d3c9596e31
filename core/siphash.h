/*
 * siphash.h - SipHash-2-4 with a 128-bit result, a keyed hash.
 *
 * Who does not have the key can neither compute a result nor tell from it what
 * went in (Aumasson and Bernstein, "SipHash: a fast short-input PRF", with the
 * 128-bit output of the authors' later reference). For fingerprints of secrets:
 * the state holds what they are made of, so siphash_end() wipes it.
 */
#ifndef COLIBRI_SIPHASH_H
#define COLIBRI_SIPHASH_H

#include "core.h"

#define SIPHASH_KEY_SIZE	16
#define SIPHASH_SIZE		16

struct siphash {
	uint64_t v[4];
	uint64_t word;		/* bytes that do not fill a word yet */
	uint64_t total;
};

void siphash_start(struct siphash *h,
    const unsigned char key[SIPHASH_KEY_SIZE]);
void siphash_add(struct siphash *h, const void *bytes, size_t len);
void siphash_end(struct siphash *h, unsigned char out[SIPHASH_SIZE]);

#endif
