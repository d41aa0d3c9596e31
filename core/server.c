/*
 * server.c - the socket server; see server.h.
 *
 * Flow: line_cb -> request_start (decode, start a task) -> task_begin ->
 * dispatch.lua -> request_done (encode into the connection's output) ->
 * line_flush. Most requests wait for nothing: they are done when line_cb
 * returns, and the next line of the same read follows. A connection has at most
 * one request in flight; its line is paused while that waits.
 * A peer that goes away cancels a request that only reads; one that changes
 * things runs to its end, so that nothing is left half done.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "line.h"
#include "log.h"
#include "lua_json.h"
#include "lx.h"
#include "mem.h"
#include "secret.h"
#include "server_priv.h"
#include "sock.h"
#include "task.h"

#define ACCEPT_BATCH	64
#define ACCEPT_PAUSE	1	/* seconds, when descriptors run out */
#define STALL_SECONDS	30	/* a reader that never reads */

/* --- the end of a connection --- */

static void
conn_free_cb(void *arg)
{
	struct conn *c = arg;

	server_stream_end(c);
	LIST_REMOVE(c, link);
	luaL_unref(vm_lua(c->server->vm), LUA_REGISTRYINDEX, c->ref);
	line_free(c->line);
	free(c);
}

/* Nobody waits for the request in flight: end it if it only reads. */
static void
conn_cancel(struct conn *c)
{
	lua_State *L = vm_lua(c->server->vm);
	bool cancel;

	if (c->task == NULL)
		return;
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
	lua_getfield(L, -1, "cancel_on_close");
	cancel = lua_toboolean(L, -1);
	lua_pop(L, 2);
	if (cancel)
		task_cancel(c->task);
}

/* Forget the connection; a request in flight keeps it until it is done. */
static void
conn_drop(struct conn *c)
{
	struct server *s = c->server;

	c->closed = true;
	server_stream_wake(c);
	if (c->task != NULL) {
		conn_cancel(c);
		return;
	}
	if (c->dropped)
		return;
	c->dropped = true;
	s->stats.open--;
	loop_defer(vm_loop(s->vm), LOOP_FLUSH, &c->free_later, conn_free_cb,
	    c);
}

/* --- replies --- */

/* Secrets do not leave by a reply either: redact what was appended. */
void
server_redact(struct buf *out, size_t from)
{
	char *clean;
	size_t len;

	clean = secret_redact_json(out->data + from, out->len - from, &len);
	if (clean == NULL)
		return;
	out->len = from;
	buf_add(out, clean, len);
	free(clean);
	log_error("server", "a reply held a secret; it was redacted");
}

/* Protected: (conn, reply) -> appends the reply line; on failure raises. */
static int
reply_encode(lua_State *L)
{
	struct conn *c = lua_touserdata(L, 1);
	struct buf *out = line_output(c->line);
	struct err e = ERR_INIT;

	if (lua_json_encode(L, 2, out, &e) != 0) {
		lx_push_err(L, &e);
		return lua_error(L);
	}
	return 0;
}

/* Append the value at idx of L as a reply line. Returns -1 with the error on
 * top of L. */
static int
reply_send(struct conn *c, lua_State *L, int idx)
{
	struct buf *out = line_output(c->line);
	size_t from = out->len;

	idx = lua_absindex(L, idx);
	lua_pushcfunction(L, reply_encode);
	lua_pushlightuserdata(L, c);
	lua_pushvalue(L, idx);
	if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
		out->len = from;
		return -1;
	}
	server_redact(out, from);
	buf_add(out, "\n", 1);
	line_flush(c->line);
	return 0;
}

/* The error object on top of L becomes an error reply; popped. */
static void
reply_failure(struct conn *c, lua_State *L)
{
	static const char last_words[] = "{\"ok\":false,\"error\":{\"code\":"
	    "\"MemoryExceeded\",\"message\":\"no memory for a reply\","
	    "\"where\":null}}\n";
	int top = lua_gettop(L);

	luaL_checkstack(L, 8, "reply");
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->server->failed_ref);
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
	lua_pushvalue(L, top);
	if (vm_call(L, 2, 1, NULL) != 0 || reply_send(c, L, -1) != 0) {
		buf_add_str(line_output(c->line), last_words);
		line_flush(c->line);
	}
	lua_settop(L, top - 1);
}

static void
request_done(struct task *t, lua_State *L, bool ok, int nresults, void *arg)
{
	struct conn *c = arg;

	(void)t;
	server_stream_end(c);
	c->task = NULL;
	c->server->stats.in_flight--;
	if (c->closed) {
		conn_drop(c);
		return;
	}
	if (!ok) {
		lua_pushvalue(L, -1);
		reply_failure(c, L);
	} else if (nresults < 1 || reply_send(c, L, 1) != 0) {
		if (nresults < 1)
			lua_pushnil(L);
		reply_failure(c, L);
	}
	line_resume(c->line);
}

/* --- requests --- */

struct request_text {
	struct conn *conn;
	const char *text;
	size_t len;
	struct task *task;	/* what came of it */
};

/* Protected: decode the line and start its task: handle(conn, request, err, the
 * name of the command). */
static int
request_start(lua_State *L)
{
	struct request_text *r = lua_touserdata(L, 1);
	struct conn *c = r->conn;
	struct server *s = c->server;
	const char *name = "request";
	struct err e = ERR_INIT;

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->handle_ref);
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
	if (lua_json_decode(L, r->text, r->len, &e) != 0) {
		lx_fail(L, &e);
		lua_pushnil(L);
	} else {
		if (s->stats.in_flight >= (size_t)vm_conf(s->vm)->max_requests) {
			err_set(&e, "Busy", "too many requests are in flight");
			lx_push_err(L, &e);
		} else {
			lua_pushnil(L);
		}
		lua_pushnil(L);
		if (lua_istable(L, -3) &&
		    lua_getfield(L, -3, "cmd") == LUA_TSTRING) {
			name = lua_tostring(L, -1);
			lua_replace(L, -2);
		}
		lua_settop(L, 6);
	}
	c->task = r->task = task_start(L, 4, name, &s->task_limits, NULL,
	    request_done, c);
	s->stats.in_flight++;
	s->stats.requests++;
	return 0;
}

static void
conn_request(struct conn *c, const char *text, size_t len)
{
	lua_State *L = vm_lua(c->server->vm);
	struct request_text r = { c, text, len, NULL };

	lua_pushcfunction(L, request_start);
	lua_pushlightuserdata(L, &r);
	if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
		reply_failure(c, L);
		return;
	}
	task_begin(r.task);
	if (c->task != NULL)		/* it waits: so does the next line */
		line_pause(c->line);
}

/* An error reply to something that never became a request. */
static void
conn_refuse(struct conn *c, const char *code, const char *text)
{
	lua_State *L = vm_lua(c->server->vm);
	struct err e = ERR_INIT;

	err_set(&e, code, "%s", text);
	lx_push_err(L, &e);
	reply_failure(c, L);
	line_finish(c->line);
}

static void
conn_line_cb(struct line *line, enum line_event ev, const char *data,
    size_t len, void *arg)
{
	struct conn *c = arg;

	(void)line;
	switch (ev) {
	case LINE_TEXT:
		conn_request(c, data, len);
		break;
	case LINE_TOO_LONG:
		conn_refuse(c, "RequestTooLarge", "the line is too long");
		break;
	case LINE_EOF:		/* half a line is no request */
		line_finish(c->line);
		break;
	case LINE_IDLE:
		if (c->task == NULL)
			line_finish(c->line);
		break;
	case LINE_ROOM:
		server_stream_wake(c);
		break;
	case LINE_STALLED:
		log_info("server", "a peer does not read; connection closed");
		/* FALLTHROUGH */
	case LINE_HANGUP:	/* requests not begun are not begun */
	case LINE_CLOSED:
		conn_drop(c);
		break;
	}
}

/* --- accepting --- */

/* Protected: push conn's table { peer = { uid, gid, pid } } and keep it. */
static int
conn_setup(lua_State *L)
{
	struct conn *c = lua_touserdata(L, 1);
	const struct sock_peer *peer = lua_touserdata(L, 2);

	lua_createtable(L, 0, 4);
	lua_createtable(L, 0, 3);
	lua_pushinteger(L, (lua_Integer)peer->uid);
	lua_setfield(L, -2, "uid");
	lua_pushinteger(L, (lua_Integer)peer->gid);
	lua_setfield(L, -2, "gid");
	lua_pushinteger(L, (lua_Integer)peer->pid);
	lua_setfield(L, -2, "pid");
	lua_setfield(L, -2, "peer");
	c->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static void
conn_new(struct server *s, int fd, struct sock_peer *peer)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	lua_State *L = vm_lua(s->vm);
	struct err e = ERR_INIT;

	c->server = s;
	lua_pushcfunction(L, conn_setup);
	lua_pushlightuserdata(L, c);
	lua_pushlightuserdata(L, peer);
	if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
		lua_pop(L, 1);
		log_warn("server", "no memory for a connection");
		evutil_closesocket(fd);
		free(c);
		return;
	}
	c->line = line_new(vm_loop(s->vm), fd, &s->limits, conn_line_cb, c,
	    &e);
	if (c->line == NULL) {
		log_warn("server", "%s", e.text);
		luaL_unref(L, LUA_REGISTRYINDEX, c->ref);
		evutil_closesocket(fd);
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&s->conns, c, link);
	s->stats.connections++;
	s->stats.open++;
	if (s->stats.open > (size_t)vm_conf(s->vm)->max_connections)
		conn_refuse(c, "TooManyConnections",
		    "too many connections are open");
}

static void
server_resume_cb(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	event_add(s->accept_ev, NULL);
}

static void
server_accept_cb(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	struct sock_peer peer;
	struct err e = ERR_INIT;
	int i, conn_fd;

	(void)what;
	for (i = 0; i < ACCEPT_BATCH; i++) {
		conn_fd = sock_accept(fd, &peer, &e);
		if (conn_fd >= 0) {
			conn_new(s, conn_fd, &peer);
			continue;
		}
		if (e.sys == EMFILE || e.sys == ENFILE) {
			struct timeval tv = { ACCEPT_PAUSE, 0 };

			log_warn("server", "%s; not accepting for a while",
			    e.text);
			event_del(s->accept_ev);
			event_add(s->pause_ev, &tv);
		} else if (e.sys != EAGAIN && e.sys != EWOULDBLOCK) {
			log_warn("server", "%s", e.text);
		}
		return;
	}
}

struct server *
server_new(lua_State *L, struct err *e)
{
	struct vm *vm = vm_of(L);
	const struct conf *conf = vm_conf(vm);
	struct event_base *base = loop_base(vm_loop(vm));
	struct server *s = xcalloc(1, sizeof(*s));

	s->vm = vm;
	s->path = xstrdup(conf->socket_path);
	s->limits = (struct line_limits){ .max_line = (size_t)conf->max_line,
	    .max_output = (size_t)conf->max_output, .stall = STALL_SECONDS,
	    .idle_timeout = conf->idle_timeout };
	s->task_limits = (struct task_limits){
	    .instructions = conf->script_instructions,
	    .memory = conf->script_memory, .arm_later = true,
	    .deadline = conf->request_timeout };
	LIST_INIT(&s->conns);
	lua_getfield(L, -1, "failed");
	s->failed_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_getfield(L, -1, "handle");
	s->handle_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pop(L, 1);
	if (sock_listen(s->path, &s->fd, &s->lock_fd, e) != 0) {
		free(s->path);
		free(s);
		return NULL;
	}
	s->accept_ev = event_new(base, s->fd, EV_READ | EV_PERSIST,
	    server_accept_cb, s);
	s->pause_ev = event_new(base, -1, 0, server_resume_cb, s);
	if (s->accept_ev == NULL || s->pause_ev == NULL)
		log_fatal("server", "cannot watch the socket");
	return s;
}

void
server_serve(struct server *s)
{
	if (event_add(s->accept_ev, NULL) != 0)
		log_fatal("server", "cannot watch the socket");
	loop_share(vm_loop(s->vm));
	log_info("server", "listening on %s", s->path);
}

void
server_free(struct server *s)
{
	struct conn *c;

	if (s == NULL)
		return;
	event_free(s->accept_ev);
	event_free(s->pause_ev);
	sock_unlisten(s->path, s->fd, s->lock_fd);
	LIST_FOREACH(c, &s->conns, link) {
		if (c->task != NULL)
			task_cancel(c->task);
	}
	while ((c = LIST_FIRST(&s->conns)) != NULL) {
		loop_defer_cancel(vm_loop(s->vm), &c->free_later);
		conn_free_cb(c);
	}
	free(s->path);
	free(s);
}

void
server_stats(const struct server *s, struct server_stats *stats)
{
	*stats = s->stats;
}
