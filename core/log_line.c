/*
 * log_line.c - the text of one log line; see log_line.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log_line.h"
#include "secret.h"
#include "utf8.h"

#define LOG_NAME_MAX	64	/* topic, key */
#define LINE_CLOSE_MAX	16	/* quote, [cut] or "cut":true}, newline */

const char *const log_level_names[] = { "error", "warn", "info", "debug" };

struct line {
	char *p;
	size_t len;
	size_t limit;		/* line_put() stops here */
	bool cut;		/* something did not fit */
};

/* Append all of it or, from the first piece on that does not fit, nothing. */
static bool
line_put(struct line *l, const char *s, size_t n)
{
	if (l->cut || l->len + n > l->limit) {
		l->cut = true;
		return false;
	}
	memcpy(l->p + l->len, s, n);
	l->len += n;
	return true;
}

/* Append an end for which room was kept beyond the limit. */
static void
line_close(struct line *l, const char *s)
{
	size_t n = strlen(s);

	memcpy(l->p + l->len, s, n);
	l->len += n;
}

/* Length of the well-formed UTF-8 character at s (which ends with a NUL), or
 * 0. The controls U+0080 to U+009F count as ill-formed: terminals obey them. */
static size_t
line_utf8(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	return p[0] == 0xc2 && p[1] < 0xa0 ? 0 : utf8_len(p, 4);
}

/* Text as it stands in a JSON string; without the quotes, only a quote
 * character is left alone. */
static void
line_text(struct line *l, const char *s, bool quoted)
{
	static const char names[] = "\b\f\n\r\t\\", letters[] = "bfnrt\\";
	char escape[8];
	const char *at;
	size_t n;

	while (*s != '\0' && !l->cut) {
		n = 1;
		at = strchr(names, *s);
		if (at != NULL || (*s == '"' && quoted)) {
			escape[0] = '\\';
			escape[1] = at != NULL ? letters[at - names] : '"';
			line_put(l, escape, 2);
		} else if ((unsigned char)*s < 0x20 || *s == 0x7f) {
			snprintf(escape, sizeof(escape), "\\u%04x", *s);
			line_put(l, escape, 6);
		} else if ((unsigned char)*s < 0x80) {
			line_put(l, s, 1);
		} else if ((n = line_utf8(s)) != 0) {
			line_put(l, s, n);
		} else {
			line_put(l, "\xef\xbf\xbd", 3);	/* U+FFFD */
			n = 1;
		}
		s += n;
	}
}

/* A copy of a piece without secrets, or NULL when it holds none. Each piece is
 * cleaned before anything is escaped or cut: half a secret, or one with an
 * escaped newline, would not be recognised in the finished line. */
static char *
line_clean(const char *s)
{
	size_t len;

	return secret_redact(s, strlen(s), &len);
}

/* Topics and keys are words; anything else in them becomes '_'. */
static void
line_word(char word[LOG_NAME_MAX], const char *s)
{
	char *clean = s != NULL ? line_clean(s) : NULL, *p;

	if (clean != NULL)
		s = clean;
	snprintf(word, LOG_NAME_MAX, "%s", s != NULL && *s != '\0' ? s : "_");
	for (p = word; *p != '\0'; p++) {
		if ((*p < 'a' || *p > 'z') && (*p < '0' || *p > '9') &&
		    *p != '.' && *p != '-')
			*p = '_';
	}
	free(clean);
}

static void
line_value(struct line *l, const char *s, bool quoted)
{
	char *clean;

	if (s == NULL)
		s = "";
	clean = line_clean(s);
	line_text(l, clean != NULL ? clean : s, quoted);
	free(clean);
}

static bool
line_needs_quotes(const char *s)
{
	if (s == NULL || *s == '\0')
		return true;
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s <= ' ' || *s == '"' || *s == '\\' ||
		    *s == '=' || *s == 0x7f)
			return true;
	}
	return false;
}

static void
line_text_field(struct line *l, const char *key, const char *value)
{
	bool quoted = line_needs_quotes(value);
	char head[LOG_NAME_MAX + 4];
	int n;

	n = snprintf(head, sizeof(head), " %s=%s", key, quoted ? "\"" : "");
	if (!line_put(l, head, (size_t)n))
		return;
	line_value(l, value, quoted);
	if (quoted)
		line_close(l, "\"");
}

static void
line_json_field(struct line *l, const char *key, const char *value)
{
	char head[LOG_NAME_MAX + 8];
	int n;

	n = snprintf(head, sizeof(head), "%s\"%s\":\"",
	    l->len > 0 ? "," : "{", key);
	if (!line_put(l, head, (size_t)n))
		return;
	line_value(l, value, true);
	line_close(l, "\"");
}

/* A field must not appear twice in an object. */
static bool
line_own_key(const char *key)
{
	return strcmp(key, "ts") == 0 || strcmp(key, "level") == 0 ||
	    strcmp(key, "topic") == 0 || strcmp(key, "msg") == 0 ||
	    strcmp(key, "cut") == 0;
}

static void
line_json(struct line *l, const struct log_record *r)
{
	char word[LOG_NAME_MAX];
	size_t i;

	line_json_field(l, "ts", r->ts);
	line_json_field(l, "level", log_level_names[r->level]);
	line_word(word, r->topic);
	line_json_field(l, "topic", word);
	line_json_field(l, "msg", r->msg);
	for (i = 0; i < r->nfields; i++) {
		line_word(word, r->fields[i].key);
		if (line_own_key(word))
			strcat(word, "_");
		line_json_field(l, word, r->fields[i].value);
	}
	line_close(l, l->cut ? ",\"cut\":true}" : "}");
}

static void
line_plain(struct line *l, const struct log_record *r)
{
	char word[LOG_NAME_MAX], head[LOG_NAME_MAX + 64];
	size_t i;
	int n;

	line_word(word, r->topic);
	n = snprintf(head, sizeof(head), "%s %s %s ", r->ts,
	    log_level_names[r->level], word);
	line_put(l, head, (size_t)n);
	line_value(l, r->msg, false);
	for (i = 0; i < r->nfields; i++) {
		line_word(word, r->fields[i].key);
		line_text_field(l, word, r->fields[i].value);
	}
	if (l->cut)
		line_close(l, " [cut]");
}

size_t
log_line(char p[LOG_LINE_MAX], const struct log_record *r,
    enum log_format format)
{
	struct line l = { .p = p };
	size_t limit = LOG_LINE_MAX, len;
	char *clean;

	for (;;) {
		l.len = 0;
		l.cut = false;
		l.limit = limit - LINE_CLOSE_MAX;
		if (format == LOG_JSON) {
			line_json(&l, r);
			clean = secret_redact_json(p, l.len, &len);
		} else {
			line_plain(&l, r);
			clean = secret_redact(p, l.len, &len);
		}
		if (clean == NULL)
			return l.len;
		if (len < LOG_LINE_MAX)
			break;
		/* A mark takes at most twice what it replaces. */
		free(clean);
		limit /= 2;
	}
	memcpy(p, clean, len);
	free(clean);
	return len;
}
