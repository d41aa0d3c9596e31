/*
 * err.h - the one error value of the C side.
 *
 * A function that can fail returns 0/-1 (or a pointer/NULL) and fills a
 * `struct err` that its caller owns, usually on the stack. The idiom is
 *
 *	return err_set(e, "BadName", "jail name '%s' has a slash", name);
 *
 * Codes are CamelCase, stable, and listed in docs/PROTOCOL.md; a test compares
 * the two. Texts are lower case, without a full stop, and say what was being
 * done, to what, and why it failed. No text ever holds a secret.
 */
#ifndef COLIBRI_ERR_H
#define COLIBRI_ERR_H

#include "core.h"

struct err {
	const char *code;	/* static string; "" while nothing has failed */
	int sys;		/* errno of the cause, 0 if there was none */
	char text[512];		/* never holds a newline or control byte */
};

#define ERR_INIT { .code = "", .sys = 0, .text = "" }

/* Record a failure; e may be NULL. Always returns -1. Keeps errno. */
int err_set(struct err *e, const char *code, const char *fmt, ...)
    ATTR_PRINTF(3, 4);

/* The same with errno: appends ": <strerror>" and stores errno in e->sys. */
int err_sys(struct err *e, const char *code, const char *fmt, ...)
    ATTR_PRINTF(3, 4);

/* Put "context: " before the text of a failure that is on its way up.
 * Keeps code and errno. Always returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) ATTR_PRINTF(2, 3);

/* A stable copy of a code that came from a script. Codes are few: after 1,024
 * different ones, "ScriptError" is returned. */
const char *err_intern(const char *code);

#endif
