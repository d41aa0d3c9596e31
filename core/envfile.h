/*
 * envfile.h - the text of `.env` files, both ways. No I/O.
 *
 * Writing: keys [A-Za-z_][A-Za-z0-9_]*, sorted by byte, one KEY= at the start
 * of a line each. POSIX sh (`. ./.env`) reads every value back byte for byte:
 * plain values ([A-Za-z0-9_@%+=:,./-]*) stay bare, others are single-quoted,
 * and a single quote inside is written '\'' . NUL is refused.
 * (POSIX.1-2017, Shell Command Language, 2.2 Quoting.)
 *
 * Reading (provider.env, file vault, secure notes): KEY=VALUE lines, blank
 * lines and lines that start with # skipped, `export ` allowed before the key,
 * a value may be bare (taken as it stands, trailing blanks and CR removed),
 * 'single' or "double" quoted (\\ \" \$ \` escapes); quoted values may span
 * lines. Nothing is expanded. Adjacent quoted pieces join, so what we write
 * we also read.
 */
#ifndef COLIBRI_ENVFILE_H
#define COLIBRI_ENVFILE_H

#include "core.h"
#include "err.h"
#include "secret.h"

struct envfile_pair {
	char *key;
	struct secret *value;
};
struct envfile {
	struct envfile_pair *pairs;
	size_t n, cap;
};

/* A file with more keys than this is refused (TooLarge): every value takes
 * locked memory of its own. */
#define ENVFILE_MAX_PAIRS	4096

bool envfile_key_ok(const char *key, size_t len);

/* Keeps a reference of its own to value; the caller's stays the caller's.
 * Codes: InvalidKey, TooLarge. Duplicates are found by envfile_format(), which
 * sees all of them. */
int envfile_add(struct envfile *f, const char *key, size_t len,
    struct secret *value, struct err *e);

/* Put the pairs into the order in which they are written. */
void envfile_sort(struct envfile *f);

/* The file's bytes as a secret, sorted whatever the order of the pairs. Codes: InvalidValue (NUL, naming the key),
 * DuplicateKey. */
struct secret *envfile_format(const struct envfile *f, struct err *e);

/* Appends to *f, or leaves it as it was on failure. `what` names the source in
 * errors. Codes: InvalidLine (with the line number, never the line),
 * InvalidKey, DuplicateKey, TooLarge. Inside double quotes a backslash before
 * another character than those four is an ordinary one. */
int envfile_parse(struct envfile *f, const char *text, size_t len,
    const char *what, struct err *e);

/* Drops the references and empties *f. */
void envfile_free(struct envfile *f);

#endif
