/*
 * db.h - SQLite with group commit.
 *
 * One writer connection and, for files, one read-only connection that sees
 * committed rows only. Writers of one loop turn share a transaction: each runs
 * inside a savepoint of its own, so that one that fails is undone alone, and
 * all of them are made durable by one COMMIT (WAL, synchronous=FULL) at the
 * LOOP_COMMIT stage; only then are the waiters told. Statements are prepared
 * once and kept. Every call is short: the database is local and we are its
 * only writer (busy timeout 2 s for an operator's sqlite3 shell).
 */
#ifndef COLIBRI_DB_H
#define COLIBRI_DB_H

#include "core.h"
#include "err.h"
#include "loop.h"

struct db;
struct sqlite3_stmt;

/* Codes: StoreOpenFailed, StoreReadOnly, StoreCorrupt, StoreBusy. path
 * ":memory:" makes a store without a file (one connection). The file is
 * created 0600. l may be NULL: then every write commits at once. */
struct db *db_open(struct loop *l, const char *path, struct err *e);
void db_close(struct db *d);	/* commits or rolls back; NULL allowed */

/* PRAGMA user_version; and one migration: sql (several statements) runs in one
 * transaction that also sets user_version = to. Nothing happens when the store
 * has that version already; StoreNewer when it has a later one. */
int db_version(struct db *d, int *version, struct err *e);
int db_migrate(struct db *d, int to, const char *sql, struct err *e);

/* A cached statement, reset and unbound. write selects the connection and is
 * only allowed inside db_begin()..db_end(); a statement that writes is refused
 * otherwise (StoreMisuse), and so are transaction control, ATTACH and a second
 * statement. Inside db_begin()..db_end() reads use the writer, so they see the
 * own rows. "text" in double quotes is a name, never a string. */
struct sqlite3_stmt *db_prepare(struct db *d, const char *sql, size_t len,
    bool write, struct err *e);

/* Give a statement back (resets it). */
void db_finish(struct db *d, struct sqlite3_stmt *stmt);

/* Fill e from the statement's connection; call it before db_finish(). Always
 * returns -1. Codes: StoreBusy, StoreFull,
 * StoreReadOnly, StoreCorrupt, StoreConstraint, StoreMisuse, StoreFailed. */
int db_error(struct db *d, struct sqlite3_stmt *stmt, const char *what,
    struct err *e);

/* Open / close the savepoint of one writer. ok false undoes its rows alone.
 * When SQLite itself rolled back the turn's transaction (full disk, I/O error),
 * db_end(ok) and further db_begin() fail until LOOP_COMMIT has told everybody. */
int db_begin(struct db *d, struct err *e);
int db_end(struct db *d, bool ok, struct err *e);

/* SQLite rolled this turn's transaction back: nobody can write until LOOP_COMMIT.
 * Who goes on after a failed write should db_wait() first. */
bool db_is_lost(const struct db *d);

/* Tell me when what was written up to now is durable. e is NULL on success;
 * on failure every write of the turn is gone. Called from LOOP_COMMIT, or at
 * once when there is nothing to commit or no loop. */
struct db_waiter {		/* embed; zero it first */
	void (*cb)(struct db_waiter *w, const struct err *e);
	struct db_waiter *next, **prevp;
};
void db_wait(struct db *d, struct db_waiter *w);
void db_wait_cancel(struct db *d, struct db_waiter *w);

#endif
