/*
 * vm_load.h - which text may become a function: load and require.
 */
#ifndef COLIBRI_VM_LOAD_H
#define COLIBRI_VM_LOAD_H

#include <lua.h>

#include "core.h"
#include "err.h"
#include "vm.h"

/* Install `require`; called by vm_new(). */
void vm_load_setup(lua_State *L);

/* Make a binding known to require; called for each row of lua_open.c. Raises
 * only on memory. */
void vm_preload(lua_State *L, const char *name, lua_CFunction open);

/* Load a text chunk with an environment (a table at index env, 0: globals).
 * chunkname as in lua_load. Pushes the function. Code: ScriptSyntax. */
int vm_load(lua_State *L, const char *text, size_t len, const char *chunkname,
    int env, struct err *e);

/* Push `require(name)`; raises what require raises. */
void vm_require(lua_State *L, const char *name);

/* Push lua-cjson's module table, loaded by the stock package library from its
 * compiled-in C path (the environment is not consulted). May raise. */
void vm_push_cjson(lua_State *L);

#endif
