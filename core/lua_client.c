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
#define QUEUE_MAX	(256 * 1024)	/* of a stream; then it is not read */

struct client {
	struct line *line;	/* NULL when closed */
	struct request_op *waiting;
	bool dead;
	bool streams;		/* lines come without being asked for */
	struct buf queue;	/* those, each behind a newline */
	size_t taken;		/* of it */
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
	if (!r->client->streams || !r->timed_out)
		r->client->dead = true;
	return lx_fail(L, &e);
}

/* --- streams --- */

static size_t
queue_left(const struct client *c)
{
	return c->queue.len - c->taken;
}

static void
queue_put(struct client *c, const char *data, size_t len)
{
	if (c->taken > c->queue.len / 2) {
		buf_drain(&c->queue, c->taken);
		c->taken = 0;
	}
	buf_add(&c->queue, data, len);
	buf_add(&c->queue, "\n", 1);
	if (queue_left(c) > QUEUE_MAX)
		line_pause(c->line);
}

/* Move the oldest line to the reply; returns whether there was one. */
static bool
queue_take(struct client *c, struct buf *reply)
{
	const char *line = c->queue.data + c->taken, *nl;

	if (queue_left(c) == 0)
		return false;
	nl = memchr(line, '\n', queue_left(c));
	buf_add(reply, line, (size_t)(nl - line));
	c->taken += (size_t)(nl - line) + 1;
	if (queue_left(c) == 0) {
		buf_free(&c->queue);
		c->taken = 0;
	}
	if (queue_left(c) <= QUEUE_MAX && c->line != NULL)
		line_resume(c->line);
	return true;
}

static void
client_line_cb(struct line *line, enum line_event ev, const char *data,
    size_t len, void *arg)
{
	struct client *c = arg;
	struct request_op *r = c->waiting;

	(void)line;
	if (ev == LINE_IDLE || ev == LINE_STALLED || ev == LINE_HANGUP ||
	    ev == LINE_ROOM)
		return;
	if (ev != LINE_TEXT)
		c->dead = true;
	if (ev == LINE_TEXT && c->streams && (r == NULL || r->op.done)) {
		queue_put(c, data, len);
		return;
	}
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
	if (c->line == NULL) {
		evutil_closesocket(fd);
		return lx_fail(L, &e);
	}
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

/* An op that waits for one line. */
static struct request_op *
client_wait(lua_State *L, struct client *c)
{
	struct request_op *r;

	if (c->waiting != NULL)
		luaL_error(L, "a request is already under way");
	r = op_new(L, sizeof(*r), request_push, request_stop);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	r->client = c;
	return r;
}

static int
client_begin(lua_State *L, struct request_op *r, double timeout)
{
	struct timeval tv;

	r->client->waiting = r;
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

static int
fail_disconnected(lua_State *L)
{
	struct err e = ERR_INIT;

	err_set(&e, "Disconnected", "the connection is closed");
	return lx_fail(L, &e);
}

/* conn:request(table[, timeout]) -> reply table | nil, err(Timeout,
 * Disconnected, BadJson). Waits. */
static int
lclient_request(lua_State *L)
{
	struct client *c = luaL_checkudata(L, 1, CLIENT_CLASS);
	double timeout = luaL_optnumber(L, 3, 0);
	struct request_op *r;

	lx_checknargs(L, 3);
	luaL_checktype(L, 2, LUA_TTABLE);
	r = client_wait(L, c);
	if (c->line == NULL || c->dead)
		return fail_disconnected(L);
	c->streams = false;
	client_send(L, c, 2);
	return client_begin(L, r, timeout);
}

/* conn:stream(table) -> true | nil, err(Disconnected): a request that many
 * lines answer; conn:next() gives them */
static int
lclient_stream(lua_State *L)
{
	struct client *c = luaL_checkudata(L, 1, CLIENT_CLASS);

	luaL_checktype(L, 2, LUA_TTABLE);
	lx_checknargs(L, 2);
	if (c->waiting != NULL)
		return luaL_error(L, "a request is already under way");
	if (c->line == NULL || c->dead)
		return fail_disconnected(L);
	c->streams = true;
	client_send(L, c, 2);
	lua_pushboolean(L, 1);
	return 1;
}

/* conn:next([timeout]) -> table | nil, err(Timeout, Disconnected, BadJson): the
 * next line of a stream, an event or the reply that ends it. Waits. */
static int
lclient_next(lua_State *L)
{
	struct client *c = luaL_checkudata(L, 1, CLIENT_CLASS);
	double timeout = luaL_optnumber(L, 2, 0);
	struct request_op *r;

	lx_checknargs(L, 2);
	r = client_wait(L, c);
	if (queue_take(c, &r->reply)) {
		op_wake(&r->op);
		return client_begin(L, r, 0);
	}
	if (c->line == NULL || c->dead)
		return fail_disconnected(L);
	return client_begin(L, r, timeout);
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
	buf_free(&c->queue);
	c->taken = 0;
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
		{ "stream", lclient_stream },
		{ "next", lclient_next },
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
