/*
 * bound_priv.h - what bound_match.c, bound_string.c and bound_gsub.c share:
 * a search that can stop in the middle. Nobody else includes it.
 *
 * A struct matching lives on the C stack until it must wait for others or needs
 * more room; then it moves into a userdata on the frame of the call (`slot`),
 * whose user values keep what it points to.
 */
#ifndef COLIBRI_BOUND_PRIV_H
#define COLIBRI_BOUND_PRIV_H

#include <lua.h>

#include "bound.h"
#include "pattern.h"

#define FUEL	2000		/* steps between two charges */

struct matching {
	struct pattern m;
	const unsigned char *s;		/* where this attempt began */
	const unsigned char *last;	/* end of the last match, or NULL */
	bool anchored, find, busy, kept;
	int slot;			/* stack index for the userdata */
	/* gsub */
	const unsigned char *src;	/* what is not yet in the result */
	lua_Integer n, max;
	bool changed;
	char *out;
	size_t len, size;
	char first_out[200];
	struct pattern_choice first[16];
};

enum { UV_STACK = 1, UV_OUT, UV_TEXT, UV_PATTERN };

void matching_init(struct matching *x, int slot, const char *text, size_t len,
    const char *pat, size_t pat_len);

/* A leading "^" is not for the matcher. */
void matching_anchor(struct matching *x);

/* Begin to try at s. */
void matching_begin(struct matching *x, const unsigned char *s);

/* Move x into a userdata, so that it outlives this C frame. */
struct matching *matching_keep(lua_State *L, struct matching *x);

/* The next match from where x stands; PATTERN_MORE: pause, then call again.
 * Raises what is wrong with the pattern. x may move. */
enum pattern_result matching_search(lua_State *L, struct matching **xp);

/* Push capture i (from 0) of a match from s to e. */
void push_capture(lua_State *L, const struct pattern *m, int i,
    const unsigned char *s, const unsigned char *e);

/* Push all captures; the whole match when there are none and s is given. */
int push_captures(lua_State *L, const struct pattern *m,
    const unsigned char *s);

/* string.gsub(s, pattern, repl [, n]) */
int bound_gsub(lua_State *L);

#endif
