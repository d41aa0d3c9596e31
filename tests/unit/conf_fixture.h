/*
 * conf_fixture.h - loading from words and from the environment, and what it
 * gave; for the conf tests.
 */
#ifndef COLIBRI_CONF_FIXTURE_H
#define COLIBRI_CONF_FIXTURE_H

#include <limits.h>

#include "check.h"
#include "conf.h"
#include "mem.h"

extern char **environ;

static struct conf_errors errors;
static char *args[32];		/* after load(): what the program still sees */
static int nargs;

/* No variable of ours is set. */
static inline void
clear(void)
{
	size_t i = 0;
	char *name;

	while (environ[i] != NULL) {
		if (strncmp(environ[i], "COLIBRI_", 8) != 0) {
			i++;
			continue;
		}
		name = xmemdup0(environ[i], strcspn(environ[i], "="));
		unsetenv(name);
		free(name);
	}
}

/* words: the arguments, separated by '|'. */
static inline struct conf *
load(const char *words, const char *const *own)
{
	static char copy[8192];
	char *word;

	conf_errors_free(&errors);
	snprintf(copy, sizeof(copy), "%s", words);
	nargs = 0;
	args[nargs++] = copy + sizeof(copy) - 1;	/* "" */
	for (word = strtok(copy, "|"); word != NULL; word = strtok(NULL, "|"))
		args[nargs++] = word;
	args[nargs] = NULL;
	return conf_load(&nargs, args, own, &errors);
}

/* Loading says exactly these mistakes, one a line. */
static inline void
check_mistakes(const char *words, const char *const *own, const char *want)
{
	struct conf *c = load(words, own);
	struct buf all = { 0 };
	size_t i;

	CHECK(c == NULL);
	conf_free(c);
	for (i = 0; i < errors.n; i++) {
		buf_add_str(&all, errors.texts[i]);
		buf_add_str(&all, "\n");
	}
	buf_add(&all, "", 1);
	CHECK_STR(all.data, want);
	buf_free(&all);
	conf_errors_free(&errors);
}

static inline void
check_value(const struct conf *c, const char *name, const char *want)
{
	char buf[PATH_MAX];
	const char *got = c != NULL ? conf_value(c, name, buf, sizeof(buf)) :
	    "(no conf)";

	if (want == NULL && got != NULL)
		CHECK_NOTE("%s: got \"%s\", expected none", name, got);
	if (want != NULL && (got == NULL || strcmp(got, want) != 0))
		CHECK_NOTE("%s: got \"%s\", expected \"%s\"", name,
		    got != NULL ? got : "(null)", want);
}

static inline void
check_one(const char *words, const char *name, const char *want)
{
	struct conf *c = load(words, NULL);

	CHECK_INT(errors.n, 0);
	check_value(c, name, want);
	conf_free(c);
}

#ifdef __FreeBSD__
#define PICK(linux, freebsd)	(freebsd)
#else
#define PICK(linux, freebsd)	(linux)
#endif

#endif
