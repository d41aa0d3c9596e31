/* links: line line_out loop mem err log log_line secret secret_redact */
/*
 * Whatever bytes arrive in whatever pieces, with or without pauses: the lines
 * handed out are those that a plain split of the whole text gives.
 *
 * Input: one byte of options, one byte for max_line, then the text; its bytes
 * also decide where it is cut into pieces.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line.h"

#define TEXT_MAX	16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "line_fuzz: expected %s\n", #cond);	\
		abort();						\
	}								\
} while (0)

struct fuzz {
	const char *text;		/* not yet handed out */
	size_t left, max_line;
	bool pause, answer, finish;
	bool ended;			/* EOF or too long was told */
	bool closed;
};

/* The next line by a plain split. Returns -1 without a complete one. */
static ssize_t
next_line(const struct fuzz *f, size_t *whole)
{
	const char *nl = f->left > 0 ? memchr(f->text, '\n', f->left) : NULL;
	size_t len = nl != NULL ? (size_t)(nl - f->text) : f->left;

	*whole = len + (nl != NULL);
	if (len > 0 && f->text[len - 1] == '\r')
		len--;
	return nl != NULL ? (ssize_t)len : -1;
}

static void
check_text(struct fuzz *f, const char *data, size_t len)
{
	size_t whole;
	ssize_t want = next_line(f, &whole);

	FUZZ_CHECK(!f->ended);
	FUZZ_CHECK(want >= 0 && (size_t)want == len);
	FUZZ_CHECK(len <= f->max_line);
	FUZZ_CHECK(memcmp(data, f->text, len) == 0);
	f->text += whole;
	f->left -= whole;
}

static void
check_end(struct fuzz *f, bool too_long, size_t len)
{
	size_t whole;
	ssize_t want = next_line(f, &whole);

	FUZZ_CHECK(!f->ended);
	f->ended = true;
	if (too_long) {
		if (want < 0)
			want = (ssize_t)whole;
		FUZZ_CHECK((size_t)want > f->max_line);
	} else {
		FUZZ_CHECK(want < 0 && len == f->left);
		FUZZ_CHECK(len <= f->max_line + 1);	/* a CR at its end */
	}
}

static void
fuzz_cb(struct line *l, enum line_event ev, const char *data, size_t len,
    void *arg)
{
	struct fuzz *f = arg;

	FUZZ_CHECK(!f->closed);
	switch (ev) {
	case LINE_TEXT:
		check_text(f, data, len);
		if (f->answer) {
			buf_add(line_output(l), data, len);
			line_flush(l);
		}
		if (f->pause)
			line_pause(l);
		break;
	case LINE_TOO_LONG:
		check_end(f, true, 0);
		break;
	case LINE_EOF:
		check_end(f, false, len);
		break;
	case LINE_CLOSED:
		f->closed = true;
		break;
	default:
		FUZZ_CHECK(ev == LINE_TEXT);	/* no timers here */
	}
	if (f->ended && f->finish && !f->closed)
		line_finish(l);
}

static void
turn(struct loop *loop, struct line *l, int peer)
{
	char sink[4096];

	loop_turn(loop, 0);
	line_resume(l);
	while (recv(peer, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

static void
feed(struct fuzz *f, struct loop *loop, struct line *l, int peer)
{
	const char *text = f->text;
	size_t left = f->left, piece, turns = left + 16;

	while (left > 0 && !f->closed) {
		piece = 1 + ((unsigned char)text[0] * 7u) % 97;
		if (piece > left)
			piece = left;
		if (send(peer, text, piece, MSG_NOSIGNAL | MSG_DONTWAIT) !=
		    (ssize_t)piece)
			break;
		text += piece;
		left -= piece;
		turn(loop, l, peer);
	}
	shutdown(peer, SHUT_WR);
	while (!f->closed && (f->finish || !f->ended) && turns-- > 0)
		turn(loop, l, peer);
	FUZZ_CHECK(f->ended);
	FUZZ_CHECK(!f->finish || f->closed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line_limits limits = { .max_output = 1 << 20 };
	struct err e = ERR_INIT;
	struct fuzz f = { 0 };
	struct loop *loop;
	struct line *l;
	int fds[2];

	if (size < 2 || size > TEXT_MAX)
		return 0;
	f = (struct fuzz){ .text = (const char *)data + 2, .left = size - 2,
	    .max_line = data[1], .pause = (data[0] & 1) != 0,
	    .answer = (data[0] & 2) != 0, .finish = (data[0] & 4) != 0 };
	limits.max_line = f.max_line;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	loop = loop_new(NULL, &e);
	l = line_new(loop, fds[0], &limits, fuzz_cb, &f, &e);
	FUZZ_CHECK(l != NULL);
	feed(&f, loop, l, fds[1]);
	line_free(l);
	loop_free(loop);
	close(fds[1]);
	return 0;
}
