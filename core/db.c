/*
 * db.c - opening a store, its errors and its migrations; see db.h.
 *
 * The writer is opened first: it makes the -wal and -shm files that a read-only
 * connection cannot make.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db_priv.h"
#include "mem.h"

#define BUSY_MS		2000	/* for an operator's sqlite3 shell */

/* --- errors --- */

static const char *
db_code(sqlite3 *c, int rc)
{
	int sys = sqlite3_system_errno(c);

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return "StoreBusy";
	case SQLITE_FULL:
		return "StoreFull";
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return "StoreReadOnly";
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return "StoreCorrupt";
	case SQLITE_CONSTRAINT:
		return "StoreConstraint";
	case SQLITE_MISUSE:
	case SQLITE_AUTH:
	case SQLITE_RANGE:
		return "StoreMisuse";
	case SQLITE_IOERR:
		return sys == ENOSPC || sys == EDQUOT ? "StoreFull" :
		    "StoreFailed";
	case SQLITE_CANTOPEN:
		return sys == EACCES || sys == EPERM || sys == EROFS ?
		    "StoreReadOnly" : "StoreFailed";
	default:
		return "StoreFailed";
	}
}

int
db_set_err(struct db *d, sqlite3 *c, int rc, const char *what, struct err *e)
{
	struct err own = ERR_INIT;

	err_set(&own, db_code(c, rc), "%s: %s", what, sqlite3_errmsg(c));
	if (c == d->w)
		db_check_lost(d, &own);
	if (e != NULL)
		*e = own;
	return -1;
}

int
db_error(struct db *d, sqlite3_stmt *stmt, const char *what, struct err *e)
{
	sqlite3 *c = stmt != NULL ? sqlite3_db_handle(stmt) : d->w;

	return db_set_err(d, c, sqlite3_extended_errcode(c), what, e);
}

/* --- opening --- */

/* Transactions are ours alone, and no statement opens another file. */
static int
db_authorize(void *arg, int action, const char *a, const char *b,
    const char *base, const char *trigger)
{
	const struct db *d = arg;

	(void)a;
	(void)b;
	(void)base;
	(void)trigger;
	if (d->own)
		return SQLITE_OK;
	switch (action) {
	case SQLITE_TRANSACTION:
	case SQLITE_SAVEPOINT:
	case SQLITE_ATTACH:
	case SQLITE_DETACH:
		return SQLITE_DENY;
	default:
		return SQLITE_OK;
	}
}

/* Make the file with its mode before SQLite sees it; -wal and -shm get the
 * same. An existing file is not opened here: closing it again would drop the
 * POSIX locks of any other connection in this process. */
static int
db_create(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0)
		return err_sys(e, errno == EACCES || errno == EPERM ||
		    errno == EROFS ? "StoreReadOnly" : "StoreOpenFailed",
		    "create %s", path);
	rc = fchmod(fd, 0600);		/* whatever the umask was */
	if (rc != 0)
		err_sys(e, "StoreOpenFailed", "create %s", path);
	close(fd);
	return rc;
}

/* Run sql and compare the first column of its first row; NULL: any. */
static int
db_expect(struct db *d, sqlite3 *c, const char *sql, const char *want,
    struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	const unsigned char *got;
	int rc;

	rc = sqlite3_prepare_v2(c, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
		db_set_err(d, c, rc, sql, e);
		rc = -1;
	} else {
		rc = 0;
		got = sqlite3_column_text(stmt, 0);
		if (want != NULL && (got == NULL ||
		    strcmp((const char *)got, want) != 0))
			rc = err_set(e, "StoreOpenFailed", "%s: got '%s'", sql,
			    got != NULL ? (const char *)got : "");
	}
	sqlite3_finalize(stmt);
	return rc;
}

static sqlite3 *
db_connect(struct db *d, const char *path, int flags, struct err *e)
{
	sqlite3 *c = NULL;
	int rc;

	rc = sqlite3_open_v2(path, &c, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK) {
		if (c != NULL)
			db_set_err(d, c, rc, "open", e);
		else
			err_set(e, "StoreOpenFailed", "no memory");
		sqlite3_close(c);
		return NULL;
	}
	sqlite3_extended_result_codes(c, 1);
	sqlite3_busy_timeout(c, BUSY_MS);
	sqlite3_db_config(c, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
	sqlite3_db_config(c, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(c, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* "text" is a column name, never a string by mistake. */
	sqlite3_db_config(c, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(c, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_set_authorizer(c, db_authorize, d);
	return c;
}

static int
db_open_both(struct db *d, const char *path, struct err *e)
{
	bool memory = strcmp(path, ":memory:") == 0;

	if (!memory && db_create(path, e) != 0)
		return -1;
	d->w = db_connect(d, path, SQLITE_OPEN_READWRITE, e);
	if (d->w == NULL)
		return -1;
	/* SQLite opens what it may not write as read-only, silently. */
	if (sqlite3_db_readonly(d->w, "main") == 1)
		return err_set(e, "StoreReadOnly", "no right to write");
	if (db_expect(d, d->w, "PRAGMA journal_mode=WAL",
	    memory ? "memory" : "wal", e) != 0 ||
	    db_expect(d, d->w, "PRAGMA synchronous=FULL", NULL, e) != 0 ||
	    db_expect(d, d->w, "PRAGMA temp_store=MEMORY", NULL, e) != 0 ||
	    db_expect(d, d->w, "SELECT count(*) FROM sqlite_schema", NULL,
	    e) != 0)
		return -1;
	if (memory) {
		d->r = d->w;
		return 0;
	}
	d->r = db_connect(d, path, SQLITE_OPEN_READONLY, e);
	if (d->r == NULL)
		return -1;
	return db_expect(d, d->r, "PRAGMA temp_store=MEMORY", NULL, e);
}

struct db *
db_open(struct loop *l, const char *path, struct err *e)
{
	struct db *d = xcalloc(1, sizeof(*d));
	struct err why = ERR_INIT;

	d->loop = l;
	d->last = &d->first;
	if (db_open_both(d, path, &why) != 0) {
		if (strcmp(why.code, "StoreFailed") == 0)
			why.code = "StoreOpenFailed";
		err_wrap(&why, "store %s", path);
		if (e != NULL)
			*e = why;
		db_close(d);
		return NULL;
	}
	return d;
}

static void
db_disconnect(sqlite3 *c)
{
	sqlite3_stmt *stmt;

	while ((stmt = sqlite3_next_stmt(c, NULL)) != NULL)
		sqlite3_finalize(stmt);		/* never given back */
	sqlite3_close(c);
}

void
db_close(struct db *d)
{
	int i;

	if (d == NULL)
		return;
	if (d->in_write)
		db_end(d, false, NULL);
	db_commit_now(d, NULL);
	if (d->loop != NULL)
		loop_defer_cancel(d->loop, &d->commit);
	for (i = 0; i < CTL_COUNT; i++)
		sqlite3_finalize(d->ctl[i]);
	db_cache_clear(&d->wcache, true);
	db_cache_clear(&d->rcache, true);
	/* The last to close folds the -wal file in, so the writer must be it. */
	if (d->r != NULL && d->r != d->w)
		db_disconnect(d->r);
	if (d->w != NULL)
		db_disconnect(d->w);
	free(d);
}

/* --- schema --- */

int
db_version(struct db *d, int *version, struct err *e)
{
	static const char sql[] = "PRAGMA user_version";
	sqlite3_stmt *stmt = db_prepare(d, sql, sizeof(sql) - 1, false, e);
	int rc = 0;

	*version = 0;
	if (stmt == NULL)
		return -1;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		*version = sqlite3_column_int(stmt, 0);
	else
		rc = db_error(d, stmt, "schema version", e);
	db_finish(d, stmt);
	return rc;
}

/* Inside the transaction of db_migrate. */
static int
db_migrate_steps(struct db *d, int to, const char *sql, struct err *e)
{
	char *pragma;
	int rc, version;

	d->in_write = true;		/* read through the writer */
	rc = db_version(d, &version, e);
	d->in_write = false;
	if (rc != 0 || version == to)
		return rc;
	if (version > to)
		return err_set(e, "StoreNewer", "the schema is version %d, "
		    "this program knows %d", version, to);
	rc = sqlite3_exec(d->w, sql, NULL, NULL, NULL);
	if (rc == SQLITE_OK && sqlite3_get_autocommit(d->w))
		return err_set(e, "StoreFailed",
		    "the transaction was rolled back");
	if (rc == SQLITE_OK) {
		pragma = xasprintf("PRAGMA user_version=%d", to);
		rc = sqlite3_exec(d->w, pragma, NULL, NULL, NULL);
		free(pragma);
	}
	if (rc == SQLITE_OK)
		rc = db_run_ctl(d, CTL_COMMIT);
	if (rc != SQLITE_OK)
		return db_set_err(d, d->w, rc, "statement", e);
	return 0;
}

int
db_migrate(struct db *d, int to, const char *sql, struct err *e)
{
	int rc;

	if (d->in_write)
		return err_set(e, "StoreMisuse", "a migration inside a write");
	if (db_commit_now(d, e) != 0)
		return -1;
	rc = db_run_ctl(d, CTL_BEGIN);
	if (rc != SQLITE_OK)
		return db_set_err(d, d->w, rc, "begin", e);
	rc = db_migrate_steps(d, to, sql, e);
	if (!sqlite3_get_autocommit(d->w))
		db_run_ctl(d, CTL_ROLLBACK);
	if (rc != 0)
		return err_wrap(e, "migrate to schema %d", to);
	db_cache_clear(&d->wcache, false);
	db_cache_clear(&d->rcache, false);
	return 0;
}
