/*
 * lua_client.c - core.client: talk to a daemon over its socket.
 *
 * One request at a time per connection; the reply is decoded when its line
 * arrives. Used by the CLI and by proofs.
 */
#include <event2/event.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "line.h"
#include "lua_json.h"
#include "lua_open.h"
#include "lx.h"
#include "sock.h"
#include "task.h"
#include "vm.h"

#define CLIENT_CLASS	"colibri.client"
#define REPLY_MAX	(64 * 1024 * 1024)

struct client {
	struct line *line;	/* NULL when closed */
	struct request_op *waiting;
	bool dead;
};

struct request_op {
	struct op op;
	struct client *client;
	struct event *timer;
	struct buf reply;
	bool timed_out, closed;
};

static void
request_stop(struct op *base)
{
	struct request_op *r = (struct request_op *)base;

	if (r->client != NULL && r->client->waiting == r)
		r->client->waiting = NULL;
	r->client = NULL;
	if (r->timer != NULL)
		event_free(r->timer);
	r->timer = NULL;
	buf_free(&r->reply);
}

static int
request_push(lua_State *L, struct op *base)
{
	struct request_op *r = (struct request_op *)base;
	struct err e = ERR_INIT;

	if (r->timed_out)
		err_set(&e, "Timeout", "the daemon did not answer in time");
	else if (r->closed)
		err_set(&e, "Disconnected", "the daemon closed the connection");
	else if (lua_json_decode(L, r->reply.data, r->reply.len, &e) == 0)
		return 1;
	/* After a lost or late reply the next line would be the wrong one. */
	r->client->dead = true;
	return lx_fail(L, &e);
}

static void
client_line_cb(struct line *line, enum line_event ev, const char *data,
    size_t len, void *arg)
{
	struct client *c = arg;
	struct request_op *r = c->waiting;

	(void)line;
	if (ev == LINE_IDLE || ev == LINE_STALLED || ev == LINE_HANGUP)
		return;
	if (ev != LINE_TEXT)
		c->dead = true;
	if (r == NULL || r->op.done)
		return;
	if (ev == LINE_TEXT)
		buf_add(&r->reply, data, len);
	else
		r->closed = true;
	op_wake(&r->op);
}

static void
request_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct request_op *r = arg;

	(void)fd;
	(void)what;
	if (r->op.done)
		return;
	r->timed_out = true;
	op_wake(&r->op);
}

/* client.connect(path) -> conn | nil, err(DaemonUnreachable, BadPath) */
static int
lclient_connect(lua_State *L)
{
	static const struct line_limits limits = { .max_line = REPLY_MAX,
	    .max_output = REPLY_MAX };
	const char *path = lx_checkstr(L, 1);
	struct err e = ERR_INIT;
	struct client *c;
	int fd;

	lx_checknargs(L, 1);
	c = lua_newuserdatauv(L, sizeof(*c), 0);
	memset(c, 0, sizeof(*c));
	luaL_setmetatable(L, CLIENT_CLASS);
	fd = sock_connect(path, &e);
	if (fd < 0)
		return lx_fail(L, &e);
	c->line = line_new(vm_loop(vm_of(L)), fd, &limits, client_line_cb, c,
	    &e);
	if (c->line == NULL)
		return lx_fail(L, &e);
	return 1;
}

/* Protected by the caller's frame: encode the request into the output. */
static void
client_send(lua_State *L, struct client *c, int idx)
{
	struct buf *out = line_output(c->line);
	struct err e = ERR_INIT;

	if (lua_json_encode(L, idx, out, &e) != 0)
		luaL_error(L, "request: %s", e.text);
	buf_add(out, "\n", 1);
	line_flush(c->line);
}

/* conn:request(table[, timeout]) -> reply table | nil, err(Timeout,
 * Disconnected, BadJson). Waits. */
static int
lclient_request(lua_State *L)
{
	struct client *c = luaL_checkudata(L, 1, CLIENT_CLASS);
	double timeout = luaL_optnumber(L, 3, 0);
	struct err e = ERR_INIT;
	struct request_op *r;
	struct timeval tv;

	lx_checknargs(L, 3);
	luaL_checktype(L, 2, LUA_TTABLE);
	if (c->waiting != NULL)
		return luaL_error(L, "a request is already under way");
	if (c->line == NULL || c->dead) {
		err_set(&e, "Disconnected", "the connection is closed");
		return lx_fail(L, &e);
	}
	r = op_new(L, sizeof(*r), request_push, request_stop);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	client_send(L, c, 2);
	r->client = c;
	c->waiting = r;
	if (timeout > 0) {
		tv.tv_sec = (time_t)timeout;
		tv.tv_usec = (suseconds_t)((timeout - (double)tv.tv_sec) *
		    1e6);
		r->timer = event_new(loop_base(vm_loop(vm_of(L))), -1, 0,
		    request_timer_cb, r);
		if (r->timer == NULL || event_add(r->timer, &tv) != 0)
			return luaL_error(L, "cannot arm a timer");
	}
	return op_wait(L, &r->op);
}

/* conn:send_raw(bytes): bytes as they are, for tests of the protocol */
static int
lclient_send_raw(lua_State *L)
{
	struct client *c = luaL_checkudata(L, 1, CLIENT_CLASS);
	size_t len;
	const char *bytes = luaL_checklstring(L, 2, &len);

	lx_checknargs(L, 2);
	if (c->line == NULL || c->dead)
		return luaL_error(L, "the connection is closed");
	buf_add(line_output(c->line), bytes, len);
	line_flush(c->line);
	return 0;
}

/* conn:close() */
static int
lclient_close(lua_State *L)
{
	struct client *c = luaL_checkudata(L, 1, CLIENT_CLASS);

	if (c->waiting != NULL) {
		c->waiting->closed = true;
		op_wake(&c->waiting->op);
	}
	line_free(c->line);
	c->line = NULL;
	c->dead = true;
	return 0;
}

/* As a method; the other is __close and __gc too, which get more. */
static int
lclient_close_method(lua_State *L)
{
	lx_checknargs(L, 1);
	return lclient_close(L);
}

int
luaopen_core_client(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "request", lclient_request },
		{ "send_raw", lclient_send_raw },
		{ "close", lclient_close_method },
		{ NULL, NULL }
	};
	static const luaL_Reg meta[] = {
		{ "__gc", lclient_close },
		{ "__close", lclient_close },
		{ NULL, NULL }
	};
	static const luaL_Reg funcs[] = {
		{ "connect", lclient_connect },
		{ NULL, NULL }
	};

	lx_newclass(L, CLIENT_CLASS, methods, meta);
	luaL_newlib(L, funcs);
	return 1;
}
