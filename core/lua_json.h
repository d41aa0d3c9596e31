/*
 * lua_json.h - JSON between bytes and Lua values, for bindings and server.c.
 */
#ifndef COLIBRI_LUA_JSON_H
#define COLIBRI_LUA_JSON_H

#include <lua.h>

#include "core.h"
#include "err.h"
#include "mem.h"

/*
 * Decode one JSON text and push the value. Decoding is lua-cjson's, behind our
 * rules: UTF-8 only, at most 64 levels, integers stay integers (a number that
 * a double cannot hold exactly is refused rather than changed), `[]` stays a
 * list, null is json.null. Code: BadJson. Raises only on memory.
 */
int lua_json_decode(lua_State *L, const char *text, size_t len,
    struct err *e);

/*
 * Append the value at idx as compact JSON: integers exact, objects in the order
 * of their metatable (json.ordered) and otherwise sorted, lists marked by
 * json.array or by having [1], invalid UTF-8 replaced. Codes: BadValue (a
 * function, a secret, NaN, a cycle, over 64 levels). On failure out is as it
 * was. Raises only on memory.
 */
int lua_json_encode(lua_State *L, int idx, struct buf *out, struct err *e);

#endif
