/* links: line line_out loop mem err log log_line secret secret_redact */
#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "line.h"

/* One connection: the line under test on one end, the test on the other. */
struct rig {
	struct loop *loop;
	struct line *line;
	int peer;
	struct buf log;		/* "T:text|" "E:rest|" "C|" ... */
	size_t texts, longest;
	int count[LINE_IDLE + 1];
	bool pause_each, finish_on_text, keep_quiet;
	size_t reply_bytes;	/* answer each line with so many */
};

static void
rig_cb(struct line *l, enum line_event ev, const char *data, size_t len,
    void *arg)
{
	static const char letters[] = "TLEHCSI";
	struct rig *r = arg;

	r->count[ev]++;
	if (!r->keep_quiet) {
		buf_add(&r->log, &letters[ev], 1);
		if (ev == LINE_TEXT || ev == LINE_EOF) {
			buf_add_str(&r->log, ":");
			buf_add(&r->log, data, len);
		}
		buf_add_str(&r->log, "|");
	}
	if (ev != LINE_TEXT)
		return;
	r->texts++;
	if (len > r->longest)
		r->longest = len;
	if (r->reply_bytes > 0) {
		memset(buf_reserve(line_output(l), r->reply_bytes), 'r',
		    r->reply_bytes);
		line_output(l)->len += r->reply_bytes;
		line_flush(l);
	}
	if (r->pause_each)
		line_pause(l);
	if (r->finish_on_text)
		line_finish(l);
}

static const struct line_limits usual = { .max_line = 1 << 20,
    .max_output = 1 << 20, .stall = 10 };

static void
rig_open(struct rig *r, const struct line_limits *limits)
{
	struct err e = ERR_INIT;
	int fds[2];

	memset(r, 0, sizeof(*r));
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	r->loop = loop_new(NULL, &e);
	r->peer = fds[1];
	r->line = line_new(r->loop, fds[0], limits, rig_cb, r, &e);
	CHECK_STR(e.code, "");
}

static void
rig_close(struct rig *r)
{
	line_free(r->line);
	loop_free(r->loop);
	if (r->peer >= 0)
		close(r->peer);
	buf_free(&r->log);
}

static void
rig_say(struct rig *r, const char *text)
{
	CHECK_INT(send(r->peer, text, strlen(text), MSG_NOSIGNAL),
	    strlen(text));
}

/* Turn until an event of this kind was seen n times, five seconds at most. */
static void
rig_until(struct rig *r, enum line_event ev, int n)
{
	double end = loop_now_fresh(r->loop) + 5;

	while (r->count[ev] < n && loop_now_fresh(r->loop) < end)
		loop_turn(r->loop, 0.1);
	CHECK_INT(r->count[ev], n);
}

static void
rig_check(struct rig *r, const char *want)
{
	CHECK_MEM(r->log.data, r->log.len, want, strlen(want));
}

TEST(lines_are_cut)
{
	struct rig r;

	rig_open(&r, &usual);
	rig_say(&r, "one\ntwo\r\n\nfo");
	rig_until(&r, LINE_TEXT, 3);
	rig_say(&r, "ur\n");
	rig_until(&r, LINE_TEXT, 4);
	rig_check(&r, "T:one|T:two|T:|T:four|");
	rig_close(&r);
}

TEST(eof_reports_the_cut_line_and_output_still_works)
{
	struct rig r;
	char got[32] = "";

	rig_open(&r, &usual);
	rig_say(&r, "one\ncut");
	shutdown(r.peer, SHUT_WR);
	rig_until(&r, LINE_EOF, 1);
	rig_check(&r, "T:one|E:cut|");
	buf_add_str(line_output(r.line), "reply\n");
	line_flush(r.line);
	loop_turn(r.loop, 5);
	CHECK_INT(read(r.peer, got, sizeof(got)), 6);
	CHECK_STR(got, "reply\n");
	line_finish(r.line);
	rig_until(&r, LINE_CLOSED, 1);
	CHECK_INT(read(r.peer, got, sizeof(got)), 0);
	loop_turn(r.loop, 0);
	rig_check(&r, "T:one|E:cut|C|");
	rig_close(&r);
}

TEST(eof_waits_for_paused_lines)
{
	struct rig r;

	rig_open(&r, &usual);
	r.pause_each = true;
	rig_say(&r, "one\ntwo\n");
	close(r.peer);
	r.peer = -1;
	rig_until(&r, LINE_TEXT, 1);
	loop_turn(r.loop, 0);
	loop_turn(r.loop, 0);
	rig_check(&r, "T:one|H|");
	line_resume(r.line);
	rig_check(&r, "T:one|H|");	/* never from inside the call */
	rig_until(&r, LINE_TEXT, 2);
	loop_turn(r.loop, 0);
	rig_check(&r, "T:one|H|T:two|");
	line_resume(r.line);
	rig_until(&r, LINE_EOF, 1);
	rig_check(&r, "T:one|H|T:two|E:|");
	rig_close(&r);
}

/* A 64 KiB line in single bytes: each byte is looked at once. */
TEST(long_line_byte_by_byte)
{
	struct rig r;
	size_t i;

	rig_open(&r, &usual);
	for (i = 0; i < 65536; i++) {
		if (send(r.peer, "x", 1, MSG_DONTWAIT) != 1)
			break;
		if (i % 100 == 0 || i > 65530)
			loop_turn(r.loop, 0);
	}
	CHECK_INT(i, 65536);
	rig_say(&r, "\nnext\n");
	r.keep_quiet = true;
	rig_until(&r, LINE_TEXT, 2);
	CHECK_INT(r.longest, 65536);
	rig_close(&r);
}

TEST(too_long_ends_the_input_but_not_the_output)
{
	struct line_limits limits = usual;
	struct rig r;
	char got[16] = "";

	limits.max_line = 10;
	rig_open(&r, &limits);
	rig_say(&r, "0123456789\r\n0123456789\r");
	rig_until(&r, LINE_TEXT, 1);
	loop_turn(r.loop, 0);
	rig_check(&r, "T:0123456789|");
	rig_say(&r, "x");
	rig_until(&r, LINE_TOO_LONG, 1);
	rig_say(&r, "y\nmore\n");
	loop_turn(r.loop, 0);
	rig_check(&r, "T:0123456789|L|");
	buf_add_str(line_output(r.line), "no\n");
	line_finish(r.line);
	rig_until(&r, LINE_CLOSED, 1);
	CHECK_INT(read(r.peer, got, sizeof(got)), 3);
	line_free(r.line);
	r.line = NULL;
	/* What was never read does not become a reset. */
	CHECK_INT(read(r.peer, got, sizeof(got)), 0);
	rig_close(&r);
}

TEST(too_long_with_its_newline_in_the_same_read)
{
	struct line_limits limits = usual;
	struct rig r;

	limits.max_line = 3;
	rig_open(&r, &limits);
	rig_say(&r, "abc\nabcd\nabc\n");
	rig_until(&r, LINE_TOO_LONG, 1);
	rig_check(&r, "T:abc|L|");
	rig_close(&r);
}

/* Everything a paused line is sent stays in the kernel after a while. */
TEST(pause_is_back_pressure)
{
	char block[4096];
	struct rig r;
	size_t sent = 0;
	ssize_t n;
	int i, idle = 0;

	memset(block, 'x', sizeof(block));
	for (i = 63; i < 4096; i += 64)
		block[i] = '\n';
	rig_open(&r, &usual);
	r.keep_quiet = true;
	r.pause_each = true;
	while (idle < 3 && sent < 64u << 20) {
		n = send(r.peer, block, sizeof(block), MSG_DONTWAIT);
		if (n > 0)
			sent += (size_t)n;
		idle = n > 0 ? 0 : idle + 1;
		loop_turn(r.loop, 0);
	}
	CHECK(sent < 8u << 20);
	CHECK_INT(r.texts, 1);
	r.pause_each = false;
	line_resume(r.line);
	rig_until(&r, LINE_TEXT, (int)(sent / 64));
	CHECK_INT(r.longest, 63);
	rig_close(&r);
}

TEST(pause_and_resume_from_the_callback_side)
{
	struct rig r;
	int i;

	rig_open(&r, &usual);
	r.pause_each = true;
	rig_say(&r, "1\n2\n3\n4\n5");
	for (i = 1; i <= 4; i++) {
		rig_until(&r, LINE_TEXT, i);
		line_resume(r.line);
	}
	rig_say(&r, "\n");
	rig_until(&r, LINE_TEXT, 5);
	rig_check(&r, "T:1|T:2|T:3|T:4|T:5|");
	rig_close(&r);
}

/* Replies to all lines of a turn leave in one write. */
TEST(one_write_a_turn)
{
	struct rig r;
	char got[256];

	rig_open(&r, &usual);
	r.reply_bytes = 10;
	rig_say(&r, "a\nb\nc\nd\n");
	loop_turn(r.loop, 5);
	CHECK_INT(r.texts, 4);
	CHECK_INT(recv(r.peer, got, sizeof(got), MSG_DONTWAIT), 40);
	CHECK_INT(line_unsent(r.line), 0);
	rig_close(&r);
}

TEST(finish_inside_the_callback_stops_input)
{
	struct rig r;
	char got[256];

	rig_open(&r, &usual);
	r.reply_bytes = 10;
	r.finish_on_text = true;
	rig_say(&r, "a\nb\nc\n");
	rig_until(&r, LINE_CLOSED, 1);
	rig_check(&r, "T:a|C|");
	CHECK_INT(read(r.peer, got, sizeof(got)), 10);
	CHECK_INT(read(r.peer, got, sizeof(got)), 0);
	buf_add_str(line_output(r.line), "late");
	line_flush(r.line);
	line_finish(r.line);
	loop_turn(r.loop, 0);
	CHECK_INT(line_unsent(r.line), 0);
	CHECK_INT(r.count[LINE_CLOSED], 1);
	rig_close(&r);
}

TEST(slow_reader_stalls_and_recovers)
{
	struct line_limits limits = usual;
	struct rig r;
	char got[65536];
	size_t total = 0, want;
	double end;
	ssize_t n;

	limits.max_output = 100000;
	limits.stall = 0.05;
	rig_open(&r, &limits);
	r.reply_bytes = 3000000;
	rig_say(&r, "a\nb\n");
	rig_until(&r, LINE_STALLED, 1);
	CHECK_INT(r.texts, 1);		/* input stopped behind the first */
	want = 2 * r.reply_bytes;
	end = loop_now_fresh(r.loop) + 5;
	while (total < want && loop_now_fresh(r.loop) < end) {
		n = recv(r.peer, got, sizeof(got), MSG_DONTWAIT);
		if (n > 0)
			total += (size_t)n;
		loop_turn(r.loop, 0);
	}
	CHECK_INT(total, want);
	CHECK_INT(r.texts, 2);
	CHECK_INT(line_unsent(r.line), 0);
	CHECK_INT(r.count[LINE_CLOSED], 0);
	rig_close(&r);
}

/* The output grows behind a write that waits: that is noticed too. */
TEST(output_growing_while_blocked_stalls)
{
	struct line_limits limits = usual;
	struct rig r;

	limits.max_output = 4u << 20;
	limits.stall = 0.05;
	rig_open(&r, &limits);
	r.reply_bytes = 3u << 20;
	r.keep_quiet = true;
	rig_say(&r, "a\n");
	rig_until(&r, LINE_TEXT, 1);
	loop_turn(r.loop, 0.1);
	CHECK_INT(r.count[LINE_STALLED], 0);
	rig_say(&r, "b\n");
	rig_until(&r, LINE_STALLED, 1);
	rig_close(&r);
}

TEST(finishing_gives_up_a_peer_that_never_reads)
{
	struct line_limits limits = usual;
	struct rig r;

	limits.stall = 0.05;
	rig_open(&r, &limits);
	r.reply_bytes = 900000;
	r.finish_on_text = true;
	rig_say(&r, "a\n");
	rig_until(&r, LINE_CLOSED, 1);
	rig_check(&r, "T:a|C|");
	rig_close(&r);
}

/* EPIPE is an event, not a signal. */
TEST(dead_peer_is_reported_once)
{
	struct rig r;

	rig_open(&r, &usual);
	close(r.peer);
	r.peer = -1;
	rig_until(&r, LINE_EOF, 1);
	buf_add_str(line_output(r.line), "x\n");
	line_flush(r.line);
	rig_until(&r, LINE_CLOSED, 1);
	loop_turn(r.loop, 0);
	rig_check(&r, "E:|C|");
	rig_close(&r);
}

TEST(idle_is_told_again_and_again)
{
	struct line_limits limits = usual;
	struct rig r;

	limits.idle_timeout = 0.03;
	rig_open(&r, &limits);
	rig_until(&r, LINE_IDLE, 2);
	rig_say(&r, "x\n");
	rig_until(&r, LINE_TEXT, 1);
	rig_until(&r, LINE_IDLE, 3);
	rig_close(&r);
}

TEST(reads_a_pipe)
{
	struct err e = ERR_INIT;
	struct rig r;
	int fds[2];

	rig_open(&r, &usual);
	line_free(r.line);
	CHECK_INT(pipe(fds), 0);
	r.line = line_new(r.loop, fds[0], &usual, rig_cb, &r, &e);
	CHECK_INT(write(fds[1], "one\ntw", 6), 6);
	close(fds[1]);
	rig_until(&r, LINE_EOF, 1);
	rig_check(&r, "T:one|E:tw|");
	rig_close(&r);
}

static void
hush(int severity, const char *msg)
{
	(void)severity;
	(void)msg;
}

TEST(bad_descriptor_is_refused)
{
	struct err e = ERR_INIT;
	struct loop *loop = loop_new(NULL, &e);
	int fd = open("/", O_RDONLY);

	event_set_log_callback(hush);
	CHECK(line_new(loop, -1, &usual, rig_cb, NULL, &e) == NULL);
	CHECK_STR(e.code, "LineFailed");
	CHECK(line_new(loop, fd, &usual, rig_cb, NULL, &e) == NULL);
	CHECK_STR(e.code, "LineFailed");
	CHECK_INT(fcntl(fd, F_GETFD), 0);	/* still the caller's */
	close(fd);
	line_free(NULL);
	loop_free(loop);
}

CHECK_MAIN(
	RUN(lines_are_cut);
	RUN(eof_reports_the_cut_line_and_output_still_works);
	RUN(eof_waits_for_paused_lines);
	RUN(long_line_byte_by_byte);
	RUN(too_long_ends_the_input_but_not_the_output);
	RUN(too_long_with_its_newline_in_the_same_read);
	RUN(pause_is_back_pressure);
	RUN(pause_and_resume_from_the_callback_side);
	RUN(one_write_a_turn);
	RUN(finish_inside_the_callback_stops_input);
	RUN(slow_reader_stalls_and_recovers);
	RUN(output_growing_while_blocked_stalls);
	RUN(finishing_gives_up_a_peer_that_never_reads);
	RUN(dead_peer_is_reported_once);
	RUN(idle_is_told_again_and_again);
	RUN(reads_a_pipe);
	RUN(bad_descriptor_is_refused))
