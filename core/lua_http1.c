/*
 * lua_http1.c - core.http1: a conversation with a child over a socketpair.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "http1_conn.h"
#include "lua_open.h"
#include "lua_proc_priv.h"
#include "lx.h"
#include "spawn.h"
#include "task.h"
#include "vm.h"

#define CONN_CLASS	"colibri.http1"
#define BODY_MAX	(32 * 1024 * 1024)

struct conn {
	struct http1_conn *http;	/* NULL when closed */
	struct ask_op *asking;
};

struct ask_op {
	struct op op;
	struct conn *conn;	/* NULL: nothing is under way */
	int status;
	struct secret *body;
	bool failed;
	struct err err;
};

static void
ask_stop(struct op *base)
{
	struct ask_op *a = (struct ask_op *)base;

	if (a->conn != NULL) {
		a->conn->asking = NULL;
		if (a->conn->http != NULL)
			http1_conn_cancel(a->conn->http);
	}
	a->conn = NULL;
	secret_unref(a->body);
	a->body = NULL;
}

static int
ask_push(lua_State *L, struct op *base)
{
	struct ask_op *a = (struct ask_op *)base;

	if (a->failed)
		return lx_fail(L, &a->err);
	lua_createtable(L, 0, 2);
	lua_pushinteger(L, a->status);
	lua_setfield(L, -2, "status");
	lx_push_secret(L, secret_ref(a->body));
	lua_setfield(L, -2, "body");
	return 1;
}

static void
ask_done_cb(int status, struct secret *body, const struct err *e, void *arg)
{
	struct ask_op *a = arg;

	a->conn->asking = NULL;
	a->conn = NULL;
	a->status = status;
	a->body = body;
	a->failed = body == NULL;
	if (a->failed)
		a->err = *e;
	op_wake(&a->op);
}

/* conn:request{ method=, path=, host=, body=secret|nil, timeout=, max= }
 * -> { status =, body = secret } | nil, err(Timeout, Disconnected,
 * VaultProtocol, Busy, BadParameter). Waits. */
static int
lconn_request(lua_State *L)
{
	static const char *const fields[] = { "method", "path", "host", "body",
	    "timeout", "max", NULL };
	struct conn *c = luaL_checkudata(L, 1, CONN_CLASS);
	struct http1_ask ask = { .body = NULL };
	struct err e = ERR_INIT;
	struct ask_op *a;
	lua_Integer max;

	lx_checknargs(L, 2);
	luaL_checktype(L, 2, LUA_TTABLE);
	lx_checkfields(L, 2, fields);
	ask.method = lx_field_str(L, 2, "method", "GET");
	ask.path = lx_field_str(L, 2, "path", "/");
	ask.host = lx_field_str(L, 2, "host", "localhost");
	ask.timeout = lproc_field_seconds(L, 2, "timeout");
	max = lx_field_int(L, 2, "max", BODY_MAX);
	luaL_argcheck(L, max >= 0 && max <= BODY_MAX, 2, "max is too large");
	ask.max = (size_t)max;
	if (lua_getfield(L, 2, "body") != LUA_TNIL)
		ask.body = lx_checksecret(L, -1);
	if (c->http == NULL) {
		err_set(&e, "Disconnected", "the connection is closed");
		return lx_fail(L, &e);
	}
	a = op_new(L, sizeof(*a), ask_push, ask_stop);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	if (http1_conn_ask(c->http, &ask, ask_done_cb, a, &e) != 0)
		return lx_fail(L, &e);
	a->conn = c;
	c->asking = a;
	return op_wait(L, &a->op);
}

/* conn:dead() -> whether nothing can be asked any more */
static int
lconn_dead(lua_State *L)
{
	struct conn *c = luaL_checkudata(L, 1, CONN_CLASS);

	lx_checknargs(L, 1);
	lua_pushboolean(L, c->http == NULL || http1_conn_dead(c->http));
	return 1;
}

/* conn:close(); who waits gets Disconnected. Again is allowed. */
static int
lconn_close(lua_State *L)
{
	struct conn *c = luaL_checkudata(L, 1, CONN_CLASS);
	struct ask_op *a = c->asking;

	http1_conn_free(c->http);
	c->http = NULL;
	if (a != NULL) {
		c->asking = NULL;
		a->conn = NULL;
		a->failed = err_set(&a->err, "Disconnected",
		    "the connection is closed") != 0;
		op_wake(&a->op);
	}
	return 0;
}

/* http1.pair() -> conn, fd for a child's `fds` | nil, err(SpawnFailed). The
 * child must be given fd and the caller then close its own. */
static int
lhttp1_pair(lua_State *L)
{
	struct err e = ERR_INIT;
	struct conn *c;
	int pair[2], *fd;

	lx_checknargs(L, 0);
	c = lua_newuserdatauv(L, sizeof(*c), 0);
	memset(c, 0, sizeof(*c));
	luaL_setmetatable(L, CONN_CLASS);
	fd = lproc_fd_new(L);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		err_sys(&e, "SpawnFailed", "make a socketpair");
		return lx_fail(L, &e);
	}
	*fd = pair[1];
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0) {
		err_sys(&e, "SpawnFailed", "set up a socketpair");
		close(pair[0]);
		return lx_fail(L, &e);
	}
	c->http = http1_conn_new(vm_loop(vm_of(L)), pair[0], &e);
	return c->http != NULL ? 2 : lx_fail(L, &e);
}

int
luaopen_core_http1(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "request", lconn_request },
		{ "dead", lconn_dead },
		{ "close", lconn_close },
		{ NULL, NULL }
	};
	static const luaL_Reg meta[] = {
		{ "__gc", lconn_close },
		{ "__close", lconn_close },
		{ NULL, NULL }
	};
	static const luaL_Reg funcs[] = {
		{ "pair", lhttp1_pair },
		{ NULL, NULL }
	};

	lx_newclass(L, CONN_CLASS, methods, meta);
	luaL_newlib(L, funcs);
	return 1;
}
