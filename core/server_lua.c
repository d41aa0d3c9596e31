/*
 * server_lua.c - core.server: the daemon's own binding, for daemon.lua only.
 *
 * It stands in the front beside server.c, above the other bindings; host.c
 * registers it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "fs.h"
#include "host.h"
#include "lx.h"
#include "mem.h"
#include "server.h"
#include "task.h"
#include "vm.h"

#define SERVER_CLASS	"colibri.server"
#define HOLD_CLASS	"colibri.server.hold"

/* server.listen{ handle = fn, failed = fn } -> server | nil, err */
static int
lserver_listen(lua_State *L)
{
	static const char *const fields[] = { "handle", "failed", NULL };
	struct server **s;
	struct err e = ERR_INIT;

	lx_checknargs(L, 1);
	lx_checkfields(L, 1, fields);
	s = lua_newuserdatauv(L, sizeof(*s), 0);
	*s = NULL;
	luaL_setmetatable(L, SERVER_CLASS);
	lua_pushvalue(L, 1);
	*s = server_new(L, &e);
	if (*s == NULL)
		return lx_fail(L, &e);
	return 1;
}

/* server:serve(): begin to accept */
static int
lserver_serve(lua_State *L)
{
	struct server **s = luaL_checkudata(L, 1, SERVER_CLASS);

	luaL_argcheck(L, *s != NULL, 1, "server is closed");
	server_serve(*s);
	return 0;
}

/* server:close(): stop listening, end all connections */
static int
lserver_close(lua_State *L)
{
	struct server **s = luaL_checkudata(L, 1, SERVER_CLASS);

	server_free(*s);
	*s = NULL;
	return 0;
}

/* server:counts() -> connections open, requests ever: cheap, for `status` */
static int
lserver_counts(lua_State *L)
{
	struct server **s = luaL_checkudata(L, 1, SERVER_CLASS);
	struct server_stats stats = { 0 };

	if (*s != NULL)
		server_stats(*s, &stats);
	lua_pushinteger(L, (lua_Integer)stats.open);
	lua_pushinteger(L, (lua_Integer)stats.requests);
	return 2;
}

/* server:stats() -> { connections, requests, open, in_flight, streams } */
static int
lserver_stats(lua_State *L)
{
	struct server **s = luaL_checkudata(L, 1, SERVER_CLASS);
	struct server_stats stats = { 0 };

	if (*s != NULL)
		server_stats(*s, &stats);
	lua_createtable(L, 0, 4);
	lua_pushinteger(L, (lua_Integer)stats.connections);
	lua_setfield(L, -2, "connections");
	lua_pushinteger(L, (lua_Integer)stats.requests);
	lua_setfield(L, -2, "requests");
	lua_pushinteger(L, (lua_Integer)stats.open);
	lua_setfield(L, -2, "open");
	lua_pushinteger(L, (lua_Integer)stats.in_flight);
	lua_setfield(L, -2, "in_flight");
	lua_pushinteger(L, (lua_Integer)stats.streams);
	lua_setfield(L, -2, "streams");
	return 1;
}

/* server:stream(conn) -> stream | nil, err(Disconnected): many lines instead of
 * one, before the reply of the request that conn has in flight */
static int
lserver_stream(lua_State *L)
{
	struct server **s = luaL_checkudata(L, 1, SERVER_CLASS);

	luaL_argcheck(L, *s != NULL, 1, "server is closed");
	luaL_checktype(L, 2, LUA_TTABLE);
	lx_checknargs(L, 2);
	return server_stream_new(L, *s, 2);
}

/* --- signals --- */

struct signals;
struct signal_arg {
	struct signals *signals;
	unsigned index;
};
static const struct {
	int signo;
	const char *name;
} signal_names[] = {
	{ SIGTERM, "TERM" }, { SIGINT, "INT" }, { SIGHUP, "HUP" },
};

/* One per vm, in its slot. */
struct signals {
	bool set_up;		/* or not ours to set up */
	unsigned pending;	/* bit per entry of signal_names */
	struct signal_op *waiting;
	struct signal_arg args[ARRAY_LEN(signal_names)];
};
struct signal_op {
	struct op op;
	struct signals *signals;
};

static struct signals *
signals_of(struct vm *vm)
{
	struct signals *s = vm_slot(vm, VM_SIGNALS);
	unsigned i;

	if (s != NULL)
		return s;
	s = xcalloc(1, sizeof(*s));
	for (i = 0; i < ARRAY_LEN(signal_names); i++)
		s->args[i] = (struct signal_arg){ s, i };
	vm_set_slot(vm, VM_SIGNALS, s, free);
	return s;
}

static void
signal_cb(void *arg)
{
	struct signal_arg *a = arg;

	a->signals->pending |= 1u << a->index;
	if (a->signals->waiting != NULL)
		op_wake(&a->signals->waiting->op);
}

void
server_keep_signals(struct vm *vm)
{
	signals_of(vm)->set_up = true;
}

int
server_signal(struct vm *vm, int signo)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(signal_names); i++) {
		if (signal_names[i].signo == signo) {
			signal_cb(&signals_of(vm)->args[i]);
			return 0;
		}
	}
	return -1;
}

static int
signal_push(lua_State *L, struct op *base)
{
	struct signals *s = ((struct signal_op *)base)->signals;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(signal_names); i++) {
		if (s->pending & 1u << i) {
			s->pending &= ~(1u << i);
			lua_pushstring(L, signal_names[i].name);
			return 1;
		}
	}
	return 0;
}

static void
signal_stop(struct op *base)
{
	struct signal_op *op = (struct signal_op *)base;

	if (op->signals != NULL && op->signals->waiting == op)
		op->signals->waiting = NULL;
}

/* server.watch_signals() -> true | nil, err: from here on TERM, INT and HUP are
 * ours, and wait for next_signal() */
static int
lserver_watch_signals(lua_State *L)
{
	struct vm *vm = vm_of(L);
	struct signals *s = signals_of(vm);
	struct err e = ERR_INIT;
	unsigned i;

	for (i = 0; !s->set_up && i < ARRAY_LEN(signal_names); i++) {
		if (loop_signal(vm_loop(vm), signal_names[i].signo, signal_cb,
		    &s->args[i], &e) != 0)
			return lx_fail(L, &e);
	}
	s->set_up = true;
	lua_pushboolean(L, 1);
	return 1;
}

/* server.next_signal() -> "TERM" | "INT" | "HUP". Watches them. Waits. */
static int
lserver_next_signal(lua_State *L)
{
	struct signals *s = signals_of(vm_of(L));
	struct signal_op *op;

	if (lserver_watch_signals(L) != 1)
		return 2;
	if (s->waiting != NULL)
		return luaL_error(L, "somebody already waits for signals");
	op = op_new(L, sizeof(*op), signal_push, signal_stop);
	op->signals = s;
	s->waiting = op;
	if (s->pending != 0)
		op->op.done = true;
	return op_wait(L, &op->op);
}

/* server.hold(path) -> guard with :release() and __close | nil, err(StateInUse,
 * WriteFailed): a lock file, against a second daemon */
static int
lserver_hold(lua_State *L)
{
	const char *path = lx_checkstr(L, 1);
	struct err e = ERR_INIT;
	int *fd;

	lx_checknargs(L, 1);
	fd = lua_newuserdatauv(L, sizeof(*fd), 0);
	*fd = -1;
	luaL_setmetatable(L, HOLD_CLASS);
	*fd = fs_lock_file(path, &e);
	if (*fd < 0)
		return lx_fail(L, &e);
	return 1;
}

/* guard:release(); again is allowed */
static int
lhold_release(lua_State *L)
{
	int *fd = luaL_checkudata(L, 1, HOLD_CLASS);

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return 0;
}

int
luaopen_core_server(lua_State *L)
{
	static const luaL_Reg hold_methods[] = {
		{ "release", lhold_release },
		{ NULL, NULL }
	};
	static const luaL_Reg hold_meta[] = {
		{ "__gc", lhold_release },
		{ "__close", lhold_release },
		{ NULL, NULL }
	};
	static const luaL_Reg methods[] = {
		{ "close", lserver_close },
		{ "serve", lserver_serve },
		{ "counts", lserver_counts },
		{ "stats", lserver_stats },
		{ "stream", lserver_stream },
		{ NULL, NULL }
	};
	static const luaL_Reg meta[] = {
		{ "__gc", lserver_close },
		{ "__close", lserver_close },
		{ NULL, NULL }
	};
	static const luaL_Reg funcs[] = {
		{ "listen", lserver_listen },
		{ "hold", lserver_hold },
		{ "watch_signals", lserver_watch_signals },
		{ "next_signal", lserver_next_signal },
		{ NULL, NULL }
	};

	lx_newclass(L, SERVER_CLASS, methods, meta);
	lx_newclass(L, HOLD_CLASS, hold_methods, hold_meta);
	luaL_newlib(L, funcs);
	return 1;
}
