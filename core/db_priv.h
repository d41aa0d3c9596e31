/*
 * db_priv.h - what db.c (opening, errors, migrations), db_stmt.c (the statement
 * cache) and db_commit.c (writers and waiters) share. Nobody else includes it.
 */
#ifndef COLIBRI_DB_PRIV_H
#define COLIBRI_DB_PRIV_H

#include <sqlite3.h>

#include "db.h"

#define DB_CACHED	64

/* Kept statements of one connection. The hashes are apart from the rest
 * because they are what a look-up walks. */
struct db_cache {
	uint32_t hash[DB_CACHED];
	struct db_cached {
		sqlite3_stmt *stmt;
		char *sql;		/* as it was asked for */
		size_t len;
		uint64_t used;		/* larger: more recently */
		bool busy;		/* somebody has it */
	} slot[DB_CACHED];
	size_t n, last;			/* last: the slot handed out last */
	uint64_t clock;
};

/* What db_commit.c runs itself; scripts may not (db_authorize). */
enum db_ctl { CTL_BEGIN, CTL_COMMIT, CTL_ROLLBACK, CTL_SAVEPOINT, CTL_RELEASE,
    CTL_UNDO, CTL_COUNT };

struct db {
	struct loop *loop;		/* may be NULL */
	sqlite3 *w, *r;			/* r == w without a file */
	struct db_cache wcache, rcache;
	sqlite3_stmt *ctl[CTL_COUNT];
	bool own;			/* a statement of ours is running */
	bool tx;			/* the group's transaction is open */
	bool in_write;			/* inside a savepoint */
	bool lost;			/* SQLite rolled the group back */
	struct err lost_err;		/* why */
	struct db_waiter *first, **last;
	struct loop_defer commit;
};

/* Fill e from an SQLite result of connection c; always returns -1. */
int db_set_err(struct db *d, sqlite3 *c, int rc, const char *what,
    struct err *e);

/* Notice that SQLite ended the group's transaction by itself (full disk, I/O
 * error, ON CONFLICT ROLLBACK); why may be NULL. */
void db_check_lost(struct db *d, const struct err *why);

/* Run one of our own statements; returns SQLite's result. */
int db_run_ctl(struct db *d, enum db_ctl ctl);

/* Commit the group and tell the waiters. 0 when there was none. */
int db_commit_now(struct db *d, struct err *e);

/* Finalize the kept statements that nobody has, or all of them. */
void db_cache_clear(struct db_cache *c, bool all);

#endif
