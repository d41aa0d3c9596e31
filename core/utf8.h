/*
 * utf8.h - is this UTF-8? One answer for all who read or write text.
 */
#ifndef COLIBRI_UTF8_H
#define COLIBRI_UTF8_H

#include "core.h"

/*
 * Length of the well-formed sequence of two to four bytes at p, of which `left`
 * bytes may be read; 0 when there is none (also for ASCII). Overlong forms,
 * surrogates and what is beyond U+10FFFF are not well-formed (RFC 3629, 4).
 * Stops at a NUL, so `left` may be 4 for text that ends with one.
 */
static inline size_t
utf8_len(const unsigned char *p, size_t left)
{
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2, i;

	if (p[0] < 0xc2 || p[0] > 0xf4 || left < n)
		return 0;
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

#endif
