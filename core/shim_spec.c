/*
 * shim_spec.c - what to start, as the daemon says it; see shim_priv.h.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shim_priv.h"

#define FAILED	"SpawnFailed"

static const char *
word_value(const char *word, const char *key)
{
	size_t len = strlen(key);

	return strncmp(word, key, len) == 0 && word[len] == '=' ?
	    word + len + 1 : NULL;
}

/* One that this shim does not know is kept shut, too. */
static void
spec_gate(struct shim_spec *spec, const char *v)
{
	spec->gate = strcmp(v, "0") != 0;
	spec->inside = strcmp(v, "jail") == 0;
}

static void
spec_word(struct shim_spec *spec, char *word, size_t *argc, size_t *envc)
{
	const char *v;

	if ((v = word_value(word, "dir")) != NULL)
		spec->dir = xstrdup(v);
	else if ((v = word_value(word, "cwd")) != NULL)
		spec->cwd = xstrdup(v);
	else if ((v = word_value(word, "exe")) != NULL)
		spec->exe = xstrdup(v);
	else if ((v = word_value(word, "gate")) != NULL)
		spec_gate(spec, v);
	else if ((v = word_value(word, "stdin")) != NULL)
		spec->input = strcmp(v, "1") == 0;
	else if ((v = word_value(word, "grace")) != NULL)
		spec->grace = strtod(v, NULL);
	else if ((v = word_value(word, "log_size")) != NULL)
		spec->log_size = strtoull(v, NULL, 10);
	else if ((v = word_value(word, "log_keep")) != NULL)
		spec->log_keep = (size_t)strtoull(v, NULL, 10);
	else if ((v = word_value(word, "kill")) != NULL)
		spec->kill[spec->nkill++] = xstrdup(v);
	else if ((v = word_value(word, "limit")) != NULL)
		spec->limits[spec->nlimits++] = xstrdup(v);
	else if ((v = word_value(word, "ready")) != NULL)
		spec->ready = strcmp(v, "1") == 0;
	else if (word_value(word, "arg") != NULL)
		spec->argv[(*argc)++] = word + strlen("arg=");
	else if (word_value(word, "env") != NULL)
		spec->envp[(*envc)++] = word + strlen("env=");
}

int
shim_spec_parse(struct shim_spec *spec, const char *words, size_t len,
    struct err *e)
{
	size_t i, n = 0, argc = 0, envc = 0;
	char *copy;

	*spec = (struct shim_spec){ .log_size = 8 * 1024 * 1024,
	    .log_keep = 4 };
	copy = (char *)secret_buf_reserve(&spec->words, len);
	memcpy(copy, words, len);
	spec->words.len = len;
	for (i = 0; i < len; i++)
		n += copy[i] == '\0';
	spec->argv = xcalloc(n + 1, sizeof(*spec->argv));
	spec->envp = xcalloc(n + 1, sizeof(*spec->envp));
	spec->kill = xcalloc(n + 1, sizeof(*spec->kill));
	spec->limits = xcalloc(n + 1, sizeof(*spec->limits));
	errno = EPROTO;
	if (len == 0 || copy[len - 1] != '\0')
		return err_sys(e, FAILED, "agent's spec is cut off");
	for (i = 0; i < len; i += strlen(copy + i) + 1)
		spec_word(spec, copy + i, &argc, &envc);
	if (spec->dir == NULL || spec->dir[0] != '/' || spec->cwd == NULL ||
	    spec->exe == NULL || argc == 0 || !isfinite(spec->grace) ||
	    spec->grace < 0 || spec->log_size < 1 || spec->log_keep < 1)
		return err_sys(e, FAILED, "agent's spec is not complete");
	return 0;
}

void
shim_spec_wipe_words(struct shim_spec *spec)
{
	secret_buf_free(&spec->words);
	free(spec->argv);
	free(spec->envp);
	spec->argv = spec->envp = NULL;
}
