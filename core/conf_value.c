/*
 * conf_value.c - texts to settings and back; see conf.h and conf_priv.h.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "conf.h"
#include "conf_priv.h"
#include "mem.h"

static char *
conf_parse_path(const struct conf_row *row, const char *text,
    const struct conf_source *from)
{
	size_t max = row->max != 0 ? (size_t)row->max : PATH_MAX - 1;
	char cwd[PATH_MAX], *path;
	const char *p;

	for (p = text; *p != '\0'; p++) {
		if (iscntrl((unsigned char)*p)) {
			conf_mistake(from->errors, "%s: control character in "
			    "path '%.100s'", from->name, text);
			return NULL;
		}
	}
	if (*text == '/') {
		path = xstrdup(text);
	} else if (getcwd(cwd, sizeof(cwd)) != NULL) {
		path = xasprintf("%s/%s", cwd[1] != '\0' ? cwd : "", text);
	} else {
		conf_mistake(from->errors, "%s: '%.100s' is relative and the "
		    "working directory is not known: %s", from->name, text,
		    strerror(errno));
		return NULL;
	}
	if (strlen(path) > max) {
		conf_mistake(from->errors, "%s: path '%.100s' is longer than "
		    "%zu bytes", from->name, path, max);
		free(path);
		return NULL;
	}
	return path;
}

static char *
conf_parse_word(const char *text, const struct conf_source *from)
{
	if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-")] !=
	    '\0' || strlen(text) > 64) {
		conf_mistake(from->errors, "%s: '%.100s' is not a name "
		    "([a-z0-9_-], at most 64)", from->name, text);
		return NULL;
	}
	return xstrdup(text);
}

/* Index of text in the row's choices, or -1. */
static int
conf_parse_choice(const struct conf_row *row, const char *text,
    const struct conf_source *from)
{
	char list[128] = "";
	size_t len = 0;
	int i;

	for (i = 0; row->choices[i] != NULL; i++) {
		if (strcmp(text, row->choices[i]) == 0)
			return i;
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
		    i > 0 ? ", " : "", row->choices[i]);
	}
	conf_mistake(from->errors, "%s: '%.100s' is none of %s", from->name,
	    text, list);
	return -1;
}

static int
conf_parse_int(const struct conf_row *row, const char *text, int64_t *value,
    const struct conf_source *from)
{
	const char *digits = *text == '-' ? text + 1 : text;
	long long n;

	if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0') {
		conf_mistake(from->errors, "%s: '%.100s' is not a whole number",
		    from->name, text);
		return -1;
	}
	errno = 0;
	n = strtoll(text, NULL, 10);
	if (errno != 0 || n < row->min || n > row->max) {
		conf_mistake(from->errors, "%s: %.100s is not between %" PRId64
		    " and %" PRId64, from->name, text, row->min, row->max);
		return -1;
	}
	*value = n;
	return 0;
}

/* Digits with at most one point; no exponent, sign, "inf" or locale. */
static int
conf_parse_seconds(const struct conf_row *row, const char *text,
    double *value, const struct conf_source *from)
{
	double whole = 0, part = 0, scale = 1;
	const char *p = text;

	for (; isdigit((unsigned char)*p); p++)
		whole = whole * 10 + (*p - '0');
	if (*p == '.') {
		for (p++; isdigit((unsigned char)*p); p++) {
			part = part * 10 + (*p - '0');
			scale *= 10;
		}
	}
	if (*p != '\0' || !isdigit((unsigned char)p[-1]) ||
	    strlen(text) > 32) {
		conf_mistake(from->errors, "%s: '%.100s' is not a number of "
		    "seconds", from->name, text);
		return -1;
	}
	if (whole > (double)row->max) {
		conf_mistake(from->errors, "%s: %.100s is more than %" PRId64
		    " seconds", from->name, text, row->max);
		return -1;
	}
	*value = whole + part / scale;
	return 0;
}

void
conf_set(struct conf *c, const struct conf_row *row, const char *text,
    const struct conf_source *from)
{
	void *field = (char *)c + row->offset;
	char *string = NULL;
	int i;

	switch (row->kind) {
	case CONF_PATH:
		string = conf_parse_path(row, text, from);
		break;
	case CONF_WORD:
		string = conf_parse_word(text, from);
		break;
	case CONF_CHOICE:
		i = conf_parse_choice(row, text, from);
		string = i >= 0 ? xstrdup(row->choices[i]) : NULL;
		break;
	case CONF_ENUM:
		i = conf_parse_choice(row, text, from);
		if (i >= 0)
			*(int *)field = i;
		return;
	case CONF_INT:
		conf_parse_int(row, text, field, from);
		return;
	case CONF_SECONDS:
		conf_parse_seconds(row, text, field, from);
		return;
	}
	if (string != NULL) {
		free(*(char **)field);
		*(char **)field = string;
	}
}

bool
conf_is_string(const struct conf_row *row)
{
	return row->kind == CONF_PATH || row->kind == CONF_WORD ||
	    row->kind == CONF_CHOICE;
}

const char *
conf_value(const struct conf *c, const char *name, char *buf, size_t size)
{
	const struct conf_row *row = conf_rows;
	const void *field;
	const char *text;
	int n;

	while (row < conf_rows + conf_nrows &&
	    strcmp(row->item.name, name) != 0)
		row++;
	if (row == conf_rows + conf_nrows)
		return NULL;
	field = (const char *)c + row->offset;
	switch (row->kind) {
	case CONF_ENUM:
		text = row->choices[*(const int *)field];
		break;
	case CONF_INT:
		n = snprintf(buf, size, "%" PRId64, *(const int64_t *)field);
		return n < 0 ? NULL : buf;
	case CONF_SECONDS:
		n = snprintf(buf, size, "%.15g", *(const double *)field);
		return n < 0 ? NULL : buf;
	default:
		text = *(char *const *)field;
		break;
	}
	if (text == NULL)
		return NULL;
	snprintf(buf, size, "%s", text);
	return buf;
}
