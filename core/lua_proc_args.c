/*
 * lua_proc_args.c - arguments of core.proc and core.agent; see
 * lua_proc_priv.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_proc_priv.h"
#include "lx.h"

#define ENV_CLASS	"colibri.proc.env"
#define FD_CLASS	"colibri.fd"
#define ENV_MAX		4096		/* variables */

/* --- environment --- */

struct lproc_env {
	struct secret *memory;		/* all "KEY=value" strings */
	const char **envp;		/* memory of user value 1 */
};

static int
lenv_gc(lua_State *L)
{
	lproc_env_drop(luaL_checkudata(L, 1, ENV_CLASS));
	return 0;
}

void
lproc_env_drop(struct lproc_env *env)
{
	secret_unref(env->memory);
	env->memory = NULL;
	env->envp = NULL;
}

const char *const *
lproc_envp(const struct lproc_env *env)
{
	return env->envp;
}

/* The string or secret at the top. */
static const char *
env_value(lua_State *L, const char *key, size_t *len)
{
	struct secret *s = lx_tosecret(L, -1);
	const char *v = NULL;

	if (s != NULL) {
		v = secret_bytes(s);
		*len = secret_len(s);
	} else if (lua_type(L, -1) == LUA_TSTRING) {
		v = lua_tolstring(L, -1, len);
	} else {
		luaL_error(L, "env.%s must be a string or a secret, got %s",
		    key, luaL_typename(L, -1));
	}
	if (memchr(v, '\0', *len) != NULL)
		luaL_error(L, "env.%s holds a NUL byte", key);
	return v;
}

/* The pair at the top: its length as "KEY=value" and a NUL. */
static size_t
env_measure(lua_State *L)
{
	size_t klen, vlen;
	const char *k;

	if (lua_type(L, -2) != LUA_TSTRING)
		luaL_error(L, "a name in env must be a string, got %s",
		    luaL_typename(L, -2));
	k = lua_tolstring(L, -2, &klen);
	if (klen == 0 || strlen(k) != klen || strchr(k, '=') != NULL)
		luaL_error(L, "'%s' is not a name for env", k);
	env_value(L, k, &vlen);
	return klen + vlen + 2;
}

static int
env_compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* A finalizer may run between measuring and filling and change the table:
 * every pair is measured again before it is copied. */
static void
env_fill(lua_State *L, int idx, struct lproc_env *env, size_t n, size_t size)
{
	char *at = (char *)secret_fill(env->memory);
	size_t klen, vlen, need, used = 0, i = 0;
	const char *k, *v;

	lua_pushnil(L);
	while (lua_next(L, idx) != 0) {
		need = env_measure(L);
		if (i == n || need > size - used)
			luaL_error(L, "env was changed meanwhile");
		k = lua_tolstring(L, -2, &klen);
		v = env_value(L, k, &vlen);
		memcpy(at + used, k, klen);
		at[used + klen] = '=';
		memcpy(at + used + klen + 1, v, vlen);
		at[used + need - 1] = '\0';
		env->envp[i++] = at + used;
		used += need;
		lua_pop(L, 1);
	}
	env->envp[i] = NULL;
	qsort(env->envp, i, sizeof(*env->envp), env_compare);
}

struct lproc_env *
lproc_checkenv(lua_State *L, int idx)
{
	static const luaL_Reg meta[] = { { "__gc", lenv_gc }, { NULL, NULL } };
	struct lproc_env *env;
	size_t n = 0, size = 0;
	int type;

	type = lua_getfield(L, idx, "env");
	if (type != LUA_TNIL && type != LUA_TTABLE)
		luaL_error(L, "field 'env' must be a table, got %s",
		    luaL_typename(L, -1));
	if (type == LUA_TNIL) {
		lua_pop(L, 1);
		lua_newtable(L);
	}
	idx = lua_gettop(L);
	lua_pushnil(L);
	while (lua_next(L, idx) != 0) {
		size += env_measure(L);
		lua_pop(L, 1);
		if (++n > ENV_MAX)
			luaL_error(L, "too many variables in env");
	}
	env = lua_newuserdatauv(L, sizeof(*env), 1);
	*env = (struct lproc_env){ 0 };
	lx_newclass(L, ENV_CLASS, NULL, meta);
	luaL_setmetatable(L, ENV_CLASS);
	env->envp = lua_newuserdatauv(L, (n + 1) * sizeof(*env->envp), 0);
	lua_setiuservalue(L, -2, 1);
	env->memory = secret_alloc(size);
	env_fill(L, idx, env, n, size);
	lua_remove(L, idx);
	return env;
}

/* --- the rest --- */

int
lproc_find(const char **argv, char *path, struct err *e)
{
	if (strchr(argv[0], '/') != NULL)
		return 0;	/* checked when it is started */
	if (spawn_find_program(argv[0], path, PATH_MAX, e) != 0)
		return -1;
	argv[0] = path;
	return 0;
}

int
lproc_optsignal(lua_State *L, int idx, int def)
{
	lua_Integer signo = luaL_optinteger(L, idx, def);

	luaL_argcheck(L, signo >= 1 && signo < NSIG, idx,
	    "not a signal number");
	return (int)signo;
}

double
lproc_field_seconds(lua_State *L, int idx, const char *name)
{
	double s = lx_field_num(L, idx, name, 0);

	if (!(s >= 0 && s <= 1e8))
		luaL_error(L, "field '%s' is not a time in seconds", name);
	return s;
}

/* --- descriptors for children --- */

struct lproc_fd {
	int fd;			/* -1: closed */
};

static int
lfd_close(lua_State *L)
{
	struct lproc_fd *f = luaL_checkudata(L, 1, FD_CLASS);

	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	return 0;
}

/* As a method; the other is __close and __gc too, which get more. */
static int
lfd_close_method(lua_State *L)
{
	lx_checknargs(L, 1);
	return lfd_close(L);
}

void
lproc_fd_setup(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "close", lfd_close_method },
		{ NULL, NULL }
	};
	static const luaL_Reg meta[] = {
		{ "__gc", lfd_close },
		{ "__close", lfd_close },
		{ NULL, NULL }
	};

	lx_newclass(L, FD_CLASS, methods, meta);
}

int *
lproc_fd_new(lua_State *L)
{
	struct lproc_fd *f;

	if (luaL_getmetatable(L, FD_CLASS) != LUA_TTABLE)
		lproc_fd_setup(L);	/* core.proc was not loaded yet */
	lua_pop(L, 1);
	f = lua_newuserdatauv(L, sizeof(*f), 0);
	f->fd = -1;
	luaL_setmetatable(L, FD_CLASS);
	return &f->fd;
}

/* A pipe that holds all of data: its reading end, or -1. Unlike a file, even
 * one in memory, a pipe is never swapped out. */
static int
fd_of_bytes(const char *data, size_t len, struct err *e)
{
	int p[2];
	ssize_t n;

	if (pipe2(p, O_CLOEXEC) != 0)
		return err_sys(e, "SpawnFailed", "make a pipe");
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	n = len == 0 ? 0 : write(p[1], data, len);
	close(p[1]);
	if (n == (ssize_t)len)
		return p[0];
	close(p[0]);
	return err_set(e, "SpawnFailed", "%zu bytes do not fit in a pipe", len);
}

/* proc.fd_of(string | secret) -> fd | nil, err: what a child given it in `fds`
 * can read once. At most what a pipe holds (64 KiB on Linux). */
int
lproc_fd_of(lua_State *L)
{
	struct secret *s = lx_tosecret(L, 1);
	struct err e = ERR_INIT;
	const char *data;
	size_t len;
	int *fd;

	lx_checknargs(L, 1);
	if (s != NULL) {
		data = secret_bytes(s);
		len = secret_len(s);
	} else
		data = luaL_checklstring(L, 1, &len);
	fd = lproc_fd_new(L);
	*fd = fd_of_bytes(data, len, &e);
	if (*fd < 0)
		return lx_fail(L, &e);
	return 1;
}

size_t
lproc_checkfds(lua_State *L, int idx, struct spawn_fd *fds)
{
	struct lproc_fd *f;
	lua_Integer child;
	size_t n = 0;
	int isint;

	if (lua_getfield(L, idx, "fds") == LUA_TNIL) {
		lua_pop(L, 1);
		return 0;
	}
	if (!lua_istable(L, -1))
		luaL_error(L, "field 'fds' must be a table, got %s",
		    luaL_typename(L, -1));
	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		child = lua_tointegerx(L, -2, &isint);
		if (lua_type(L, -2) != LUA_TNUMBER || !isint || child < 3 ||
		    child > 63 || n == LPROC_FDS)
			luaL_error(L, "a key of 'fds' must be a descriptor "
			    "number from 3 to 63");
		f = luaL_testudata(L, -1, FD_CLASS);
		if (f == NULL || f->fd < 0)
			luaL_error(L, "fds[%d] is not an open descriptor",
			    (int)child);
		fds[n++] = (struct spawn_fd){ .child = (int)child,
		    .parent = f->fd };
		lua_pop(L, 1);
	}
	lua_pop(L, 1);		/* the table keeps them open */
	return n;
}
