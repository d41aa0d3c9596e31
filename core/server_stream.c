/*
 * server_stream.c - a request that is answered by many lines; see server.h.
 *
 * While a command streams, its task stays in flight, so whatever ends a request
 * ends the stream: the peer that goes away, the daemon that stops, an error. A
 * peer that does not read costs at most STREAM_MAX bytes here; what does not
 * fit is refused to the command, which counts it or waits for room.
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_json.h"
#include "lx.h"
#include "server_priv.h"

#define STREAM_CLASS	"colibri.stream"
#define STREAM_MAX	(256 * 1024)	/* unread; then send refuses */
#define STREAM_ROOM	(64 * 1024)	/* unread; then wait returns */

struct stream {
	struct conn *conn;		/* NULL: the request is over */
	struct room_op *waiting;
};

struct room_op {
	struct op op;
	struct stream *stream;		/* lives: user value 1 */
};

static struct stream *
check_stream(lua_State *L)
{
	return luaL_checkudata(L, 1, STREAM_CLASS);
}

static bool
stream_is_open(const struct stream *st)
{
	return st->conn != NULL && !st->conn->closed;
}

static int
fail_closed(lua_State *L)
{
	struct err e = ERR_INIT;

	err_set(&e, "Disconnected", "the peer is gone");
	return lx_fail(L, &e);
}

void
server_stream_wake(struct conn *c)
{
	struct stream *st = c->stream;

	if (st != NULL && st->waiting != NULL)
		op_wake(&st->waiting->op);
}

void
server_stream_end(struct conn *c)
{
	struct stream *st = c->stream;

	if (st == NULL)
		return;
	server_stream_wake(c);
	c->stream = NULL;
	st->conn = NULL;
	c->server->stats.streams--;
	c->server->stats.in_flight++;
}

/* Protected: (stream, table) -> appends the line without its newline. */
static int
send_encode(lua_State *L)
{
	struct stream *st = lua_touserdata(L, 1);
	struct err e = ERR_INIT;

	if (lua_json_encode(L, 2, line_output(st->conn->line), &e) != 0) {
		lx_push_err(L, &e);
		return lua_error(L);
	}
	return 0;
}

/* stream:send(table) -> true | false | nil, err(Disconnected): one line; false
 * when the peer has too much unread, and nothing was sent */
static int
lstream_send(lua_State *L)
{
	struct stream *st = check_stream(L);
	struct buf *out;
	size_t from;

	luaL_checktype(L, 2, LUA_TTABLE);
	lx_checknargs(L, 2);
	if (!stream_is_open(st))
		return fail_closed(L);
	if (line_unsent(st->conn->line) > STREAM_MAX) {
		lua_pushboolean(L, 0);
		return 1;
	}
	out = line_output(st->conn->line);
	from = out->len;
	lua_pushcfunction(L, send_encode);
	lua_pushlightuserdata(L, st);
	lua_pushvalue(L, 2);
	if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
		out->len = from;
		return lua_error(L);
	}
	server_redact(out, from);
	buf_add(out, "\n", 1);
	line_flush(st->conn->line);
	lua_pushboolean(L, 1);
	return 1;
}

static int
room_push(lua_State *L, struct op *base)
{
	struct room_op *r = (struct room_op *)base;

	if (!stream_is_open(r->stream))
		return fail_closed(L);
	lua_pushboolean(L, 1);
	return 1;
}

static void
room_stop(struct op *base)
{
	struct room_op *r = (struct room_op *)base;

	if (r->stream != NULL && r->stream->waiting == r)
		r->stream->waiting = NULL;
}

/* stream:room() -> true | nil, err(Disconnected): the peer has read enough.
 * Waits. */
static int
lstream_room(lua_State *L)
{
	struct stream *st = check_stream(L);
	struct room_op *r;

	lx_checknargs(L, 1);
	if (st->waiting != NULL)
		return luaL_error(L, "somebody already waits for room");
	r = op_new(L, sizeof(*r), room_push, room_stop);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	r->stream = st;
	if (!stream_is_open(st) || line_unsent(st->conn->line) <= STREAM_ROOM) {
		op_wake(&r->op);
	} else {
		st->waiting = r;
		line_want_room(st->conn->line, STREAM_ROOM);
	}
	return op_wait(L, &r->op);
}

static int
lstream_gc(lua_State *L)
{
	struct stream *st = check_stream(L);

	if (st->conn != NULL)
		server_stream_end(st->conn);
	return 0;
}

/* The connection whose table is at idx. */
static struct conn *
find_conn(lua_State *L, struct server *s, int idx)
{
	struct conn *c;
	bool same;

	LIST_FOREACH(c, &s->conns, link) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
		same = lua_rawequal(L, -1, idx);
		lua_pop(L, 1);
		if (same)
			return c;
	}
	return NULL;
}

int
server_stream_new(lua_State *L, struct server *s, int idx)
{
	static const luaL_Reg methods[] = {
		{ "send", lstream_send },
		{ "room", lstream_room },
		{ NULL, NULL }
	};
	static const luaL_Reg meta[] = {
		{ "__gc", lstream_gc },
		{ NULL, NULL }
	};
	struct conn *c = find_conn(L, s, lua_absindex(L, idx));
	struct stream *st;

	if (c == NULL || c->closed || c->task == NULL || c->stream != NULL)
		return fail_closed(L);
	st = lua_newuserdatauv(L, sizeof(*st), 0);
	memset(st, 0, sizeof(*st));
	if (luaL_getmetatable(L, STREAM_CLASS) == LUA_TNIL)
		lx_newclass(L, STREAM_CLASS, methods, meta);
	lua_pop(L, 1);
	luaL_setmetatable(L, STREAM_CLASS);
	st->conn = c;
	c->stream = st;
	s->stats.in_flight--;
	s->stats.streams++;
	return 1;
}
