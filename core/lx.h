/*
 * lx.h - what every binding needs between C and the Lua stack.
 *
 * Conventions of a binding: expected failures return `nil, err` (lx_fail);
 * misuse (wrong type, unknown field, surplus argument) raises with file and
 * line. Parse and check all arguments first, acquire second: no malloc and no
 * open descriptor may be live across a call that can raise, unless a userdata
 * already owns it. Never keep a lua_State that was passed in.
 */
#ifndef COLIBRI_LX_H
#define COLIBRI_LX_H

#include <lua.h>
#include <lauxlib.h>

#include "core.h"
#include "err.h"
#include "secret.h"

/* Push { code, message, sys? } with the error metatable (tostring gives
 * "Code: message"). */
void lx_push_err(lua_State *L, const struct err *e);

/* Push nil and the error object; returns 2. */
int lx_fail(lua_State *L, const struct err *e);

/* Fill e from the error object at idx (table with code and message, or any
 * value raised); never raises. The code is interned and stays valid. */
void lx_to_err(lua_State *L, int idx, struct err *e);

/* Raise when more than n arguments were given. */
void lx_checknargs(lua_State *L, int n);

/* Raise unless the table at idx has only these fields (NULL-terminated). */
void lx_checkfields(lua_State *L, int idx, const char *const *names);

/* Typed fields of an option table at idx; missing gives the default; a wrong
 * type raises "field 'x' must be a string, got table". The string is anchored
 * by the table. lx_field_str refuses embedded NUL. */
const char *lx_field_str(lua_State *L, int idx, const char *name,
    const char *def);
lua_Integer lx_field_int(lua_State *L, int idx, const char *name,
    lua_Integer def);
double lx_field_num(lua_State *L, int idx, const char *name, double def);
bool lx_field_bool(lua_State *L, int idx, const char *name, bool def);

/* A string argument without embedded NUL. */
const char *lx_checkstr(lua_State *L, int idx);

/* A NULL-terminated array of the strings in the list at idx, as a userdata on
 * top of the stack that must stay there while it is used; the strings are
 * anchored by the list. Raises on a non-string, an embedded NUL, or more than
 * max elements. Returns the array. */
const char **lx_checkstrlist(lua_State *L, int idx, size_t max);

/* Metatables: lx_newclass registers one with methods and __gc/__close/
 * __tostring among `meta`; __index is methods; __metatable hides it. */
void lx_newclass(lua_State *L, const char *name, const luaL_Reg *methods,
    const luaL_Reg *meta);

/* Secrets as opaque handles: tostring gives "[secret]", no field but
 * :reveal() and :len(); equality is constant time. The handle holds a
 * reference. lx_tosecret returns NULL when it is something else. */
void lx_push_secret(lua_State *L, struct secret *s);	/* takes the reference */
struct secret *lx_tosecret(lua_State *L, int idx);
struct secret *lx_checksecret(lua_State *L, int idx);

#endif
