/*
 * lua_proc_priv.h - arguments of core.proc and core.agent: environments and
 * descriptors. Besides them only those include it who make descriptors for
 * children (lua_http1.c, lua_bw.c).
 */
#ifndef COLIBRI_LUA_PROC_PRIV_H
#define COLIBRI_LUA_PROC_PRIV_H

#include <lua.h>

#include "spawn.h"

/* An environment in locked memory; a userdata owns it. */
struct lproc_env;

/* The field `env` of the table at idx ({ K = string | secret }, may be absent)
 * as an environment on top of the stack, sorted by name. Raises on what cannot
 * be one. */
struct lproc_env *lproc_checkenv(lua_State *L, int idx);
const char *const *lproc_envp(const struct lproc_env *env);

/* Wipe it, once the child has its copy. */
void lproc_env_drop(struct lproc_env *env);

/* argv[0] as given, or found in the fixed list when it is a bare name; path
 * has PATH_MAX bytes. */
int lproc_find(const char **argv, char *path, struct err *e);

/* The field `fds` of the table at idx: { [3] = fd, ... }. fds has room for
 * LPROC_FDS; returns how many. Raises. */
#define LPROC_FDS	61
size_t lproc_checkfds(lua_State *L, int idx, struct spawn_fd *fds);

/* proc.fd_of(data) and the class of what it returns. */
void lproc_fd_setup(lua_State *L);

/* A closed descriptor of that class on top of the stack; store an open one in
 * it, which it then owns. */
int *lproc_fd_new(lua_State *L);
int lproc_fd_of(lua_State *L);

/* A signal number, from idx or def. Raises. */
int lproc_optsignal(lua_State *L, int idx, int def);

/* A time in seconds of at least 0. Raises. */
double lproc_field_seconds(lua_State *L, int idx, const char *name);

#endif
