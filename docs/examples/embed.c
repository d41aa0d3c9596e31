/*
 * embed.c - a colibri host on an event base of your own.
 *
 *	cc -std=c11 -o embed embed.c $(pkg-config --cflags --libs \
 *	    colibri libevent_core)
 *	./embed hello.lua you
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
