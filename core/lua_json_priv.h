/*
 * lua_json_priv.h - between lua_json.c and lua_json_enc.c.
 */
#ifndef COLIBRI_LUA_JSON_PRIV_H
#define COLIBRI_LUA_JSON_PRIV_H

#include <lua.h>

#include "core.h"

/* Was the table at idx marked by json.array? */
bool lua_json_is_marked_array(lua_State *L, int idx);

#endif
