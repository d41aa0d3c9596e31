/*
 * siphash.c - SipHash-2-4 with a 128-bit result; see siphash.h.
 *
 * Four words are stirred twice for each eight bytes that go in and four times
 * before each half of the result; all words are little-endian.
 */
#include "secret.h"
#include "siphash.h"

static uint64_t
rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void
stir(uint64_t v[4], int rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static void
take_word(struct siphash *h)
{
	h->v[3] ^= h->word;
	stir(h->v, 2);
	h->v[0] ^= h->word;
	h->word = 0;
}

static uint64_t
load_word(const unsigned char *p)
{
	uint64_t w = 0;
	int i;

	for (i = 7; i >= 0; i--)
		w = w << 8 | p[i];
	return w;
}

static void
store_word(unsigned char *p, uint64_t w)
{
	int i;

	for (i = 0; i < 8; i++)
		p[i] = (unsigned char)(w >> 8 * i);
}

void
siphash_start(struct siphash *h, const unsigned char key[SIPHASH_KEY_SIZE])
{
	uint64_t k0 = load_word(key), k1 = load_word(key + 8);

	*h = (struct siphash){ .v = {
		UINT64_C(0x736f6d6570736575) ^ k0,
		UINT64_C(0x646f72616e646f6d) ^ k1 ^ 0xee,
		UINT64_C(0x6c7967656e657261) ^ k0,
		UINT64_C(0x7465646279746573) ^ k1,
	} };
}

void
siphash_add(struct siphash *h, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		h->word |= (uint64_t)p[i] << 8 * (h->total % 8);
		if (++h->total % 8 == 0)
			take_word(h);
	}
}

void
siphash_end(struct siphash *h, unsigned char out[SIPHASH_SIZE])
{
	h->word |= h->total << 56;
	take_word(h);
	h->v[2] ^= 0xee;
	stir(h->v, 4);
	store_word(out, h->v[0] ^ h->v[1] ^ h->v[2] ^ h->v[3]);
	h->v[1] ^= 0xdd;
	stir(h->v, 4);
	store_word(out + 8, h->v[0] ^ h->v[1] ^ h->v[2] ^ h->v[3]);
	secret_wipe(h, sizeof(*h));
}
