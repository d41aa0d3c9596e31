/*
 * agent_spec.c - what to start, checked and as a record; see agent_priv.h.
 *
 * Environment values may be secrets: the record is built in locked memory.
 */
#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent_priv.h"

#define ID_MAX	128

int
agent_check_spec(const struct agent_spec *spec, struct err *e)
{
	const char *c = spec->id;

	while (isalnum((unsigned char)*c) || *c == '_' || *c == '-')
		c++;
	if (*c != '\0' || spec->id[0] == '\0' || strlen(spec->id) > ID_MAX)
		return err_set(e, "BadPath", "agent id '%s'", spec->id);
	if (spec->dir[0] != '/' || strlen(spec->dir) >= PATH_MAX - 16)
		return err_set(e, "BadPath", "agent directory '%s' is not an "
		    "absolute path", spec->dir);
	if (spec->cwd != NULL && spec->cwd[0] != '/')
		return err_set(e, "BadPath", "working directory '%s' is not an "
		    "absolute path", spec->cwd);
	return 0;
}

static void
add_bytes(struct secret_buf *b, const void *p, size_t len)
{
	if (len == 0)
		return;
	memcpy(secret_buf_reserve(b, len), p, len);
	b->len += len;
}

void
agent_add_record(struct secret_buf *b, char type, const void *payload,
    size_t len)
{
	unsigned char header[AGENT_HEADER] = { (unsigned char)type,
	    len & 0xff, len >> 8 & 0xff, len >> 16 & 0xff, len >> 24 & 0xff };

	add_bytes(b, header, sizeof(header));
	add_bytes(b, payload, len);
}

static void
add_word(struct secret_buf *b, const char *key, const char *value)
{
	add_bytes(b, key, strlen(key));
	add_bytes(b, "=", 1);
	add_bytes(b, value, strlen(value) + 1);
}

static void
add_number(struct secret_buf *b, const char *key, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	add_word(b, key, text);
}

int
agent_add_spec(struct secret_buf *b, const struct agent_spec *spec,
    const char *exe, double grace, struct err *e)
{
	static const char *const gates[] = { [AGENT_GATE_NONE] = "0",
	    [AGENT_GATE_EXEC] = "1", [AGENT_GATE_JAIL] = "jail" };
	struct secret_buf words = { 0 };
	char seconds[AGENT_GRACE_TEXT];
	const char *const *w;
	int rc = 0;

	agent_grace_text(grace, seconds);
	add_number(&words, "protocol", AGENT_PROTOCOL);
	add_word(&words, "dir", spec->dir);
	add_word(&words, "cwd", spec->cwd != NULL ? spec->cwd : "/");
	add_word(&words, "gate", gates[spec->gate]);
	add_word(&words, "stdin", spec->input ? "1" : "0");
	add_word(&words, "grace", seconds);
	add_number(&words, "log_size", spec->log_size > 0 ? spec->log_size :
	    AGENT_LOG_SIZE);
	add_number(&words, "log_keep", spec->log_keep > 0 ? spec->log_keep :
	    AGENT_LOG_KEEP);
	add_word(&words, "ready", spec->ready ? "1" : "0");
	for (w = spec->limits; w != NULL && *w != NULL; w++)
		add_word(&words, "limit", *w);
	for (w = spec->kill; w != NULL && *w != NULL; w++)
		add_word(&words, "kill", *w);
	add_word(&words, "exe", exe);
	for (w = spec->argv; *w != NULL; w++)
		add_word(&words, "arg", *w);
	for (w = spec->envp; w != NULL && *w != NULL; w++)
		add_word(&words, "env", *w);
	if (words.len > AGENT_RECORD_MAX)
		rc = err_set(e, "SpawnFailed", "agent %s: arguments and "
		    "environment are longer than 1 MiB", spec->id);
	else
		agent_add_record(b, 'S', words.data, words.len);
	secret_buf_free(&words);
	return rc;
}

double
agent_grace(double grace, double otherwise)
{
	return isfinite(grace) && grace >= 0 && grace < 1e8 ? grace :
	    otherwise;
}

/* Not printf's %f: its decimal point depends on the locale. */
void
agent_grace_text(double grace, char *text)
{
	long long ms = (long long)(grace * 1000);

	snprintf(text, AGENT_GRACE_TEXT, "%lld.%03lld", ms / 1000, ms % 1000);
}
