/*
 * commit.c - the baseline of register.sh: one upsert a COMMIT, in WAL mode with
 * synchronous=FULL, on one connection.
 *
 *	commit DATABASE SECONDS
 *
 * Prints
 *	rows-per-second p50-us p99-us
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SAMPLES_MAX	1000000

static double samples[SAMPLES_MAX];

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

static void
must(sqlite3 *db, int rc)
{
	if (rc == SQLITE_OK || rc == SQLITE_DONE)
		return;
	fprintf(stderr, "commit: %s\n", sqlite3_errmsg(db));
	exit(1);
}

/* Upserts until the time is over; returns how many. */
static int
upsert(sqlite3 *db, double seconds)
{
	double start = now(), before, after = start;
	sqlite3_stmt *st;
	char id[32];
	int n = 0;

	must(db, sqlite3_prepare_v2(db, "insert into tenants values (?1, ?2, "
	    "?1, 'provisioned', 0) on conflict (id) do update set "
	    "root = excluded.root", -1, &st, NULL));
	while (after - start < seconds && n < SAMPLES_MAX) {
		before = after;
		snprintf(id, sizeof(id), "t%.0f", before * 1e6);
		sqlite3_bind_text(st, 1, id, -1, SQLITE_TRANSIENT);
		sqlite3_bind_text(st, 2, "/var/lib/machines/proof0/root", -1,
		    SQLITE_STATIC);
		must(db, sqlite3_step(st));
		must(db, sqlite3_reset(st));
		after = now();
		samples[n++] = after - before;
	}
	sqlite3_finalize(st);
	return n;
}

int
main(int argc, char **argv)
{
	double start, seconds;
	sqlite3 *db;
	int n;

	if (argc != 3 || sqlite3_open(argv[1], &db) != SQLITE_OK)
		return 2;
	must(db, sqlite3_exec(db, "pragma journal_mode = wal; "
	    "pragma synchronous = full; create table if not exists tenants "
	    "(id text primary key, root text, collection text, status text, "
	    "created integer) without rowid", NULL, NULL, NULL));
	start = now();
	n = upsert(db, atof(argv[2]));
	seconds = now() - start;
	qsort(samples, (size_t)n, sizeof(*samples), compare);
	printf("%.0f %.1f %.1f\n", n / seconds, samples[n / 2] * 1e6,
	    samples[n * 99 / 100] * 1e6);
	sqlite3_close(db);
	return 0;
}
