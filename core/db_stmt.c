/*
 * db_stmt.c - statements are prepared once and kept, per connection.
 *
 * The 64 used last are kept. One that somebody still steps through is never
 * handed out twice; the second asker gets a fresh one that db_finish() throws
 * away.
 */
#include <stdlib.h>
#include <string.h>

#include "db_priv.h"
#include "mem.h"

/* Word by word: statements are hundreds of bytes and looked up all the time. */
static uint32_t
sql_hash(const char *sql, size_t len)
{
	uint64_t h = len * 0x9e3779b97f4a7c15u, word;

	for (; len >= 8; sql += 8, len -= 8) {
		memcpy(&word, sql, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	word = 0;
	memcpy(&word, sql, len);
	h = (h ^ word) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32);
}

static struct db_cached *
cache_find(struct db_cache *c, const char *sql, size_t len, uint32_t hash)
{
	struct db_cached *s;
	size_t i;

	for (i = 0; i < c->n; i++) {
		s = &c->slot[i];
		if (c->hash[i] == hash && s->len == len && !s->busy &&
		    memcmp(s->sql, sql, len) == 0) {
			c->last = i;
			return s;
		}
	}
	return NULL;
}

static void
cached_drop(struct db_cached *s)
{
	sqlite3_finalize(s->stmt);
	free(s->sql);
	*s = (struct db_cached){ 0 };
}

/* A free slot, or that of the idle statement used longest ago; NULL when all
 * are busy. */
static struct db_cached *
cache_room(struct db_cache *c)
{
	struct db_cached *oldest = NULL, *s;

	if (c->n < DB_CACHED)
		return &c->slot[c->n++];
	for (s = c->slot; s < c->slot + DB_CACHED; s++) {
		if (!s->busy && (oldest == NULL || s->used < oldest->used))
			oldest = s;
	}
	if (oldest != NULL)
		cached_drop(oldest);
	return oldest;
}

/* Keep a statement that was just prepared, when there is room. */
static void
cache_add(struct db_cache *c, sqlite3_stmt *stmt, const char *sql, size_t len,
    uint32_t hash)
{
	struct db_cached *s = cache_room(c);

	if (s == NULL)
		return;
	s->stmt = stmt;
	s->sql = xmemdup0(sql, len);
	s->len = len;
	s->used = ++c->clock;
	s->busy = true;
	c->last = (size_t)(s - c->slot);
	c->hash[c->last] = hash;
}

void
db_cache_clear(struct db_cache *c, bool all)
{
	size_t i, kept = 0;

	for (i = 0; i < c->n; i++) {
		if (all || !c->slot[i].busy) {
			cached_drop(&c->slot[i]);
			continue;
		}
		c->slot[kept] = c->slot[i];
		c->hash[kept++] = c->hash[i];
	}
	c->n = kept;
	c->last = 0;
}

/* Exactly one statement: what comes after it may be blank or comment. */
static sqlite3_stmt *
stmt_compile(struct db *d, sqlite3 *conn, const char *sql, size_t len,
    struct err *e)
{
	sqlite3_stmt *stmt = NULL, *more = NULL;
	const char *tail = NULL;
	int rc;

	if (len > 1000000 || memchr(sql, '\0', len) != NULL) {
		err_set(e, "StoreMisuse", "a statement that is too long or "
		    "holds a NUL");
		return NULL;
	}
	rc = sqlite3_prepare_v3(conn, sql, (int)len,
	    SQLITE_PREPARE_PERSISTENT, &stmt, &tail);
	if (rc != SQLITE_OK) {
		db_set_err(d, conn, rc, "prepare", e);
		if (e != NULL && (rc & 0xff) == SQLITE_ERROR)
			e->code = "StoreMisuse";	/* no such column ... */
		return NULL;
	}
	if (stmt == NULL) {
		err_set(e, "StoreMisuse", "an empty statement");
		return NULL;
	}
	while (tail < sql + len && strchr(" \t\r\n;", *tail) != NULL)
		tail++;
	if (tail == sql + len)
		return stmt;
	rc = sqlite3_prepare_v2(conn, tail, (int)(sql + len - tail), &more,
	    NULL);
	if (rc == SQLITE_OK && more == NULL)
		return stmt;
	sqlite3_finalize(more);
	sqlite3_finalize(stmt);
	err_set(e, "StoreMisuse", "more than one statement");
	return NULL;
}

sqlite3_stmt *
db_prepare(struct db *d, const char *sql, size_t len, bool write,
    struct err *e)
{
	bool on_writer = write || d->in_write || d->r == d->w;
	struct db_cache *c = on_writer ? &d->wcache : &d->rcache;
	uint32_t hash = sql_hash(sql, len);
	struct db_cached *s;
	sqlite3_stmt *stmt;

	if (write && !d->in_write) {
		err_set(e, "StoreMisuse", "a change outside of a write");
		return NULL;
	}
	/* Without its transaction a change would be made durable by itself. */
	if (d->in_write) {
		db_check_lost(d, NULL);
		if (d->lost) {
			if (e != NULL)
				*e = d->lost_err;
			return NULL;
		}
	}
	s = cache_find(c, sql, len, hash);
	if (s != NULL) {
		stmt = s->stmt;
	} else {
		stmt = stmt_compile(d, on_writer ? d->w : d->r, sql, len, e);
		if (stmt == NULL)
			return NULL;
	}
	if (!write && !sqlite3_stmt_readonly(stmt)) {
		if (s == NULL)
			sqlite3_finalize(stmt);
		err_set(e, "StoreMisuse", "a query that changes rows");
		return NULL;
	}
	if (s != NULL) {
		s->busy = true;
		s->used = ++c->clock;
	} else {
		cache_add(c, stmt, sql, len, hash);
	}
	return stmt;
}

void
db_finish(struct db *d, sqlite3_stmt *stmt)
{
	struct db_cache *c;
	size_t i;

	if (stmt == NULL)
		return;
	c = sqlite3_db_handle(stmt) == d->w ? &d->wcache : &d->rcache;
	i = c->last;
	if (i >= c->n || c->slot[i].stmt != stmt) {
		for (i = 0; i < c->n && c->slot[i].stmt != stmt; i++)
			continue;
	}
	if (i == c->n) {
		sqlite3_finalize(stmt);
		return;
	}
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	c->slot[i].busy = false;
}
