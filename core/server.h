/*
 * server.h - the socket server: connections, requests, tasks, replies.
 *
 * A line becomes a request table, a request becomes a task that runs
 * colibri.dispatch, its result becomes one reply line. Requests of one
 * connection run one after the other, so replies come in order.
 */
#ifndef COLIBRI_SERVER_H
#define COLIBRI_SERVER_H

#include "core.h"
#include "err.h"
#include "vm.h"

struct server;

/*
 * Bind conf->socket_path, to serve with the functions of the table on top
 * of L (popped): handle(conn, request, err) -> reply, failed(conn, err) ->
 * reply; conn is a table that lives as long as the connection, with peer =
 * { uid, gid, pid }. Codes as sock_listen.
 */
struct server *server_new(lua_State *L, struct err *e);

/* Begin to accept; who has connected before has waited. */
void server_serve(struct server *s);

/* Stop listening, end every connection, free. NULL allowed. */
void server_free(struct server *s);

/* server:stream(conn) -> stream | nil, err(Disconnected): for the request in
 * flight of the connection whose table is conn, on top of L's stack. */
int server_stream_new(lua_State *L, struct server *s, int idx);

struct server_stats {
	uint64_t connections, requests;	/* since the start */
	size_t open, in_flight;		/* now; streams are not in flight */
	size_t streams;
};
void server_stats(const struct server *s, struct server_stats *stats);

#endif
