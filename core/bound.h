/*
 * bound.h - library functions that cannot keep the loop busy.
 *
 * A function written in C executes no VM instructions, so the count hook does
 * not see it. These replace the ones of string, table and utf8 whose work
 * depends on their arguments: each charges the running task for what it does
 * (task_charge()), and what may take long pauses in the middle.
 */
#ifndef COLIBRI_BOUND_H
#define COLIBRI_BOUND_H

#include <lua.h>

#include "core.h"

/* Patch the libraries in the globals. Called by vm_new(). May raise. */
void bound_open(lua_State *L);

/* What a call costs anyhow, in units: less work than this is not charged, the
 * hook counts the instructions that make the call. */
#define BOUND_SMALL	32

/* Replace the field `name` of the table on top by the same function, charged
 * for its arguments and results: for what is linear. */
void bound_charge(lua_State *L, const char *name);

void bound_open_string(lua_State *L);	/* both: the library is on top */
void bound_open_table(lua_State *L);
int bound_sort(lua_State *L);		/* table.sort(list [, less]) */

/* The length of the list at index 1 as luaL_len() gives it; raises when it
 * claims to be too long for one that has a metatable. */
lua_Integer bound_length(lua_State *L, const char *name);

#endif
