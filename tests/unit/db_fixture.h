/*
 * db_fixture.h - a store in a directory of its own, and short ways to use it,
 * for db_test.c and db_commit_test.c.
 */
#ifndef COLIBRI_DB_FIXTURE_H
#define COLIBRI_DB_FIXTURE_H

#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "db_priv.h"
#include "log.h"

struct place {
	char dir[64], path[96];
	struct loop *loop;
	struct db *db;
};

static struct db *
open_store(struct place *p, struct err *e)
{
	return db_open(p->loop, p->path, e);
}

static void
place_make(struct place *p, bool memory)
{
	struct err e = ERR_INIT;

	memset(p, 0, sizeof(*p));
	strcpy(p->dir, "/tmp/colibri-db.XXXXXX");
	CHECK(mkdtemp(p->dir) != NULL);
	snprintf(p->path, sizeof(p->path), "%s/store.db", p->dir);
	if (memory)
		strcpy(p->path, ":memory:");
	p->loop = loop_new(NULL, &e);
	p->db = open_store(p, &e);
	CHECK_STR(e.text, "");
	CHECK_INT(db_migrate(p->db, 1,
	    "CREATE TABLE t (k TEXT PRIMARY KEY, v ANY);"
	    "CREATE TABLE child (p TEXT REFERENCES t(k)"
	    " DEFERRABLE INITIALLY DEFERRED);", &e), 0);
	CHECK_STR(e.text, "");
}

static void
place_remove(struct place *p)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[128];
	size_t i;

	db_close(p->db);
	loop_free(p->loop);
	for (i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", p->path, ends[i]);
		unlink(name);
	}
	CHECK_INT(rmdir(p->dir), 0);
}

/* One statement without parameters: 0, or -1 with e. */
static int
run(struct db *d, const char *sql, bool write, struct err *e)
{
	sqlite3_stmt *stmt = db_prepare(d, sql, strlen(sql), write, e);
	int rc;

	if (stmt == NULL)
		return -1;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		continue;
	rc = rc == SQLITE_DONE ? 0 : db_error(d, stmt, "run", e);
	db_finish(d, stmt);
	return rc;
}

static int
insert(struct db *d, const char *key, struct err *e)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "INSERT INTO t VALUES ('%s', 1)", key);
	return run(d, sql, true, e);
}

static long long
number(struct db *d, const char *sql)
{
	struct err e = ERR_INIT;
	sqlite3_stmt *stmt = db_prepare(d, sql, strlen(sql), false, &e);
	long long n = -1;

	if (stmt != NULL && sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	CHECK_STR(e.text, "");
	db_finish(d, stmt);
	return n;
}

#define ROWS(d)	number((d), "SELECT count(*) FROM t")

static int
write_key(struct db *d, const char *key)
{
	struct err e = ERR_INIT;
	int rc = db_begin(d, &e);

	CHECK_STR(e.text, "");
	if (rc == 0) {
		rc = insert(d, key, &e);
		if (db_end(d, rc == 0, &e) != 0)
			rc = -1;
	}
	return rc;
}

/* The failures of this test are logged; nobody wants to read them. */
static void
hush(void)
{
	log_setup(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR,
	    LOG_TEXT);
}

#endif
