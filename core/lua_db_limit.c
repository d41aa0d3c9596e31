/*
 * lua_db_limit.c - a statement of a script that computes for too long ends.
 *
 * SQLite runs a statement to its end, and nobody else is served meanwhile. Its
 * progress handler looks at the thread's CPU time, so that a busy machine does
 * not count.
 */
#include <sqlite3.h>

#include <time.h>

#include "lua_db_priv.h"

#define VM_STEPS	20000	/* of SQLite's machine, between two looks */
#define STATEMENT_SECONDS 0.25

static double
cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
limit_cb(void *arg)
{
	struct lua_db_limit *l = arg;

	if (l->since == 0)
		l->since = cpu_now();	/* short ones never come here */
	else if (cpu_now() > l->since + STATEMENT_SECONDS)
		l->over = true;
	return l->over;
}

void
lua_db_limit_begin(struct lua_db_limit *l, sqlite3_stmt *stmt)
{
	*l = (struct lua_db_limit){ .c = sqlite3_db_handle(stmt) };
	sqlite3_progress_handler(l->c, VM_STEPS, limit_cb, l);
}

void
lua_db_limit_end(struct lua_db_limit *l, struct err *e)
{
	sqlite3_progress_handler(l->c, 0, NULL, NULL);
	if (l->over)
		err_set(e, "BudgetExceeded", "a statement that computes for "
		    "more than %.2f s", STATEMENT_SECONDS);
}
