/*
 * lua_bw_priv.h - core.bw in two files. Nobody else includes it.
 */
#ifndef COLIBRI_LUA_BW_PRIV_H
#define COLIBRI_LUA_BW_PRIV_H

#include <lua.h>

/* A string or a secret at idx as bytes; raises for others. */
const char *lbw_check_text(lua_State *L, int idx, size_t *len);

/* Add the functions of lua_bw_list.c to the table on top of the stack. */
void lbw_list_setup(lua_State *L);

#endif
