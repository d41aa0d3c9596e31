/* links: siphash secret secret_redact mem */
/*
 * SipHash-2-4 with 128 bits: the published vectors (key 00 01 .. 0f, message
 * 00 01 .. n-1), and that it does not matter how the message is cut.
 */
#include "check.h"
#include "siphash.h"

static void
hash(const unsigned char *msg, size_t len, size_t cut, char text[33])
{
	unsigned char key[SIPHASH_KEY_SIZE], out[SIPHASH_SIZE];
	struct siphash h;
	size_t at, n;

	for (n = 0; n < sizeof(key); n++)
		key[n] = (unsigned char)n;
	siphash_start(&h, key);
	for (at = 0; at < len; at += n) {
		n = len - at < cut ? len - at : cut;
		siphash_add(&h, msg + at, n);
	}
	siphash_end(&h, out);
	for (n = 0; n < sizeof(out); n++)
		snprintf(text + 2 * n, 3, "%02x", out[n]);
}

TEST(vectors)
{
	static const struct {
		size_t len;
		const char *want;
	} v[] = {
		{ 0, "a3817f04ba25a8e66df67214c7550293" },
		{ 1, "da87c1d86b99af44347659119b22fc45" },
		{ 2, "8177228da4a45dc7fca38bdef60affe4" },
		{ 7, "a1f1ebbed8dbc153c0b84aa61ff08239" },
		{ 8, "3b62a9ba6258f5610f83e264f31497b4" },
		{ 9, "264499060ad9baabc47f8b02bb6d71ed" },
		{ 15, "5493e99933b0a8117e08ec0f97cfc3d9" },
		{ 16, "6ee2a4ca67b054bbfd3315bf85230577" },
		{ 63, "5150d1772f50834a503e069a973fbd7c" },
	};
	unsigned char msg[64];
	char got[33];
	size_t i, cut;

	for (i = 0; i < sizeof(msg); i++)
		msg[i] = (unsigned char)i;
	for (i = 0; i < ARRAY_LEN(v); i++) {
		for (cut = 1; cut <= 17; cut++) {
			hash(msg, v[i].len, cut, got);
			CHECK_STR(got, v[i].want);
		}
	}
}

TEST(state_is_wiped)
{
	static const struct siphash zero;
	unsigned char key[SIPHASH_KEY_SIZE] = { 1 }, out[SIPHASH_SIZE];
	struct siphash h;

	siphash_start(&h, key);
	siphash_add(&h, "secret", 6);
	siphash_end(&h, out);
	CHECK(memcmp(&h, &zero, sizeof(h)) == 0);
}

CHECK_MAIN(RUN(vectors); RUN(state_is_wiped))
