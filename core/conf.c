/*
 * conf.c - environment and flags become one immutable `struct conf`; see
 * conf.h. What the settings are is in conf_table.c, what their texts mean in
 * conf_value.c; here the texts are found.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "conf_priv.h"
#include "mem.h"

#define ENV_PREFIX	"COLIBRI_"
#define ENV_PREFIX_LEN	(sizeof(ENV_PREFIX) - 1)

extern char **environ;

/* Variables with our prefix that are no settings: ours to give to agents and
 * tests, not ours to read. A name that ends in '_' stands for all that start
 * with it. */
static const char *const foreign_env[] = {
	"COLIBRI_AGENT_ID", "COLIBRI_BW_DIR", "COLIBRI_JAIL_NAME",
	"COLIBRI_REQUEST_ID", "COLIBRI_SESSION_ID", "COLIBRI_SYSTEM_PROMPT",
	"COLIBRI_TEST_",
};

void
conf_mistake(struct conf_errors *errors, const char *fmt, ...)
{
	char text[512], *p;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (p = text; *p != '\0'; p++) {
		if (iscntrl((unsigned char)*p))
			*p = '?';
	}
	errors->texts = xreallocarray(errors->texts, errors->n + 1,
	    sizeof(*errors->texts));
	errors->texts[errors->n++] = xstrdup(text);
}

/* --- flags --- */

/* The program's own flag of this name (len bytes): 0 without a value, 1 with
 * one, -1 when it is none. */
static int
conf_own_flag(const char *const *own, const char *name, size_t len)
{
	for (; own != NULL && *own != NULL; own++) {
		if (strncmp(*own, name, len) == 0 && ((*own)[len] == '\0' ||
		    strcmp(*own + len, "=") == 0))
			return (*own)[len] == '=';
	}
	return -1;
}

static const struct conf_row *
conf_find(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < conf_nrows; i++) {
		if (strncmp(conf_rows[i].item.flag, name, len) == 0 &&
		    conf_rows[i].item.flag[len] == '\0')
			return &conf_rows[i];
	}
	return NULL;
}

static bool
conf_is_flag(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

/* Walk argv: the values of our flags go to values (one per row of the table),
 * other words that stay move to the front. */
static void
conf_read_flags(int *argc, char **argv, const char *const *own,
    const char **values, struct conf_errors *errors)
{
	const struct conf_row *row;
	const char *name, *value;
	int in, out = 1, takes;
	bool keep;
	ptrdiff_t dashes;
	size_t len;

	for (in = 1; in < *argc && conf_is_flag(argv[in]); in++) {
		if (strcmp(argv[in], "--") == 0) {
			in += own == NULL || own[0] == NULL;
			break;
		}
		name = argv[in] + (argv[in][1] == '-' ? 2 : 1);
		len = strcspn(name, "=");
		value = name[len] == '=' ? name + len + 1 : NULL;
		dashes = name - argv[in];
		row = dashes == 2 ? conf_find(name, len) : NULL;
		takes = dashes == 2 || len == 1 ?
		    conf_own_flag(own, name, len) : -1;
		keep = takes >= 0;
		if (!keep && row == NULL) {
			conf_mistake(errors, "%.*s: no such flag",
			    (int)(dashes + (ptrdiff_t)len), argv[in]);
			continue;
		}
		if (keep)
			argv[out++] = argv[in];
		if (takes == 0 && value != NULL)
			conf_mistake(errors, "--%.*s takes no value", (int)len,
			    name);
		if (takes == 0 || (keep && value != NULL))
			continue;
		if (value == NULL && in + 1 < *argc &&
		    strncmp(argv[in + 1], "--", 2) != 0) {
			value = argv[++in];
			if (keep)
				argv[out++] = argv[in];
		}
		if (value == NULL || *value == '\0')
			conf_mistake(errors, "--%.*s needs a value", (int)len,
			    name);
		else if (!keep)
			values[row - conf_rows] = value;
	}
	while (in < *argc)
		argv[out++] = argv[in++];
	if (*argc > 0) {
		argv[out] = NULL;
		*argc = out;
	}
}

/* --- environment --- */

static bool
conf_env_known(const char *name, size_t len)
{
	const char *known;
	size_t i, n;

	for (i = 0; i < conf_nrows; i++) {
		known = conf_rows[i].item.env;
		if (strncmp(name, known, len) == 0 && known[len] == '\0')
			return true;
	}
	for (i = 0; i < ARRAY_LEN(foreign_env); i++) {
		n = strlen(foreign_env[i]);
		if (strncmp(name, foreign_env[i], n) == 0 &&
		    (n == len || foreign_env[i][n - 1] == '_'))
			return true;
	}
	return false;
}

/* A typo must not be ignored silently. */
static void
conf_check_environ(struct conf_errors *errors)
{
	const char *value;
	char **e;
	size_t len;

	for (e = environ; *e != NULL; e++) {
		len = strcspn(*e, "=");
		value = (*e)[len] == '=' ? *e + len + 1 : "";
		if (strncmp(*e, ENV_PREFIX, ENV_PREFIX_LEN) == 0 &&
		    *value != '\0' && !conf_env_known(*e, len))
			conf_mistake(errors, "%.*s: no such setting",
			    (int)(len < 100 ? len : 100), *e);
	}
}

/* --- the whole --- */

struct conf *
conf_load(int *argc, char **argv, const char *const *own,
    struct conf_errors *errors)
{
	const char **flags = xcalloc(conf_nrows, sizeof(*flags)), *env;
	struct conf *c = xcalloc(1, sizeof(*c));
	char *computed, flag[64];
	size_t i;

	*errors = (struct conf_errors){ 0 };
	conf_read_flags(argc, argv, own, flags, errors);
	for (i = 0; i < conf_nrows; i++) {
		const struct conf_row *row = &conf_rows[i];
		struct conf_source from = { row->item.env, errors };

		env = getenv(row->item.env);
		if (env != NULL && *env != '\0') {
			conf_set(c, row, env, &from);
		} else if (flags[i] == NULL && row->compute != NULL) {
			computed = row->compute(c);
			if (computed != NULL)
				conf_set(c, row, computed, &from);
			free(computed);
		} else if (flags[i] == NULL && row->def != NULL) {
			conf_set(c, row, row->def, &from);
		}
		if (flags[i] != NULL) {
			snprintf(flag, sizeof(flag), "--%s", row->item.flag);
			from.name = flag;
			conf_set(c, row, flags[i], &from);
		}
	}
	conf_check_environ(errors);
	free(flags);
	if (errors->n > 0) {
		conf_free(c);
		return NULL;
	}
	return c;
}

void
conf_free(struct conf *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < conf_nrows; i++) {
		if (conf_is_string(&conf_rows[i]))
			free(*(char **)((char *)c + conf_rows[i].offset));
	}
	free(c);
}

void
conf_errors_free(struct conf_errors *errors)
{
	size_t i;

	for (i = 0; i < errors->n; i++)
		free(errors->texts[i]);
	free(errors->texts);
	*errors = (struct conf_errors){ 0 };
}

size_t
conf_items(const struct conf_item **items)
{
	static struct conf_item *all;
	size_t i;

	if (all == NULL) {
		all = xcalloc(conf_nrows, sizeof(*all));
		for (i = 0; i < conf_nrows; i++)
			all[i] = conf_rows[i].item;
	}
	*items = all;
	return conf_nrows;
}
