/*
 * serve.c - colibri-daemon inside a program: its socket on your event base, a C
 * module of yours for its scripts, your own signal handling.
 *
 *	cc -std=c11 -o serve serve.c $(pkg-config --cflags --libs \
 *	    colibri lua5.4 libevent_core)
 *	./serve --socket /tmp/s --db /tmp/s.sqlite ...	# ^C ends it
 */
#include <signal.h>
#include <stdio.h>

#include <event2/event.h>
#include <lauxlib.h>

#include "colibri.h"

struct app {
	struct event_base *base;
	struct colibri *host;
	lua_Integer asked;	/* what the module counts */
	int status;
};

/* counter.next() -> how often it was asked */
static int
counter_next(lua_State *L)
{
	struct app *app = lua_touserdata(L, lua_upvalueindex(1));

	lua_pushinteger(L, ++app->asked);
	return 1;
}

static struct app the_app;

static int
luaopen_counter(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{ "next", counter_next },
		{ NULL, NULL }
	};

	luaL_newlibtable(L, funcs);
	lua_pushlightuserdata(L, &the_app);
	luaL_setfuncs(L, funcs, 1);
	return 1;
}

static void
interrupted(evutil_socket_t signo, short what, void *arg)
{
	struct app *app = arg;

	(void)what;
	colibri_signal(app->host, (int)signo);
}

static void
done(int status, const char *message, void *arg)
{
	struct app *app = arg;

	if (message[0] != '\0')
		fprintf(stderr, "serve: %s\n", message);
	app->status = status;
	event_base_loopbreak(app->base);
}

int
main(int argc, char **argv)
{
	struct app *app = &the_app;
	struct colibri_options options = { .argc = argc - 1,
	    .argv = argv + 1, .keep_signals = 1 };
	struct event *on_int, *on_hup;
	char err[1024];

	signal(SIGPIPE, SIG_IGN);
	app->base = options.base = event_base_new();
	app->host = colibri_new(&options, err, sizeof(err));
	if (app->host == NULL ||
	    colibri_add_module(app->host, "counter", luaopen_counter) != 0) {
		fprintf(stderr, "serve: %s\n", err);
		return 2;
	}
	on_int = evsignal_new(app->base, SIGINT, interrupted, app);
	on_hup = evsignal_new(app->base, SIGHUP, interrupted, app);
	event_add(on_int, NULL);
	event_add(on_hup, NULL);
	if (colibri_serve(app->host, done, app) == 0)
		event_base_dispatch(app->base);
	colibri_free(app->host);
	event_free(on_int);
	event_free(on_hup);
	event_base_free(app->base);
	printf("asked %lld times, status %d\n", (long long)app->asked,
	    app->status);
	return app->status;
}
