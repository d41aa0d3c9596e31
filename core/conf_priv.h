/*
 * conf_priv.h - what conf.c, conf_table.c and conf_value.c share; nobody else
 * includes this.
 */
#ifndef COLIBRI_CONF_PRIV_H
#define COLIBRI_CONF_PRIV_H

#include "conf.h"

enum conf_kind {
	CONF_PATH,	/* char *, absolute after loading */
	CONF_WORD,	/* char *, [a-z0-9_-]+ */
	CONF_CHOICE,	/* char *, one of choices */
	CONF_ENUM,	/* enum, its value is the index in choices */
	CONF_INT,	/* int64_t, min to max */
	CONF_SECONDS,	/* double, 0 to max */
};

struct conf_row {
	struct conf_item item;
	enum conf_kind kind;
	size_t offset;		/* of the field in struct conf */
	const char *def;	/* text; NULL: see compute */
	/* malloc'd default from this machine and the rows above; NULL: unset */
	char *(*compute)(const struct conf *c);
	const char *const *choices;	/* NULL-terminated */
	int64_t min, max;	/* CONF_PATH: max bytes, 0 for PATH_MAX - 1 */
};

extern const struct conf_row conf_rows[];
extern const size_t conf_nrows;

/* Where a text came from: "COLIBRI_DB_PATH", "--db", or the table. */
struct conf_source {
	const char *name;
	struct conf_errors *errors;
};

/* Store text, which is not empty, as the row's value; a mistake is noted and
 * leaves the field as it was. */
void conf_set(struct conf *c, const struct conf_row *row, const char *text,
    const struct conf_source *from);

/* Is the field a malloc'd string? */
bool conf_is_string(const struct conf_row *row);

/* Add to the mistakes; control characters become '?'. */
void conf_mistake(struct conf_errors *errors, const char *fmt, ...)
    ATTR_PRINTF(2, 3);

#endif
