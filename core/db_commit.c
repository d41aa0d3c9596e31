/*
 * db_commit.c - writers share a transaction, waiters share its COMMIT.
 *
 * db_begin() of the first writer of a turn opens the transaction and queues the
 * commit at LOOP_COMMIT; every writer works inside a savepoint, so one that
 * fails takes only its own rows back. When SQLite itself ends the transaction,
 * the group is lost: until the commit stage has told its waiters, no writer may
 * begin, so that nobody can take a later commit for his own.
 */
#include <string.h>

#include "db_priv.h"
#include "log.h"

int
db_run_ctl(struct db *d, enum db_ctl ctl)
{
	static const char *const sql[CTL_COUNT] = {
		[CTL_BEGIN] = "BEGIN IMMEDIATE",
		[CTL_COMMIT] = "COMMIT",
		[CTL_ROLLBACK] = "ROLLBACK",
		[CTL_SAVEPOINT] = "SAVEPOINT writer",
		[CTL_RELEASE] = "RELEASE writer",
		[CTL_UNDO] = "ROLLBACK TO writer",
	};
	int rc = SQLITE_OK;

	d->own = true;
	if (d->ctl[ctl] == NULL)
		rc = sqlite3_prepare_v3(d->w, sql[ctl], -1,
		    SQLITE_PREPARE_PERSISTENT, &d->ctl[ctl], NULL);
	if (rc == SQLITE_OK) {
		sqlite3_step(d->ctl[ctl]);
		rc = sqlite3_reset(d->ctl[ctl]);
	}
	d->own = false;
	return rc;
}

void
db_check_lost(struct db *d, const struct err *why)
{
	if (!d->tx || !sqlite3_get_autocommit(d->w))
		return;
	d->tx = false;
	d->lost = true;
	if (why != NULL)
		d->lost_err = *why;
	else
		err_set(&d->lost_err, "StoreFailed",
		    "the transaction was rolled back");
}

/* Undo everything since BEGIN: what is left when undoing one writer fails. */
static void
db_lose(struct db *d, const struct err *why)
{
	if (!sqlite3_get_autocommit(d->w))
		db_run_ctl(d, CTL_ROLLBACK);
	if (!d->lost)
		d->lost_err = *why;
	d->lost = true;
	d->tx = false;
}

/* --- waiters --- */

static void
waiter_unlink(struct db *d, struct db_waiter *w)
{
	if (w->next != NULL)
		w->next->prevp = w->prevp;
	else if (d->last == &w->next)
		d->last = w->prevp;
	*w->prevp = w->next;
	w->next = NULL;
	w->prevp = NULL;
}

/* A callback may write and wait again: that is the next group's. */
static void
db_tell(struct db *d, const struct err *e)
{
	struct db_waiter *told = d->first, *w;

	if (told == NULL)
		return;
	told->prevp = &told;
	d->first = NULL;
	d->last = &d->first;
	while ((w = told) != NULL) {
		waiter_unlink(d, w);
		w->cb(w, e);
	}
}

void
db_wait(struct db *d, struct db_waiter *w)
{
	if (!d->tx && !d->lost) {
		w->cb(w, NULL);
		return;
	}
	w->next = NULL;
	w->prevp = d->last;
	*d->last = w;
	d->last = &w->next;
}

void
db_wait_cancel(struct db *d, struct db_waiter *w)
{
	if (w->prevp != NULL)
		waiter_unlink(d, w);
}

/* --- the group --- */

int
db_commit_now(struct db *d, struct err *e)
{
	struct err why = ERR_INIT;
	int rc;

	if (!d->tx && !d->lost)
		return 0;
	if (d->tx) {
		rc = db_run_ctl(d, CTL_COMMIT);
		if (rc != SQLITE_OK) {
			db_set_err(d, d->w, rc, "commit", &why);
			db_lose(d, &why);
		}
		d->tx = false;
	}
	if (!d->lost) {
		db_tell(d, NULL);
		return 0;
	}
	why = d->lost_err;
	d->lost = false;
	if (e != NULL)
		*e = why;
	db_tell(d, &why);
	return -1;
}

static void
db_commit_cb(void *arg)
{
	struct err e = ERR_INIT;

	if (db_commit_now(arg, &e) != 0)
		log_error("db", "writes of this turn are undone: %s: %s",
		    e.code, e.text);
}

bool
db_is_lost(const struct db *d)
{
	return d->lost;
}

int
db_begin(struct db *d, struct err *e)
{
	int rc;

	if (d->in_write)
		return err_set(e, "StoreMisuse", "a write inside a write");
	if (d->lost) {
		if (e != NULL)
			*e = d->lost_err;
		return -1;
	}
	if (!d->tx) {
		if (!sqlite3_get_autocommit(d->w))
			db_run_ctl(d, CTL_ROLLBACK);	/* of a failed undo */
		rc = db_run_ctl(d, CTL_BEGIN);
		if (rc != SQLITE_OK)
			return db_set_err(d, d->w, rc, "begin", e);
		d->tx = true;
		if (d->loop != NULL)
			loop_defer(d->loop, LOOP_COMMIT, &d->commit,
			    db_commit_cb, d);
	}
	rc = db_run_ctl(d, CTL_SAVEPOINT);
	if (rc != SQLITE_OK)
		return db_set_err(d, d->w, rc, "begin", e);
	d->in_write = true;
	return 0;
}

/* Close the savepoint: keep its rows or take them back. */
static int
db_close_writer(struct db *d, bool ok, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = SQLITE_OK, keys = 0, unused = 0, failed = 0;

	db_check_lost(d, NULL);
	if (d->lost) {
		if (e != NULL)
			*e = d->lost_err;
		return ok ? -1 : 0;
	}
	/* Found at COMMIT it would undo the whole group. */
	if (ok && sqlite3_db_status(d->w, SQLITE_DBSTATUS_DEFERRED_FKS, &keys,
	    &unused, 0) == SQLITE_OK && keys != 0)
		failed = err_set(e, "StoreConstraint",
		    "a foreign key refers to no row");
	if (ok && failed == 0) {
		rc = db_run_ctl(d, CTL_RELEASE);
		if (rc == SQLITE_OK)
			return 0;
		failed = db_set_err(d, d->w, rc, "write", e);
	}
	rc = db_run_ctl(d, CTL_UNDO);
	if (rc == SQLITE_OK)
		rc = db_run_ctl(d, CTL_RELEASE);
	if (rc != SQLITE_OK) {
		db_set_err(d, d->w, rc, "undo", &why);
		db_lose(d, &why);
	}
	return failed;
}

int
db_end(struct db *d, bool ok, struct err *e)
{
	struct err why = ERR_INIT;
	int rc;

	if (!d->in_write)
		return err_set(e, "StoreMisuse", "the end of no write");
	d->in_write = false;
	rc = db_close_writer(d, ok, e);
	if (d->loop == NULL && db_commit_now(d, &why) != 0 && rc == 0 && ok) {
		if (e != NULL)
			*e = why;
		rc = -1;
	}
	return rc;
}
