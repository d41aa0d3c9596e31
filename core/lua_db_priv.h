/*
 * lua_db_priv.h - between lua_db.c (stores and writes) and lua_db_query.c
 * (statements). Nobody else includes it.
 */
#ifndef COLIBRI_LUA_DB_PRIV_H
#define COLIBRI_LUA_DB_PRIV_H

#include <lua.h>

#include "db.h"

struct ldb {
	struct db *db;		/* NULL once closed */
	int busy;		/* calls that use it now: it must stay open */
	int nshapes;		/* entries of the user value: see lua_db_query.c */
};

/* Each takes the SQL at index 2, the values behind it, and on top of the stack
 * the store's userdata. Pushes: the first row, or nil; the list of rows; the
 * number of changed rows. On failure nil, err. Returns the number pushed. A
 * query may change rows only with `change`. */
int lua_db_query(lua_State *L, struct ldb *o, bool many, bool change);
int lua_db_exec(lua_State *L, struct ldb *o);

/* Columns may have changed: forget them. The userdata is at idx. */
void lua_db_forget_shapes(lua_State *L, int idx, struct ldb *o);

/* lua_db_limit.c: a statement that computes for too long is interrupted. l lives
 * from before the first step to the call of _end, which then sets e
 * (BudgetExceeded). One that writes takes its turn's transaction with it, as
 * after a full disk. */
struct lua_db_limit {
	struct sqlite3 *c;
	double since;		/* CPU time; 0: not looked yet */
	bool over;
};
void lua_db_limit_begin(struct lua_db_limit *l, struct sqlite3_stmt *stmt);
void lua_db_limit_end(struct lua_db_limit *l, struct err *e);

/* Fetch what rows are made with from core.json. */
void lua_db_query_setup(lua_State *L);

#endif
