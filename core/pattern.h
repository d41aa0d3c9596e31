/*
 * pattern.h - Lua patterns, matched in bounded steps.
 *
 * The language of the Lua 5.4 manual, §6.4.1, by a matcher that can stop in the
 * middle: backtracking sits on a stack of its own, and each step costs fuel.
 * When the fuel is used up pattern_run() returns; given more, it goes on where
 * it stopped. So a pattern that backtracks for ever delays nobody.
 */
#ifndef COLIBRI_PATTERN_H
#define COLIBRI_PATTERN_H

#include "core.h"

#define PATTERN_CAPTURES 32
#define PATTERN_POSITION (-1)	/* length of a capture "()" */
#define PATTERN_OPEN	 (-2)	/* length of one that is not closed */

/* One way to go on when the rest of the pattern fails. */
struct pattern_choice {
	unsigned char kind;
	const unsigned char *s, *p, *ep;
	size_t n;
};

struct pattern_capture {
	const unsigned char *at;
	ptrdiff_t len;			/* or PATTERN_POSITION, _OPEN */
};

struct pattern {
	const unsigned char *text, *text_end;	/* the subject, borrowed */
	const unsigned char *pat, *pat_end;	/* borrowed */
	int64_t fuel;			/* steps left; may end below 0 */
	const unsigned char *end;	/* of a match */
	const char *error;		/* what is wrong with the pattern: a
					 * format for error_index */
	int error_index;
	int ncaptures;
	struct pattern_capture capture[PATTERN_CAPTURES];
	/* where it stands; for pattern.c only */
	int state;
	const unsigned char *s, *p, *ep;
	size_t n, max;
	struct pattern_choice *stack;	/* the caller's memory */
	size_t nstack, stack_size;
};

enum pattern_result {
	PATTERN_MATCH,			/* end and captures are set */
	PATTERN_FAIL,
	PATTERN_MORE,			/* no fuel: add some, run again */
	PATTERN_GROW,			/* the stack is full: give a bigger one
					 * (same content), run again */
	PATTERN_ERROR			/* error tells */
};

/* Begin to match pat at s, a place in the subject. All pointers, fuel and the
 * stack must be set; captures and state are reset. */
void pattern_start(struct pattern *m, const unsigned char *s);
enum pattern_result pattern_run(struct pattern *m);

/* Has the text no character that means something in a pattern? */
bool pattern_is_plain(const char *pat, size_t len);

#endif
