/* links: db db_stmt db_commit loop mem err log log_line secret secret_redact */
#include <sys/types.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <signal.h>

#include "db_fixture.h"

struct waiter {
	struct db_waiter w;
	int told;
	char code[32];
	struct db *again;	/* write once more from inside the callback */
};

static void
waiter_cb(struct db_waiter *base, const struct err *e)
{
	struct waiter *w = (struct waiter *)base;

	w->told++;
	snprintf(w->code, sizeof(w->code), "%s", e != NULL ? e->code : "");
	if (w->again != NULL) {
		struct db *d = w->again;
		struct err f = ERR_INIT;

		w->again = NULL;
		CHECK_INT(db_begin(d, &f), 0);
		CHECK_INT(insert(d, "again", &f), 0);
		CHECK_INT(db_end(d, true, &f), 0);
		db_wait(d, &w->w);
	}
}

static void
wait_for(struct db *d, struct waiter *w)
{
	memset(w, 0, sizeof(*w));
	w->w.cb = waiter_cb;
	db_wait(d, &w->w);
}

/* Many writers of a turn: one commit; the reader sees rows only after it. */
TEST(group_commit)
{
	struct place p;
	struct waiter w[5];
	int i;

	place_make(&p, false);
	for (i = 0; i < 5; i++) {
		char key[2] = { (char)('a' + i), '\0' };

		CHECK_INT(write_key(p.db, key), 0);
		wait_for(p.db, &w[i]);
		CHECK_INT(w[i].told, 0);
	}
	CHECK_INT(ROWS(p.db), 0);
	db_wait_cancel(p.db, &w[4].w);
	db_wait_cancel(p.db, &w[1].w);
	db_wait_cancel(p.db, &w[1].w);
	wait_for(p.db, &w[1]);
	loop_turn(p.loop, 5);
	for (i = 0; i < 4; i++) {
		CHECK_INT(w[i].told, 1);
		CHECK_STR(w[i].code, "");
	}
	CHECK_INT(w[4].told, 0);
	CHECK_INT(ROWS(p.db), 5);
	wait_for(p.db, &w[0]);		/* nothing pending: at once */
	CHECK_INT(w[0].told, 1);
	place_remove(&p);
}

TEST(failed_writer_is_undone_alone)
{
	struct place p;
	struct waiter good;
	struct err e = ERR_INIT;

	place_make(&p, false);
	CHECK_INT(write_key(p.db, "a"), 0);
	CHECK_INT(db_begin(p.db, &e), 0);
	CHECK_INT(insert(p.db, "b", &e), 0);
	CHECK_INT(ROWS(p.db), 2);	/* its own rows, inside */
	CHECK_INT(insert(p.db, "a", &e), -1);
	CHECK_STR(e.code, "StoreConstraint");
	CHECK_INT(db_end(p.db, false, &e), 0);
	CHECK_INT(write_key(p.db, "c"), 0);
	wait_for(p.db, &good);
	loop_turn(p.loop, 5);
	CHECK_INT(good.told, 1);
	CHECK_STR(good.code, "");
	CHECK_INT(number(p.db, "SELECT count(*) FROM t WHERE k IN "
	    "('a', 'c')"), 2);
	CHECK_INT(ROWS(p.db), 2);
	place_remove(&p);
}

/* A deferred foreign key would fail the group's COMMIT: caught at db_end. */
TEST(deferred_foreign_key_fails_its_writer_only)
{
	struct place p;
	struct waiter good;
	struct err e = ERR_INIT;

	place_make(&p, false);
	CHECK_INT(write_key(p.db, "a"), 0);
	CHECK_INT(db_begin(p.db, &e), 0);
	CHECK_INT(run(p.db, "INSERT INTO child VALUES ('nobody')", true, &e),
	    0);
	CHECK_INT(db_end(p.db, true, &e), -1);
	CHECK_STR(e.code, "StoreConstraint");
	wait_for(p.db, &good);
	loop_turn(p.loop, 5);
	CHECK_STR(good.code, "");
	CHECK_INT(ROWS(p.db), 1);
	CHECK_INT(number(p.db, "SELECT count(*) FROM child"), 0);
	place_remove(&p);
}

TEST(waiter_may_write_again)
{
	struct place p;
	struct waiter w;

	place_make(&p, false);
	CHECK_INT(write_key(p.db, "a"), 0);
	wait_for(p.db, &w);
	w.again = p.db;
	loop_turn(p.loop, 5);		/* the stage runs on: one turn */
	CHECK_INT(w.told, 2);
	CHECK_STR(w.code, "");
	CHECK_INT(ROWS(p.db), 2);
	place_remove(&p);
}

/* A full disk: SQLite rolls the whole transaction back by itself. */
TEST(full_disk_fails_everybody_of_the_turn)
{
	struct place p;
	struct waiter first, later;
	struct err e = ERR_INIT;
	char sql[64];

	place_make(&p, false);
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%lld",
	    number(p.db, "PRAGMA page_count") + 2);
	CHECK_INT(sqlite3_exec(p.db->w, sql, NULL, NULL, NULL), SQLITE_OK);
	CHECK_INT(write_key(p.db, "a"), 0);
	wait_for(p.db, &first);
	CHECK_INT(db_begin(p.db, &e), 0);
	CHECK_INT(run(p.db, "INSERT INTO t VALUES ('b', zeroblob(100000))",
	    true, &e), -1);
	CHECK_STR(e.code, "StoreFull");
	CHECK(db_is_lost(p.db));
	/* What follows must not be committed on its own. */
	CHECK_INT(insert(p.db, "c", &e), -1);
	CHECK_STR(e.code, "StoreFull");
	CHECK_INT(db_end(p.db, true, &e), -1);
	CHECK_STR(e.code, "StoreFull");
	e.code = "";
	CHECK_INT(db_begin(p.db, &e), -1);
	CHECK_STR(e.code, "StoreFull");
	wait_for(p.db, &later);
	CHECK_INT(first.told + later.told, 0);
	loop_turn(p.loop, 5);
	CHECK(!db_is_lost(p.db));
	CHECK_STR(first.code, "StoreFull");
	CHECK_STR(later.code, "StoreFull");
	CHECK_INT(ROWS(p.db), 0);
	CHECK_INT(write_key(p.db, "d"), 0);
	wait_for(p.db, &first);
	loop_turn(p.loop, 5);
	CHECK_INT(first.told, 1);
	CHECK_STR(first.code, "");
	CHECK_INT(ROWS(p.db), 1);
	place_remove(&p);
}

TEST(on_conflict_rollback_is_noticed)
{
	struct place p;
	struct waiter w;
	struct err e = ERR_INIT;

	place_make(&p, false);
	CHECK_INT(write_key(p.db, "a"), 0);
	wait_for(p.db, &w);
	CHECK_INT(db_begin(p.db, &e), 0);
	CHECK_INT(run(p.db, "INSERT OR ROLLBACK INTO t VALUES ('a', 1)", true,
	    &e), -1);
	CHECK_INT(db_end(p.db, false, &e), 0);
	loop_turn(p.loop, 5);
	CHECK_STR(w.code, "StoreConstraint");
	CHECK_INT(ROWS(p.db), 0);
	place_remove(&p);
}

/* The file may not grow: COMMIT itself fails. */
TEST(failed_commit_fails_everybody_and_recovers)
{
	struct place p;
	struct waiter w[2];
	struct rlimit old, tight;
	char name[128];
	struct stat st;

	place_make(&p, false);
	snprintf(name, sizeof(name), "%s-wal", p.path);
	CHECK_INT(stat(name, &st), 0);
	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)st.st_size;
	CHECK_INT(write_key(p.db, "a"), 0);
	wait_for(p.db, &w[0]);
	CHECK_INT(write_key(p.db, "b"), 0);
	wait_for(p.db, &w[1]);
	setrlimit(RLIMIT_FSIZE, &tight);
	loop_turn(p.loop, 5);
	setrlimit(RLIMIT_FSIZE, &old);
	CHECK_STR(w[0].code, "StoreFailed");
	CHECK_STR(w[1].code, "StoreFailed");
	CHECK_INT(ROWS(p.db), 0);
	CHECK_INT(write_key(p.db, "a"), 0);
	wait_for(p.db, &w[0]);
	loop_turn(p.loop, 5);
	CHECK_STR(w[0].code, "");
	CHECK_INT(ROWS(p.db), 1);
	place_remove(&p);
}

TEST(without_a_loop_every_write_commits)
{
	struct place p;
	struct waiter w;
	struct err e = ERR_INIT;
	struct db *d;

	place_make(&p, false);
	d = db_open(NULL, p.path, &e);
	CHECK_INT(write_key(d, "a"), 0);
	CHECK_INT(ROWS(p.db), 1);
	wait_for(d, &w);
	CHECK_INT(w.told, 1);
	CHECK_INT(db_begin(d, &e), 0);
	CHECK_INT(run(d, "INSERT OR ROLLBACK INTO t VALUES ('a', 1)", true,
	    &e), -1);
	CHECK_INT(db_end(d, true, &e), -1);
	CHECK_STR(e.code, "StoreConstraint");
	CHECK_INT(write_key(d, "b"), 0);
	CHECK_INT(ROWS(p.db), 2);
	db_close(d);
	place_remove(&p);
}

TEST(memory_store)
{
	struct place p;

	place_make(&p, true);
	CHECK_INT(write_key(p.db, "a"), 0);
	CHECK_INT(ROWS(p.db), 1);
	loop_turn(p.loop, 5);
	CHECK_INT(ROWS(p.db), 1);
	place_remove(&p);
}

TEST(close_commits_and_tells)
{
	struct place p;
	struct waiter w;
	struct err e = ERR_INIT;

	place_make(&p, false);
	CHECK_INT(write_key(p.db, "a"), 0);
	wait_for(p.db, &w);
	CHECK_INT(db_begin(p.db, &e), 0);
	CHECK_INT(insert(p.db, "open", &e), 0);
	db_close(p.db);
	CHECK_INT(w.told, 1);
	CHECK_STR(w.code, "");
	loop_turn(p.loop, 0);
	p.db = open_store(&p, &e);
	CHECK_INT(ROWS(p.db), 1);
	db_close(NULL);
	place_remove(&p);
}

static int killed_pipe[2];

static void
killed_cb(struct db_waiter *w, const struct err *e)
{
	(void)w;
	if (write(killed_pipe[1], e == NULL ? "k" : "e", 1) != 1)
		_exit(1);
}

/* A row is there after a SIGKILL right behind its waiter; one that no COMMIT
 * covered is not. */
TEST(told_means_durable)
{
	struct place p;
	struct err e = ERR_INIT;
	struct db_waiter w = { .cb = killed_cb };
	char byte = 0;
	pid_t pid;

	place_make(&p, false);
	db_close(p.db);
	CHECK_INT(pipe(killed_pipe), 0);
	pid = fork();
	if (pid == 0) {
		struct loop *l = loop_new(NULL, NULL);

		p.db = db_open(l, p.path, NULL);
		write_key(p.db, "told");
		db_wait(p.db, &w);
		loop_turn(l, 5);
		write_key(p.db, "untold");
		for (;;)
			pause();
	}
	CHECK_INT(read(killed_pipe[0], &byte, 1), 1);
	CHECK_INT(byte, 'k');
	kill(pid, SIGKILL);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	close(killed_pipe[0]);
	close(killed_pipe[1]);
	p.db = open_store(&p, &e);
	CHECK_INT(number(p.db, "SELECT count(*) FROM t WHERE k = 'told'"), 1);
	CHECK_INT(number(p.db, "SELECT count(*) FROM t WHERE k = 'untold'"),
	    0);
	place_remove(&p);
}

CHECK_MAIN(
	hush();
	RUN(group_commit);
	RUN(failed_writer_is_undone_alone);
	RUN(deferred_foreign_key_fails_its_writer_only);
	RUN(waiter_may_write_again);
	RUN(full_disk_fails_everybody_of_the_turn);
	RUN(on_conflict_rollback_is_noticed);
	RUN(failed_commit_fails_everybody_and_recovers);
	RUN(without_a_loop_every_write_commits);
	RUN(memory_store);
	RUN(close_commits_and_tells);
	RUN(told_means_durable))
