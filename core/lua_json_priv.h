/*
 * lua_json_priv.h - between lua_json.c (decoder, module), lua_json_fast.c (the
 * plain texts), lua_json_enc.c (encoder) and lua_json_order.c (key orders).
 */
#ifndef COLIBRI_LUA_JSON_PRIV_H
#define COLIBRI_LUA_JSON_PRIV_H

#include <lua.h>

#include "core.h"
#include "err.h"
#include "mem.h"

#define JSON_DEPTH	64

/* In a metatable, this key says how its tables are encoded: true for a list, a
 * struct json_order for an object. */
extern const char lua_json_kind_key;

/* Mark the table at idx as a list. */
void lua_json_mark_array(lua_State *L, int idx);

/* json.ordered(keys) -> metatable: objects that have it are encoded with these
 * keys first, in this order */
struct json_order;
int lua_json_ordered(lua_State *L);

/* Place of a key (the bytes of a Lua string), or the count when it is not in
 * the order; the text `"key":` of a place. */
size_t lua_json_order_rank(const struct json_order *o, const char *name,
    size_t len);
size_t lua_json_order_count(const struct json_order *o);
const char *lua_json_order_text(const struct json_order *o, size_t rank,
    size_t *len);

/* Append a string in quotes, escaped. */
void lua_json_add_string(struct buf *out, const char *s, size_t len);

/* Decode and push a plain text: objects, lists, literals, integers and strings
 * of ASCII without escapes. Anything else, faults too: false, nothing pushed. */
bool lua_json_decode_plain(lua_State *L, const char *text, size_t len);

/* What lua_json_decode() does with any other text. */
int lua_json_decode_any(lua_State *L, const char *text, size_t len,
    struct err *e);

#endif
