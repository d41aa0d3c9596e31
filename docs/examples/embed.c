/*
 * embed.c - a colibri host on an event base of your own.
 *
 *	cc -std=c11 -Icore -o build/embed docs/examples/embed.c \
 *	    build/libcolibri.a $(pkg-config --cflags --libs \
 *	    lua5.4 libevent_core sqlite3) -lm
 *	build/embed docs/examples/hello.lua you
 */
#include <stdio.h>

#include <event2/event.h>

#include "colibri.h"

struct ended {
	struct event_base *base;
	int status;
};

static void
done(int status, const char *message, void *arg)
{
	struct ended *ended = arg;

	if (message[0] != '\0')
		fprintf(stderr, "embed: %s\n", message);
	ended->status = status;
	event_base_loopbreak(ended->base);
}

int
main(int argc, char **argv)
{
	struct ended ended = { .base = event_base_new(), .status = -1 };
	struct colibri_options options = { .base = ended.base };
	struct colibri *host;
	char err[1024];

	if (argc < 2 || ended.base == NULL) {
		fprintf(stderr, "usage: embed SCRIPT.lua [ARGS]\n");
		return 2;
	}
	host = colibri_new(&options, err, sizeof(err));
	if (host == NULL) {
		fprintf(stderr, "embed: %s\n", err);
		return 2;
	}
	if (colibri_run_script(host, argv[1], argc - 2, argv + 2, done,
	    &ended) == 0)
		event_base_dispatch(ended.base);
	colibri_free(host);
	event_base_free(ended.base);
	printf("colibri %s: status %d\n", colibri_version(), ended.status);
	return ended.status == 0 ? 0 : 1;
}
