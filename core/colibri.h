/*
 * colibri.h - embedding: a colibri host inside your own program.
 *
 *	struct colibri_options o = { .base = my_base, .keep_signals = 1 };
 *	struct colibri *host = colibri_new(&o, err, sizeof(err));
 *	colibri_add_module(host, "myapp", luaopen_myapp);
 *	colibri_run_script(host, "hello.lua", 0, NULL, done, NULL);
 *	... your loop runs, or colibri_run(host) runs it ...
 *	colibri_free(host);
 *
 * docs/examples/embed.c runs a script, docs/examples/serve.c is a daemon in
 * somebody else's program; both are whole. Build with what
 * `pkg-config --cflags --libs colibri` says (--static for libcolibri.a).
 *
 * A host and everything about it belongs to one thread, the one of its event
 * base. Callbacks come from the loop, but for what is told before a call
 * returns -1. Strings are borrowed for the call. Nothing here blocks but
 * colibri_run(). Of the process a host uses: SIGCHLD, through libevent (other
 * children are left alone); TERM, INT and HUP while it serves, unless
 * keep_signals; its log goes to log_fd. Ignore SIGPIPE.
 */
#ifndef COLIBRI_H
#define COLIBRI_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct colibri;
struct event_base;
struct lua_State;

struct colibri_options {
	/* Your event base; NULL: the host makes one, run it with colibri_run(). */
	struct event_base *base;
	/* Settings as the daemon's flags ("--db", "/tmp/x.sqlite", ...), which
	 * win over the COLIBRI_* environment; anything else is an error. */
	int argc;
	char **argv;
	/* Where log lines go; 0: stderr. Borrowed. All hosts share one log. */
	int log_fd;
	/* Not 0: TERM, INT and HUP stay yours; see colibri_signal(). */
	int keep_signals;
};

/* Makes a host; options may be NULL. On failure NULL and every mistake in err
 * (err_size bytes, always terminated), one per line. */
struct colibri *colibri_new(const struct colibri_options *options, char *err,
    size_t err_size);

/* Ends everything that runs (agents go on, their shims keep them), then frees.
 * What had not ended is told so by its callback meanwhile: Cancelled. NULL
 * allowed; not from within a callback. Your base stays. */
void colibri_free(struct colibri *host);

/* A further directory in which `require "a.b"` of library code finds a/b.lua;
 * searched after the shipped library. It must be absolute (else -1), owned by
 * root or your user and not writable by others (docs/SECURITY.md). */
int colibri_add_path(struct colibri *host, const char *dir);

/* A C module of yours for `require`, in library code and in scripts: open is an
 * ordinary lua_CFunction that returns a table. Names that begin with "core." or
 * "colibri." are taken: -1. Functions in it must not block, and raise only
 * before they hold what Lua does not own. */
int colibri_add_module(struct colibri *host, const char *name,
    int (*open)(struct lua_State *));

/* How a script or function ended, once: status is its exit status (0 when it
 * returned nothing or true), message is "" or its error with file and line. It
 * may start something else, and colibri_stop(). */
typedef void colibri_done_cb(int status, const char *message, void *arg);

/* Start `main(...)` of a Lua module with string arguments, as a task. Returns
 * 0, or -1 with the reason given to cb (may be NULL) before it returns. */
int colibri_start(struct colibri *host, const char *module, int argc,
    char **argv, colibri_done_cb *cb, void *arg);

/* Start a script file as `colibri-run` does: with limits, and with ctx for all
 * effects (docs/API.md). path may be relative. */
int colibri_run_script(struct colibri *host, const char *path, int argc,
    char **argv, colibri_done_cb *cb, void *arg);

/* Open the store, load the scripts, listen on the socket: the daemon, in your
 * process. cb is told when it could not start, or has ended by a signal. Once
 * per host. */
int colibri_serve(struct colibri *host, colibri_done_cb *cb, void *arg);

/* As if a signal had come to what serves: SIGTERM or SIGINT end it in order
 * (cb of colibri_serve() follows), SIGHUP reloads its scripts. -1 for others. */
int colibri_signal(struct colibri *host, int signo);

/* Run the loop until colibri_stop(), for a host that made its own base; one
 * that came before counts, once. Returns the status given to it, or 1 when
 * there is no loop. On your own base it does nothing: stop that yourself. */
int colibri_run(struct colibri *host);
void colibri_stop(struct colibri *host, int status);

/* The Lua state, for what the calls above cannot do. Owned by the host; leave
 * its stack as it was, and call into it protected. */
struct lua_State *colibri_lua(struct colibri *host);

/* "0.1.0": of the library that runs, not of this header. */
const char *colibri_version(void);

#ifdef __cplusplus
}
#endif

#endif
