/*
 * echo.c - the baseline: a bare libevent line echo on a Unix socket, with
 * bufferevents. Every line gets the second argument back.
 *
 *	echo SOCKET REPLY
 */
#include <sys/un.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *reply;
static size_t reply_len;

static void
read_cb(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer *out = bufferevent_get_output(bev);
	char *line;

	(void)arg;
	while ((line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF)) != NULL) {
		evbuffer_add(out, reply, reply_len);
		free(line);
	}
}

static void
event_cb(struct bufferevent *bev, short what, void *arg)
{
	(void)what;
	(void)arg;
	bufferevent_free(bev);
}

static void
accept_cb(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
    int len, void *arg)
{
	struct bufferevent *bev;

	(void)sa;
	(void)len;
	(void)arg;
	bev = bufferevent_socket_new(evconnlistener_get_base(l), fd,
	    BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, read_cb, NULL, event_cb, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

int
main(int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct event_base *base = event_base_new();
	char *text;

	if (argc != 3 || base == NULL)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	reply_len = strlen(argv[2]) + 1;
	text = malloc(reply_len + 1);
	memcpy(text, argv[2], reply_len - 1);
	text[reply_len - 1] = '\n';
	reply = text;
	strncpy(sa.sun_path, argv[1], sizeof(sa.sun_path) - 1);
	unlink(argv[1]);
	if (evconnlistener_new_bind(base, accept_cb, NULL, LEV_OPT_CLOSE_ON_FREE,
	    128, (struct sockaddr *)&sa, sizeof(sa)) == NULL) {
		perror(argv[1]);
		return 1;
	}
	return event_base_dispatch(base);
}
