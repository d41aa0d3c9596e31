/*
 * colibri.h - embedding: a colibri host inside your own program.
 *
 *	struct colibri_options o = { .base = my_base };
 *	struct colibri *host = colibri_new(&o, err, sizeof(err));
 *	colibri_add_path(host, "/usr/share/myapp/lua");
 *	colibri_run_script(host, "hello.lua", 0, NULL, done, NULL);
 *	... your loop runs, or colibri_run(host) runs it ...
 *	colibri_free(host);
 *
 * docs/examples/embed.c is a whole program. A host is used from one thread.
 * Link with -lcolibri and what `pkg-config lua5.4 libevent_core sqlite3` says.
 */
#ifndef COLIBRI_H
#define COLIBRI_H

#include <stddef.h>

struct colibri;
struct event_base;
struct lua_State;

struct colibri_options {
	/* Your event base; NULL: the host makes one, run it with colibri_run(). */
	struct event_base *base;
	/* Settings as the daemon's flags ("--db", "/tmp/x.sqlite", ...), which
	 * win over the COLIBRI_* environment. May be NULL. */
	int argc;
	char **argv;
};

/* Makes a host. On failure NULL and every mistake in err, one per line. */
struct colibri *colibri_new(const struct colibri_options *options, char *err,
    size_t err_size);

/* Ends everything that runs, then frees. NULL allowed. */
void colibri_free(struct colibri *host);

/* A further directory in which `require "a.b"` finds a/b.lua; searched after
 * the shipped library. The directory must be trusted (docs/SECURITY.md). */
int colibri_add_path(struct colibri *host, const char *dir);

/* A C module of yours for `require`: open is an ordinary lua_CFunction. */
void colibri_add_module(struct colibri *host, const char *name,
    int (*open)(struct lua_State *));

/* How a script or function ended: status is its exit status (0 when it
 * returned nothing or true), message is "" or its error with file and line. */
typedef void colibri_done_cb(int status, const char *message, void *arg);

/* Start `main(...)` of a Lua module with string arguments, as a task. Returns
 * 0, or -1 with the reason given to cb (may be NULL) before it returns. */
int colibri_start(struct colibri *host, const char *module, int argc,
    char **argv, colibri_done_cb *cb, void *arg);

/* Start a script file as `colibri-run` does. */
int colibri_run_script(struct colibri *host, const char *path, int argc,
    char **argv, colibri_done_cb *cb, void *arg);

/* Open the store, load the scripts, listen on the socket: the daemon, in your
 * process. cb is told only if it fails or when it is stopped. */
int colibri_serve(struct colibri *host, colibri_done_cb *cb, void *arg);

/* Run the loop until colibri_stop(), for a host that made its own base.
 * Returns the status given to colibri_stop(). */
int colibri_run(struct colibri *host);
void colibri_stop(struct colibri *host, int status);

/* The Lua state, for your own bindings. Owned by the host. */
struct lua_State *colibri_lua(struct colibri *host);

const char *colibri_version(void);

#endif
