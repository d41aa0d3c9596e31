/*
 * err.c - the one error value of the C side; see err.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "mem.h"

/* Texts go to logs and replies: one line, no control bytes. */
static void
err_clean(char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	}
}

static void
err_fill(struct err *e, const char *code, int sys, const char *fmt, va_list ap)
{
	e->code = code;
	e->sys = sys;
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	if (sys != 0) {
		size_t len = strlen(e->text);

		snprintf(e->text + len, sizeof(e->text) - len, ": %s",
		    strerror(sys));
	}
	err_clean(e->text);
}

int
err_set(struct err *e, const char *code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (e != NULL) {
		va_start(ap, fmt);
		err_fill(e, code, 0, fmt, ap);
		va_end(ap);
	}
	errno = saved;
	return -1;
}

int
err_sys(struct err *e, const char *code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (e != NULL) {
		va_start(ap, fmt);
		err_fill(e, code, saved, fmt, ap);
		va_end(ap);
	}
	errno = saved;
	return -1;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	char context[sizeof(e->text)], text[sizeof(e->text)];
	int saved = errno;
	va_list ap;

	if (e != NULL) {
		va_start(ap, fmt);
		vsnprintf(context, sizeof(context), fmt, ap);
		va_end(ap);
		memcpy(text, e->text, sizeof(text));
		/* The cause matters most: shorten the context, never it. */
		snprintf(e->text, sizeof(e->text), "%.160s: %.340s", context,
		    text);
		err_clean(e->text);
	}
	errno = saved;
	return -1;
}

const char *
err_intern(const char *code)
{
	static char *known[1024];
	static size_t n;
	size_t i;

	for (i = 0; i < n; i++) {
		if (strcmp(known[i], code) == 0)
			return known[i];
	}
	if (n == ARRAY_LEN(known) || strlen(code) > 63)
		return "ScriptError";
	known[n] = xstrdup(code);
	return known[n++];
}
