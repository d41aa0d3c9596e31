/*
 * lua_fs_priv.h - what the files of core.fs share.
 */
#ifndef COLIBRI_LUA_FS_PRIV_H
#define COLIBRI_LUA_FS_PRIV_H

#include <lua.h>

#include "envfile.h"
#include "fs.h"
#include "secret.h"

/*
 * Owns what C has allocated while results are pushed, which may raise: a
 * userdata on the stack, so an error leaves it to the collector. Dropped by
 * hand on the ordinary way out.
 */
struct lfs_hold {
	char *data;
	char **names;
	size_t n_names;
	struct envfile env;
	struct secret *secret;
	struct secret_buf buf;
};
struct lfs_hold *lfs_hold_new(lua_State *L);
void lfs_hold_drop(struct lfs_hold *h);

/* The open root at idx; raises when it is something else or closed. */
struct fs_root *lfs_checkroot(lua_State *L, int idx);

/* The optional { mode=, uid=, gid= } at idx; write() may have exclusive= too,
 * write_env() dry_run=. */
void lfs_checkspec(lua_State *L, int idx, bool may_exclude,
    struct fs_write_spec *spec);

/* The most that is read into memory at once. */
#define LFS_READ_MAX	(256 * 1024 * 1024)

/* An optional number of bytes at idx. */
size_t lfs_optmax(lua_State *L, int idx);

const char *lfs_change_name(enum fs_change change);

/* lua_fs_write.c */
int lroot_write(lua_State *L);
int lroot_copy_in(lua_State *L);
int lroot_mkdir(lua_State *L);
int lroot_unlink(lua_State *L);
int lfs_scratch(lua_State *L);
int lfs_remove_tree(lua_State *L);
int lfs_make_private(lua_State *L);
int lfs_exists(lua_State *L);

/* lua_fs_env.c */
int lroot_write_env(lua_State *L);
int lroot_read_env(lua_State *L);
int lfs_read_env(lua_State *L);
int lfs_parse_env(lua_State *L);

#endif
