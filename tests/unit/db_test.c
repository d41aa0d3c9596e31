/* links: db db_stmt db_commit loop mem err log log_line secret secret_redact */
#include <sys/types.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "db_fixture.h"

TEST(open_sets_what_was_promised)
{
	struct place p;
	struct stat st;
	struct err e = ERR_INIT;
	char name[128];
	mode_t mask = umask(0);
	int version;

	place_make(&p, false);
	umask(mask);
	CHECK_INT(stat(p.path, &st), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	snprintf(name, sizeof(name), "%s-wal", p.path);
	CHECK_INT(stat(name, &st), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_INT(db_version(p.db, &version, &e), 0);
	CHECK_INT(version, 1);
	CHECK_INT(db_begin(p.db, &e), 0);
	CHECK_INT(number(p.db, "PRAGMA synchronous"), 2);
	CHECK_INT(number(p.db, "PRAGMA foreign_keys"), 1);
	CHECK_INT(number(p.db, "PRAGMA trusted_schema"), 0);
	CHECK_INT(number(p.db, "PRAGMA busy_timeout"), 2000);
	CHECK_INT(db_end(p.db, true, &e), 0);
	CHECK_INT(number(p.db, "PRAGMA trusted_schema"), 0);
	CHECK_STR(sqlite3_db_filename(p.db->w, "main"),
	    sqlite3_db_filename(p.db->r, "main"));
	db_close(p.db);
	CHECK_INT(stat(name, &st), -1);		/* folded in at the end */
	p.db = open_store(&p, &e);
	CHECK(p.db != NULL);
	place_remove(&p);
}

TEST(misuse_is_refused)
{
	static const char *const bad_reads[] = {
		"INSERT INTO t VALUES ('x', 1)", "CREATE TABLE u (a)", "",
		" -- nothing", "SELECT 1; SELECT 2", "SELECT nothing FROM t",
		"SELECT * FROM missing", "SELEC", "BEGIN", "COMMIT",
		"SAVEPOINT s", "ATTACH 'x' AS y", "SELECT \"text\"",
	};
	static const char *const bad_writes[] = {
		"COMMIT", "ROLLBACK", "RELEASE writer", "SAVEPOINT s",
		"DETACH main",
	};
	struct place p;
	struct err e = ERR_INIT;
	size_t i;

	place_make(&p, false);
	for (i = 0; i < ARRAY_LEN(bad_reads); i++) {
		e.code = "";
		CHECK_INT(run(p.db, bad_reads[i], false, &e), -1);
		CHECK_STR(e.code, "StoreMisuse");
	}
	CHECK_INT(run(p.db, "SELECT 1; -- fine\n ;", false, &e), 0);
	CHECK(db_prepare(p.db, "SELECT 1\0;", 10, false, &e) == NULL);
	CHECK_STR(e.code, "StoreMisuse");
	CHECK_INT(insert(p.db, "x", &e), -1);
	CHECK_STR(e.code, "StoreMisuse");
	CHECK_INT(db_end(p.db, true, &e), -1);
	CHECK_STR(e.code, "StoreMisuse");
	CHECK_INT(db_begin(p.db, &e), 0);
	for (i = 0; i < ARRAY_LEN(bad_writes); i++) {
		e.code = "";
		CHECK_INT(run(p.db, bad_writes[i], true, &e), -1);
		CHECK_STR(e.code, "StoreMisuse");
	}
	CHECK_INT(run(p.db, bad_reads[0], false, &e), -1);
	CHECK_STR(e.code, "StoreMisuse");
	CHECK_INT(db_begin(p.db, &e), -1);
	CHECK_STR(e.code, "StoreMisuse");
	CHECK_INT(db_migrate(p.db, 2, "", &e), -1);
	CHECK_STR(e.code, "StoreMisuse");
	CHECK_INT(db_end(p.db, true, &e), 0);
	CHECK_INT(ROWS(p.db), 0);
	place_remove(&p);
}

TEST(statements_are_kept_and_never_shared)
{
	static const char sql[] = "SELECT k FROM t";
	struct place p;
	struct err e = ERR_INIT;
	sqlite3_stmt *a, *b, *busy[DB_CACHED + 2];
	char text[64];
	int i;

	place_make(&p, false);
	a = db_prepare(p.db, sql, strlen(sql), false, &e);
	db_finish(p.db, a);
	b = db_prepare(p.db, sql, strlen(sql), false, &e);
	CHECK(a == b);
	b = db_prepare(p.db, sql, strlen(sql), false, &e);
	CHECK(a != b);
	db_finish(p.db, a);
	db_finish(p.db, b);
	CHECK_INT(p.db->rcache.n, 2);
	for (i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "SELECT %d", i);
		CHECK_INT(number(p.db, text), i);
	}
	CHECK_INT(p.db->rcache.n, DB_CACHED);
	for (i = 0; i < DB_CACHED + 2; i++) {
		busy[i] = db_prepare(p.db, sql, strlen(sql), false, &e);
		CHECK(busy[i] != NULL);
	}
	for (i = 0; i < DB_CACHED + 1; i++)
		db_finish(p.db, busy[i]);
	db_finish(p.db, NULL);
	/* The last is never given back: db_close() takes it. */
	place_remove(&p);
}

TEST(migrations)
{
	struct place p;
	struct err e = ERR_INIT;
	int version;

	place_make(&p, false);
	CHECK_INT(write_key(p.db, "a"), 0);	/* pending: committed first */
	CHECK_INT(number(p.db, "SELECT count(*) FROM (SELECT * FROM t)"), 0);
	CHECK_INT(db_migrate(p.db, 2, "ALTER TABLE t ADD COLUMN x;"
	    "UPDATE t SET x = 5;", &e), 0);
	CHECK_INT(number(p.db, "SELECT x FROM t"), 5);
	/* All or nothing. */
	CHECK_INT(db_migrate(p.db, 3, "CREATE TABLE n (a);"
	    "INSERT INTO missing VALUES (1);", &e), -1);
	CHECK_STR(e.code, "StoreFailed");
	CHECK_HAS(e.text, "migrate to schema 3");
	CHECK_INT(db_migrate(p.db, 3, "CREATE TABLE n (a); COMMIT;", &e), -1);
	CHECK_STR(e.code, "StoreMisuse");
	CHECK_INT(number(p.db, "SELECT count(*) FROM sqlite_schema WHERE "
	    "name = 'n'"), 0);
	CHECK_INT(db_version(p.db, &version, &e), 0);
	CHECK_INT(version, 2);
	CHECK_INT(db_migrate(p.db, 2, "never run", &e), 0);
	CHECK_INT(db_migrate(p.db, 1, "never run", &e), -1);
	CHECK_STR(e.code, "StoreNewer");
	CHECK_INT(write_key(p.db, "b"), -1);	/* t has three columns now */
	place_remove(&p);
}

TEST(busy_writer)
{
	struct place p;
	struct err e = ERR_INIT;
	sqlite3 *other = NULL;

	place_make(&p, false);
	CHECK_INT(sqlite3_open(p.path, &other), SQLITE_OK);
	CHECK_INT(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_busy_timeout(p.db->w, 10);
	CHECK_INT(db_begin(p.db, &e), -1);
	CHECK_STR(e.code, "StoreBusy");
	CHECK_INT(db_migrate(p.db, 9, "", &e), -1);
	CHECK_STR(e.code, "StoreBusy");
	CHECK_INT(ROWS(p.db), 0);	/* readers go on */
	sqlite3_close(other);
	CHECK_INT(write_key(p.db, "a"), 0);
	loop_turn(p.loop, 5);
	CHECK_INT(ROWS(p.db), 1);
	place_remove(&p);
}

TEST(not_a_store_and_corrupt)
{
	struct place p;
	struct err e = ERR_INIT;
	struct db *d;
	char junk[4096];
	int fd, i;

	place_make(&p, false);
	for (i = 0; i < 400; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key-%08d", i);
		CHECK_INT(write_key(p.db, key), 0);
	}
	db_close(p.db);
	memset(junk, 'j', sizeof(junk));
	fd = open(p.path, O_RDWR);
	for (i = 1; i < 12; i++)
		CHECK_INT(pwrite(fd, junk, sizeof(junk), i * 4096), 4096);
	p.db = open_store(&p, &e);
	if (p.db != NULL)
		CHECK_INT(run(p.db, "SELECT * FROM t", false, &e), -1);
	CHECK_STR(e.code, "StoreCorrupt");
	db_close(p.db);
	p.db = NULL;
	CHECK_INT(pwrite(fd, junk, sizeof(junk), 0), 4096);
	close(fd);
	d = open_store(&p, &e);
	CHECK(d == NULL);
	CHECK_STR(e.code, "StoreCorrupt");
	CHECK_HAS(e.text, p.path);
	place_remove(&p);
}

TEST(places_that_cannot_be_opened)
{
	struct place p;
	struct err e = ERR_INIT;
	char path[128];

	place_make(&p, false);
	CHECK(db_open(p.loop, p.dir, &e) == NULL);
	CHECK_STR(e.code, "StoreOpenFailed");
	snprintf(path, sizeof(path), "%s/missing/store.db", p.dir);
	CHECK(db_open(p.loop, path, &e) == NULL);
	CHECK_STR(e.code, "StoreOpenFailed");
	snprintf(path, sizeof(path), "%s/link", p.dir);
	CHECK_INT(symlink("nowhere", path), 0);
	CHECK(db_open(p.loop, path, &e) == NULL);
	CHECK_STR(e.code, "StoreOpenFailed");
	unlink(path);
	place_remove(&p);
}

/* In a child without root's rights: 0 when each open says StoreReadOnly. */
static int
try_read_only(struct place *p)
{
	struct err e = ERR_INIT;
	char path[128];
	int bad = 0;

	if (geteuid() == 0 && setuid(65534) != 0)
		return 100;
	snprintf(path, sizeof(path), "%s/new.db", p->dir);
	if (db_open(NULL, path, &e) != NULL ||
	    strcmp(e.code, "StoreReadOnly") != 0)
		bad |= 1;
	/* The store itself may be written, its directory not: no -wal. */
	if (db_open(NULL, p->path, &e) != NULL ||
	    strcmp(e.code, "StoreReadOnly") != 0) {
		printf("# %s: %s\n", e.code, e.text);
		bad |= 2;
	}
	return bad;
}

TEST(read_only_places)
{
	struct place p;
	struct err e = ERR_INIT;
	int pass, status = -1;
	pid_t pid;

	place_make(&p, false);
	db_close(p.db);
	for (pass = 0; pass < 2; pass++) {
		CHECK_INT(chmod(p.path, pass == 0 ? 0666 : 0444), 0);
		CHECK_INT(chmod(p.dir, 0555), 0);
		fflush(stdout);
		pid = fork();
		if (pid == 0)
			_exit(try_read_only(&p));
		CHECK_INT(waitpid(pid, &status, 0), pid);
		CHECK_INT(WEXITSTATUS(status), 0);
		CHECK_INT(chmod(p.dir, 0700), 0);
	}
	CHECK_INT(chmod(p.path, 0600), 0);
	p.db = open_store(&p, &e);
	CHECK_STR(e.text, "");
	place_remove(&p);
}

CHECK_MAIN(
	hush();
	RUN(open_sets_what_was_promised);
	RUN(misuse_is_refused);
	RUN(statements_are_kept_and_never_shared);
	RUN(migrations);
	RUN(busy_writer);
	RUN(not_a_store_and_corrupt);
	RUN(places_that_cannot_be_opened);
	RUN(read_only_places))
