/*
 * conf.h - environment and flags become one immutable `struct conf`.
 *
 * One table (conf_table.c) describes every setting once: environment variable,
 * flag, kind, default per platform, help text. Flags win over the environment,
 * the environment over the defaults. Every mistake is reported, not only the
 * first. The daemon, the CLI and colibri-run all start here.
 */
#ifndef COLIBRI_CONF_H
#define COLIBRI_CONF_H

#include "core.h"
#include "log.h"

struct conf {
	/* paths: absolute after loading */
	char *socket_path;	/* COLIBRI_DAEMON_SOCKET --socket */
	char *db_path;		/* COLIBRI_DB_PATH --db */
	char *provider_env;	/* COLIBRI_PROVIDER_ENV --provider-env */
	char *jail_root_base;	/* COLIBRI_JAIL_ROOT_BASE --jail-root-base */
	char *site_dir;		/* COLIBRI_SITE_DIR --site-dir */
	char *share_dir;	/* COLIBRI_SHARE_DIR --share-dir */
	char *state_dir;	/* COLIBRI_STATE_DIR --state-dir */
	char *bw;		/* COLIBRI_BW --bw; NULL: look in a fixed list */
	/* words */
	char *vault;		/* COLIBRI_VAULT --vault: adapter name, "bw" */
	char *vault_dir;	/* COLIBRI_VAULT_DIR --vault-dir: of `file` */
	char *jail_backend;	/* COLIBRI_JAIL_BACKEND --jail-backend */
	char *jail_priv_mode;	/* COLIBRI_JAIL_PRIV_MODE --jail-priv-mode */
	char *cgroup;		/* COLIBRI_CGROUP --cgroup; NULL: none */
	/* log */
	enum log_level log_level;	/* COLIBRI_LOG_LEVEL --log-level */
	enum log_format log_format;	/* COLIBRI_LOG_FORMAT --log-format */
	/* agents */
	int64_t log_size;	/* COLIBRI_LOG_SIZE bytes of a log file, 8 MiB */
	int64_t log_keep;	/* COLIBRI_LOG_KEEP files per stream, 4 */
	int64_t agents_keep;	/* COLIBRI_AGENTS_KEEP ended ones' directories, 1000 */
	double agents_keep_age;	/* COLIBRI_AGENTS_KEEP_AGE s, 30 days; 0 for ever */
	char *shutdown;		/* COLIBRI_SHUTDOWN: leave, stop */
	/* limits */
	int64_t max_connections;	/* COLIBRI_MAX_CONNECTIONS, 256 */
	int64_t max_requests;		/* COLIBRI_MAX_REQUESTS in flight, 128 */
	int64_t max_line;		/* COLIBRI_MAX_LINE bytes, 1 MiB */
	int64_t max_output;		/* COLIBRI_MAX_OUTPUT unread bytes, 8 MiB */
	double idle_timeout;		/* COLIBRI_IDLE_TIMEOUT s, 300; 0 never */
	double request_timeout;		/* COLIBRI_REQUEST_TIMEOUT s, 30 */
	int64_t script_instructions;	/* COLIBRI_SCRIPT_INSTRUCTIONS, 100000000 */
	int64_t script_memory;		/* COLIBRI_SCRIPT_MEMORY bytes a run, 16 MiB */
	int64_t lua_memory;		/* COLIBRI_LUA_MEMORY bytes in all, 512 MiB */
	int64_t hook_failures;		/* COLIBRI_HOOK_FAILURES in a row, 5 */
	double vault_timeout;		/* COLIBRI_VAULT_TIMEOUT s a call, 60 */
	double vault_idle;		/* COLIBRI_VAULT_IDLE s kept open, 30 */
	double stall_after;		/* COLIBRI_STALL_AFTER s silent, 4 h; 0 never */
};

/* What is wrong with one setting; texts name the variable or flag. */
struct conf_errors {
	char **texts;
	size_t n;
};

/*
 * Read environ and argv[1..]. Flags conf knows are taken out of argv (and
 * *argc adjusted), so that the program sees only its own; parsing stops at the
 * first word that is not a flag, or after "--" (which is taken out too, unless
 * there are own flags: the program must stop at it as well). `own` lists the
 * program's own flags that conf must step over ("check" for --check, "tenant="
 * for a flag with a value, "h" for -h), NULL-terminated, may be NULL; an
 * unknown flag is an error, and so is an unknown COLIBRI_* variable.
 * Returns a conf that the caller frees, or NULL with every mistake in *errors
 * (the caller frees those too).
 */
struct conf *conf_load(int *argc, char **argv, const char *const *own,
    struct conf_errors *errors);
void conf_free(struct conf *c);
void conf_errors_free(struct conf_errors *errors);

/* One row per setting, in the order of the table, for --help, `status` and
 * docs. value is the text in force (NULL when unset). */
struct conf_item {
	const char *name;	/* field name: "socket_path" */
	const char *env;	/* "COLIBRI_DAEMON_SOCKET" */
	const char *flag;	/* "socket" */
	const char *help;
};
size_t conf_items(const struct conf_item **items);

/* The setting's value as text in buf (shortened to fit); returns buf, or NULL
 * when it is unset or there is no such setting. */
const char *conf_value(const struct conf *c, const char *name, char *buf,
    size_t size);

#endif
