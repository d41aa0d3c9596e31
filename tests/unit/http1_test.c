/* links: http1 http1_conn loop secret secret_redact err mem log log_line */
#include <sys/socket.h>

#include <string.h>
#include <unistd.h>

#include "check.h"
#include "http1.h"
#include "http1_conn.h"
#include "mem.h"

/* Read one reply whole and byte by byte; its body, or "". */
static const char *
reply(const char *text, int want)
{
	static char out[8192];
	struct err e = ERR_INIT;
	struct http1 h;
	size_t used, i;
	int rc;

	http1_start(&h, 64);
	rc = http1_feed(&h, text, strlen(text), &used, &e);
	if (rc != want)
		CHECK_NOTE("%d, not %d: %s", rc, want, text);
	snprintf(out, sizeof(out), "%.*s", (int)h.body.len,
	    h.body.len != 0 ? (const char *)h.body.data : "");
	http1_free(&h);
	http1_start(&h, 64);
	for (i = 0, rc = 0; rc == 0 && text[i] != '\0'; i++)
		rc = http1_feed(&h, text + i, 1, &used, &e);
	CHECK(rc == want);
	CHECK(h.body.len == strlen(out) || want < 0);
	http1_free(&h);
	if (rc < 0)
		CHECK_STR(e.code, "VaultProtocol");
	return out;
}

#define HEAD	"HTTP/1.1 200 OK\r\n"

TEST(replies)
{
	CHECK_STR(reply(HEAD "Content-Length: 2\r\n\r\n{}", 1), "{}");
	CHECK_STR(reply(HEAD "content-length:2\r\nX: y\r\n\r\n{}", 1), "{}");
	CHECK_STR(reply(HEAD "Content-Length: 0\r\n\r\n", 1), "");
	CHECK_STR(reply("HTTP/1.1 204\r\n\r\n", 1), "");
	CHECK_STR(reply(HEAD "Transfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nT: t\r\n\r\n", 1), "abc0123456789");
	reply(HEAD "Content-Length: 3\r\n\r\n{}", 0);
	reply(HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 0);
	reply("", 0);
}

TEST(refused)
{
	static const char *const bad[] = {
		"HTTP/1.0 200 OK\r\n", "HTTP/1.1 20 OK\r\n",
		"HTTP/1.1 100 Continue\r\n", "HTTP/1.1 999 No\r\n",
		"HTTP/1.1 200 OK\n", "<html>\r\n", "\r\n",
		HEAD "\r\n",				/* no length */
		HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\n",
		HEAD "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
		HEAD "Content-Length: +2\r\n\r\n",
		HEAD "Content-Length: 0x2\r\n\r\n",
		HEAD "Content-Length:\r\n\r\n",
		HEAD "Content-Length: 65\r\n\r\n",	/* over the cap */
		HEAD "Content-Length: 99999999999999999999999\r\n\r\n",
		HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n",
		HEAD "Content-Encoding: gzip\r\n\r\n",
		HEAD "No colon\r\n", HEAD ": no name\r\n",
		HEAD "A: b\r\n folded\r\n",
		HEAD "A: b\rc\r\n",
		HEAD "Transfer-Encoding: chunked\r\n\r\nx\r\n",
		HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n",
		HEAD "Transfer-Encoding: chunked\r\n\r\n41\r\n",
		HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
		HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
		"HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n",
	};
	char *text;
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++)
		reply(bad[i], -1);
	text = xasprintf(HEAD "A: %05000d\r\n", 0);
	reply(text, -1);
	free(text);
}

TEST(request)
{
	struct err e = ERR_INIT;
	char out[256];

	CHECK(http1_request(out, sizeof(out), "GET", "/status", "h:1", -1,
	    &e) > 0);
	CHECK(strcmp(out, "GET /status HTTP/1.1\r\nHost: h:1\r\n\r\n") == 0);
	CHECK(http1_request(out, sizeof(out), "POST", "/x", "h", 0, &e) > 0);
	CHECK(strstr(out, "Content-Length: 0\r\n") != NULL);
	CHECK(http1_request(out, sizeof(out), "GET", "/a b", "h", -1, &e) < 0);
	CHECK(http1_request(out, sizeof(out), "GET", "/a\r\nB: c", "h", -1,
	    &e) < 0);
	CHECK(http1_request(out, sizeof(out), "GET", "x", "h", -1, &e) < 0);
	CHECK(http1_request(out, 20, "GET", "/status", "h", -1, &e) < 0);
}

/* --- conversations --- */

struct answer {
	int n, status;
	char body[64], code[32];
};

static void
answer_cb(int status, struct secret *body, const struct err *e, void *arg)
{
	struct answer *a = arg;

	a->n++;
	a->status = status;
	snprintf(a->body, sizeof(a->body), "%s",
	    body != NULL ? secret_bytes(body) : "");
	snprintf(a->code, sizeof(a->code), "%s", e != NULL ? e->code : "");
	secret_unref(body);
}

static void
say(int fd, const char *text)
{
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void
turns(struct loop *l, const struct answer *a)
{
	int i;

	for (i = 0; i < 1000 && a->n == 0; i++)
		loop_turn(l, 0.01);
}

TEST(conversation)
{
	struct http1_ask ask = { .method = "GET", .path = "/", .host = "h",
	    .max = 64 };
	struct err e = ERR_INIT;
	struct loop *l = loop_new(NULL, &e);
	struct answer a = { 0 };
	struct http1_conn *c;
	char got[256];
	ssize_t n;
	int s[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
	c = http1_conn_new(l, s[0], &e);
	ask.body = secret_new("{\"password\":\"x\"}", 16);
	ask.method = "POST";
	CHECK(http1_conn_ask(c, &ask, answer_cb, &a, &e) == 0);
	CHECK(http1_conn_ask(c, &ask, answer_cb, &a, &e) != 0);
	CHECK(strcmp(e.code, "Busy") == 0);
	secret_unref(ask.body);
	ask.body = NULL;
	loop_turn(l, 0.1);
	n = read(s[1], got, sizeof(got) - 1);
	CHECK(n > 0);
	got[n > 0 ? n : 0] = '\0';
	CHECK(strstr(got, "Content-Length: 16\r\n\r\n{\"password\":\"x\"}") !=
	    NULL);
	say(s[1], HEAD "Content-Length: 2\r\n\r\n{}");
	turns(l, &a);
	CHECK(a.n == 1 && a.status == 200 && strcmp(a.body, "{}") == 0);
	CHECK(!http1_conn_dead(c));

	/* Again on the same stream; then it is too slow, and dead. */
	a.n = 0;
	CHECK(http1_conn_ask(c, &ask, answer_cb, &a, &e) == 0);
	say(s[1], "HTTP/1.1 400 Bad\r\nContent-Length: 1\r\n\r\nx");
	turns(l, &a);
	CHECK(a.n == 1 && a.status == 400);
	a.n = 0;
	ask.timeout = 0.02;
	CHECK(http1_conn_ask(c, &ask, answer_cb, &a, &e) == 0);
	turns(l, &a);
	CHECK(a.n == 1 && strcmp(a.code, "Timeout") == 0);
	CHECK(http1_conn_dead(c));
	CHECK(http1_conn_ask(c, &ask, answer_cb, &a, &e) != 0);
	CHECK(strcmp(e.code, "Disconnected") == 0);
	http1_conn_free(c);
	close(s[1]);
	loop_free(l);
}

/* What ends a conversation, by what the peer says; NULL: it closes. */
TEST(ends)
{
	static const char *const says[][2] = {
		{ NULL, "Disconnected" },
		{ HEAD "Content-Length: 2\r\n\r\n{}{}", "VaultProtocol" },
		{ "nonsense\r\n", "VaultProtocol" },
	};
	struct http1_ask ask = { .method = "GET", .path = "/", .host = "h",
	    .max = 64 };
	struct err e = ERR_INIT;
	struct loop *l = loop_new(NULL, &e);
	struct http1_conn *c;
	struct answer a;
	size_t i;
	int s[2];

	for (i = 0; i < ARRAY_LEN(says); i++) {
		a = (struct answer){ 0 };
		CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
		    s) == 0);
		c = http1_conn_new(l, s[0], &e);
		CHECK(http1_conn_ask(c, &ask, answer_cb, &a, &e) == 0);
		if (says[i][0] != NULL)
			say(s[1], says[i][0]);
		else
			close(s[1]);
		turns(l, &a);
		CHECK(a.n == 1 && strcmp(a.code, says[i][1]) == 0);
		CHECK(http1_conn_dead(c));
		http1_conn_free(c);
		if (says[i][0] != NULL)
			close(s[1]);
	}
	/* A word that nobody asked for; a request that is forgotten. */
	a = (struct answer){ 0 };
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
	c = http1_conn_new(l, s[0], &e);
	say(s[1], HEAD);
	loop_turn(l, 1);
	CHECK(http1_conn_dead(c));
	http1_conn_free(c);
	close(s[1]);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
	c = http1_conn_new(l, s[0], &e);
	CHECK(http1_conn_ask(c, &ask, answer_cb, &a, &e) == 0);
	http1_conn_cancel(c);
	loop_turn(l, 0.01);
	CHECK(a.n == 0 && http1_conn_dead(c));
	http1_conn_free(c);
	close(s[1]);
	CHECK(secret_count() == 0);
	loop_free(l);
}

CHECK_MAIN(
	RUN(replies);
	RUN(refused);
	RUN(request);
	RUN(conversation);
	RUN(ends);
)
