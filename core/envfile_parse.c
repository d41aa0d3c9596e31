/*
 * envfile_parse.c - reading the text of `.env` files; see envfile.h.
 *
 * One pass, one byte of look-ahead. Values are put together in locked memory.
 * A failure names the source and the line where the entry began, never what
 * stands there: it may be a secret that was pasted into the wrong place.
 */
#include <stdlib.h>
#include <string.h>

#include "envfile.h"

struct parser {
	const char *p, *end;
	const char *what;
	size_t line;		/* of p */
	size_t entry_line;	/* where the entry began */
	struct secret_buf value;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
skip_blanks(struct parser *ps)
{
	while (ps->p < ps->end && is_blank(*ps->p))
		ps->p++;
}

static int
parse_fail(const struct parser *ps, const char *code, const char *why,
    struct err *e)
{
	return err_set(e, code, "%.200s line %zu: %s", ps->what,
	    ps->entry_line, why);
}

static void
value_add(struct parser *ps, const char *from, size_t len)
{
	if (len == 0)
		return;
	memcpy(secret_buf_reserve(&ps->value, len), from, len);
	ps->value.len += len;
}

static void
count_lines(struct parser *ps, const char *from, const char *to)
{
	for (; from < to; from++) {
		if (*from == '\n')
			ps->line++;
	}
}

/* Past the line's end; p is at '\n' or at the end. */
static void
end_line(struct parser *ps)
{
	if (ps->p < ps->end) {
		ps->p++;
		ps->line++;
	}
}

static void
value_bare(struct parser *ps)
{
	const char *from = ps->p, *to;

	while (ps->p < ps->end && *ps->p != '\n')
		ps->p++;
	to = ps->p;
	while (to > from && (is_blank(to[-1]) || to[-1] == '\r'))
		to--;
	value_add(ps, from, (size_t)(to - from));
}

static int
piece_single(struct parser *ps)
{
	const char *from = ++ps->p;

	while (ps->p < ps->end && *ps->p != '\'')
		ps->p++;
	if (ps->p == ps->end)
		return -1;
	count_lines(ps, from, ps->p);
	value_add(ps, from, (size_t)(ps->p - from));
	ps->p++;
	return 0;
}

static int
piece_double(struct parser *ps)
{
	const char *from = ++ps->p;

	for (; ps->p < ps->end && *ps->p != '"'; ps->p++) {
		if (*ps->p != '\\' || ps->end - ps->p < 2 ||
		    strchr("\\\"$`", ps->p[1]) == NULL)
			continue;
		value_add(ps, from, (size_t)(ps->p - from));
		from = ++ps->p;		/* what was escaped begins the next */
	}
	if (ps->p == ps->end)
		return -1;
	count_lines(ps, from, ps->p);
	value_add(ps, from, (size_t)(ps->p - from));
	ps->p++;
	return 0;
}

/* Quoted pieces and \-escaped bytes one after the other, then the line ends. */
static int
value_quoted(struct parser *ps, struct err *e)
{
	int rc = 0;

	while (rc == 0 && ps->p < ps->end) {
		if (*ps->p == '\'')
			rc = piece_single(ps);
		else if (*ps->p == '"')
			rc = piece_double(ps);
		else if (*ps->p == '\\' && ps->end - ps->p > 1 &&
		    ps->p[1] != '\n') {
			value_add(ps, ps->p + 1, 1);
			ps->p += 2;
		} else
			break;
	}
	if (rc != 0)
		return parse_fail(ps, "InvalidLine", "a quote is not closed",
		    e);
	while (ps->p < ps->end && (is_blank(*ps->p) || *ps->p == '\r'))
		ps->p++;
	if (ps->p < ps->end && *ps->p != '\n')
		return parse_fail(ps, "InvalidLine",
		    "something follows the quoted value", e);
	return 0;
}

/* Go to the end of a line that is blank or a comment. */
static bool
skip_line(struct parser *ps)
{
	if (ps->p < ps->end && *ps->p == '#') {
		while (ps->p < ps->end && *ps->p != '\n')
			ps->p++;
	} else if (ps->p < ps->end && *ps->p == '\r' &&
	    (ps->end - ps->p == 1 || ps->p[1] == '\n'))
		ps->p++;
	return ps->p == ps->end || *ps->p == '\n';
}

/* From the key to the '='; p is behind it afterwards. */
static int
parse_key(struct parser *ps, const char **key, size_t *len, struct err *e)
{
	static const char word[] = "export";
	const size_t wordlen = sizeof(word) - 1;

	if ((size_t)(ps->end - ps->p) > wordlen &&
	    memcmp(ps->p, word, wordlen) == 0 && is_blank(ps->p[wordlen])) {
		ps->p += wordlen;
		skip_blanks(ps);
	}
	*key = ps->p;
	while (ps->p < ps->end && *ps->p != '=' && *ps->p != '\n')
		ps->p++;
	*len = (size_t)(ps->p - *key);
	if (ps->p == ps->end || *ps->p != '=')
		return parse_fail(ps, "InvalidLine", "no KEY=VALUE", e);
	ps->p++;
	if (!envfile_key_ok(*key, *len))
		return parse_fail(ps, "InvalidKey",
		    "what stands before '=' is not a name for a variable", e);
	return 0;
}

static bool
have_key(const struct envfile *f, const char *key, size_t len)
{
	size_t i;

	for (i = 0; i < f->n; i++) {
		if (strncmp(f->pairs[i].key, key, len) == 0 &&
		    f->pairs[i].key[len] == '\0')
			return true;
	}
	return false;
}

static int
parse_entry(struct envfile *f, struct parser *ps, struct err *e)
{
	struct secret *value;
	const char *key;
	size_t len;
	int rc = 0;

	ps->entry_line = ps->line;
	if (parse_key(ps, &key, &len, e) != 0)
		return -1;
	if (have_key(f, key, len))
		return err_set(e, "DuplicateKey", "%.200s line %zu: key %.*s "
		    "is there twice", ps->what, ps->entry_line,
		    (int)(len < 64 ? len : 64), key);
	if (ps->p < ps->end && (*ps->p == '\'' || *ps->p == '"'))
		rc = value_quoted(ps, e);
	else
		value_bare(ps);
	if (rc != 0)
		return rc;
	value = secret_new(ps->value.len != 0 ?
	    (const void *)ps->value.data : "", ps->value.len);
	rc = envfile_add(f, key, len, value, e);
	secret_unref(value);
	if (rc != 0)
		err_wrap(e, "%s line %zu", ps->what, ps->entry_line);
	return rc;
}

static void
drop_from(struct envfile *f, size_t n)
{
	while (f->n > n) {
		f->n--;
		free(f->pairs[f->n].key);
		secret_unref(f->pairs[f->n].value);
	}
}

int
envfile_parse(struct envfile *f, const char *text, size_t len,
    const char *what, struct err *e)
{
	struct parser ps = { .p = text, .end = text + len, .what = what,
	    .line = 1 };
	size_t before = f->n;
	const char *nul;
	int rc = 0;

	nul = len != 0 ? memchr(text, '\0', len) : NULL;
	if (nul != NULL) {
		count_lines(&ps, text, nul);
		ps.entry_line = ps.line;
		return parse_fail(&ps, "InvalidLine", "a NUL byte", e);
	}
	while (rc == 0 && ps.p < ps.end) {
		skip_blanks(&ps);
		if (!skip_line(&ps))
			rc = parse_entry(f, &ps, e);
		if (rc == 0)
			end_line(&ps);
		if (ps.value.len != 0)
			secret_wipe(ps.value.data, ps.value.len);
		ps.value.len = 0;
	}
	secret_buf_free(&ps.value);
	if (rc != 0)
		drop_from(f, before);
	return rc;
}
