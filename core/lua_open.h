/*
 * lua_open.h - the one list of bindings.
 *
 * Each binding file ends with its opener; lua_open.c names them all.
 */
#ifndef COLIBRI_LUA_OPEN_H
#define COLIBRI_LUA_OPEN_H

#include <lua.h>

/* Make every binding known to require. May raise. */
void lua_open_all(lua_State *L);

int luaopen_core_agent(lua_State *L);
int luaopen_core_bw(lua_State *L);
int luaopen_core_client(lua_State *L);
int luaopen_core_clock(lua_State *L);
int luaopen_core_db(lua_State *L);
int luaopen_core_fingerprint(lua_State *L);
int luaopen_core_fs(lua_State *L);
int luaopen_core_http1(lua_State *L);
int luaopen_core_json(lua_State *L);
int luaopen_core_log(lua_State *L);
int luaopen_core_proc(lua_State *L);
int luaopen_core_script(lua_State *L);
int luaopen_core_sys(lua_State *L);
int luaopen_core_task(lua_State *L);

#endif
