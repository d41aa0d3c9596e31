/* links: bw bw_json bw_list siphash fs fs_read fs_walk fs_write err mem log log_line secret secret_redact */
#include <sys/stat.h>
#include <unistd.h>

#include "bw.h"
#include "bw_json.h"
#include "bw_list.h"
#include "check.h"
#include "mem.h"

/* --- server URLs --- */

static const char *
server(const char *url)
{
	static char out[BW_SERVER_MAX];
	struct err e = ERR_INIT;

	if (bw_server_check(url, strlen(url), out, &e) != 0)
		return e.code;
	return out;
}

TEST(good_servers)
{
	CHECK_STR(server("https://vault.example.com"),
	    "https://vault.example.com");
	CHECK_STR(server("https://Vault.Example.com/"),
	    "https://vault.example.com");
	CHECK_STR(server("https://h:8443/a/B//"), "https://h:8443/a/B");
	CHECK_STR(server("https://127.0.0.1:1"), "https://127.0.0.1:1");
	CHECK_STR(server("https://[::1]:443/x"), "https://[::1]:443/x");
}

/* What bw itself takes with exit 0 and then sends the API key somewhere. */
TEST(bad_servers)
{
	static const char *const bad[] = { "", "/", "null", "bitwarden.com",
	    "not a url", "http://h", "HTTPS://h", " https://h", "https://h ",
	    "https://", "https:///", "https:///x", "https://u@h",
	    "https://u:p@h/", "https://h:", "https://h:0", "https://h:65536",
	    "https://h:99999999999", "https://h:8x", "https://h/a b",
	    "https://h/?q", "https://h/#f", "https://h/../x", "https://h/./x",
	    "https://h//x", "https://h\n", "https://h\t", "https://[::1",
	    "https://[]", "https://[x]", "https://a..b", "https://.a",
	    "https://h\\x", "https://h/%41", "https://h\x80", "https://$(id)" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		if (strcmp(server(bad[i]), "VaultNotConfigured") != 0)
			CHECK_NOTE("'%s' was taken for a server", bad[i]);
	}
}

TEST(server_nul_and_length)
{
	char out[BW_SERVER_MAX], longest[BW_SERVER_MAX + 8];
	struct err e = ERR_INIT;

	CHECK_INT(bw_server_check("https://h\0.evil", 15, out, &e), -1);
	CHECK_INT(bw_server_check("https://[4\0::1]", 15, out, &e), -1);
	CHECK_INT(bw_server_check("https://h/\0a", 12, out, &e), -1);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "https://h/", 10);
	CHECK_INT(bw_server_check(longest, BW_SERVER_MAX, out, &e), -1);
	CHECK_INT(bw_server_check(longest, BW_SERVER_MAX - 1, out, &e), 0);
}

TEST(server_error_keeps_quiet)
{
	const char url[] = "https://user:hunter2@h";
	char out[BW_SERVER_MAX];
	struct err e = ERR_INIT;

	CHECK_INT(bw_server_check(url, strlen(url), out, &e), -1);
	CHECK(strstr(e.text, "hunter2") == NULL);
	CHECK_HAS(e.text, "BW_SERVER");
}

/* --- sessions, directories --- */

TEST(session_shape)
{
	char s[89];

	memset(s, 'A', 86);
	memcpy(s + 86, "==", 3);
	CHECK(bw_session_ok(s, 88));
	CHECK(!bw_session_ok(s, 87));
	CHECK(!bw_session_ok(s, 0));
	s[5] = '\n';
	CHECK(!bw_session_ok(s, 88));
	s[5] = '/';
	CHECK(bw_session_ok(s, 88));
	s[86] = 'A';
	CHECK(!bw_session_ok(s, 88));
}

TEST(dir_names)
{
	char a[BW_NAME_MAX], b[BW_NAME_MAX];
	size_t len;

	bw_dir_name("https://[::1]:8443/vault", "user.1", 6, a);
	CHECK(strncmp(a, "___1__8443-", 11) == 0);
	CHECK(strchr(a, '/') == NULL && strchr(a, ':') == NULL);
	len = strlen(a);
	CHECK(len > 17 && a[len - 17] == '-');
	bw_dir_name("https://[::1]:8443/vault", "user.2", 6, b);
	CHECK(strcmp(a, b) != 0);
	bw_dir_name("https://[::1]:8443/other", "user.1", 6, b);
	CHECK(strcmp(a, b) != 0);
	bw_dir_name("https://..", "", 0, a);
	CHECK(a[0] != '.');
}

TEST(one_holder_of_the_lock)
{
	char dir[] = "/tmp/colibri-bw-XXXXXX", path[64];
	struct err e = ERR_INIT;
	int fd, again;

	CHECK(mkdtemp(dir) != NULL);
	fd = bw_lock(dir, &e);
	CHECK(fd >= 0);
	again = bw_lock(dir, &e);
	CHECK_INT(again, -1);
	CHECK_STR(e.code, "VaultBusy");
	bw_unlock(fd);
	fd = bw_lock(dir, &e);
	CHECK(fd >= 0);
	bw_unlock(fd);
	chmod(dir, 0755);
	CHECK_INT(bw_lock(dir, &e), -1);
	CHECK_STR(e.code, "VaultNotConfigured");
	snprintf(path, sizeof(path), "%s/lock", dir);
	unlink(path);
	rmdir(dir);
	CHECK_INT(bw_lock(dir, &e), -1);
	CHECK_STR(e.code, "VaultNotConfigured");
	bw_unlock(-1);
}

/* --- JSON --- */

/* The tokens of a text as one line; "!" and the reason at a failure. */
static const char *
tokens(const char *text, size_t len)
{
	static char line[1024];
	struct err e = ERR_INIT;
	struct bw_json r;
	enum bw_token t;
	size_t n = 0;

	bw_json_start(&r, text, len);
	line[0] = '\0';
	do {
		t = bw_json_next(&r, &e);
		if (t == BW_STRING || t == BW_KEY)
			n += (size_t)snprintf(line + n, sizeof(line) - n,
			    t == BW_KEY ? "%.*s:" : "'%.*s' ",
			    (int)r.text.len, (char *)r.text.data);
		else if (t == BW_INTEGER)
			n += (size_t)snprintf(line + n, sizeof(line) - n,
			    "%lld ", (long long)r.integer);
		else if (t == BW_NUMBER)
			n += (size_t)snprintf(line + n, sizeof(line) - n,
			    "%g ", r.number);
		else if (t == BW_FAILED)
			n += (size_t)snprintf(line + n, sizeof(line) - n,
			    "!%s", strrchr(e.text, ':') + 2);
		else
			n += (size_t)snprintf(line + n, sizeof(line) - n,
			    "%c", "!.{}[]ksin+-0"[t]);
	} while (t != BW_END && t != BW_FAILED && n < sizeof(line) - 64);
	bw_json_free(&r);
	return line;
}
#define TOKENS(text)	tokens(text, sizeof(text) - 1)

TEST(json_values)
{
	CHECK_STR(TOKENS("{}"), "{}.");
	CHECK_STR(TOKENS(" [ ] "), "[].");
	CHECK_STR(TOKENS("{\"a\":1,\"b\":[true,false,null]}"),
	    "{a:1 b:[+-0]}.");
	CHECK_STR(TOKENS("[-0,12,1.5,1e3,9223372036854775807]"),
	    "[0 12 1.5 1000 9223372036854775807 ].");
	CHECK_STR(TOKENS("[9223372036854775808]"), "[9.22337e+18 ].");
	CHECK_STR(TOKENS("\"x\""), "'x' .");
	CHECK_STR(TOKENS("[[],{}]"), "[[]{}].");
}

TEST(json_strings)
{
	CHECK_STR(TOKENS("\"a\\n\\t\\\"\\\\\\/\\u0041\""), "'a\n\t\"\\/A' .");
	CHECK_STR(TOKENS("\"\\u00e9\\u20ac\\ud83d\\ude00\""),
	    "'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80' .");
	CHECK_STR(TOKENS("\"\xc3\xa9\""), "'\xc3\xa9' .");
	CHECK_STR(TOKENS("\"\""), "'' .");
	CHECK_HAS(TOKENS("\"\\ud83d\""), "!bad escape");
	CHECK_HAS(TOKENS("\"\\ude00\""), "!bad escape");
	CHECK_HAS(TOKENS("\"\\ud83dx\""), "!bad escape");
	CHECK_HAS(TOKENS("\"\\u12g4\""), "!bad escape");
	CHECK_HAS(TOKENS("\"\\x\""), "!bad escape");
	CHECK_HAS(TOKENS("\"\\"), "!bad escape");
	CHECK_HAS(TOKENS("\"a"), "!a string without an end");
	CHECK_HAS(TOKENS("\"a\nb\""), "!control byte");
	CHECK_HAS(TOKENS("\"\xc0\x80\""), "!not UTF-8");
	CHECK_HAS(TOKENS("\"\xed\xa0\x80\""), "!not UTF-8");
	CHECK_HAS(TOKENS("\"\xf4\x90\x80\x80\""), "!not UTF-8");
}

TEST(json_refused)
{
	static const char *const bad[] = { "", " ", "{", "[", "{]", "[}",
	    "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "[1,]", "[,1]", "[1 2]",
	    "{} x", "{}{}", "tru", "nul", "truex", "01", "-", "1.", "1e",
	    "+1", ".5", "0x1", "NaN", "Infinity", "<html>", "{a:1}", "'a'",
	    "{1:2}", "\xef\xbb\xbf{}", "You are not logged in.", "{\"a\":1" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		if (strchr(tokens(bad[i], strlen(bad[i])), '!') == NULL)
			CHECK_NOTE("'%s' was taken for JSON", bad[i]);
	}
	CHECK_HAS(TOKENS("{}\0"), "!something follows");
}

TEST(json_depth)
{
	char text[2 * BW_JSON_DEPTH + 8];
	size_t n = BW_JSON_DEPTH;

	memset(text, '[', n);
	memset(text + n, ']', n);
	CHECK(strchr(tokens(text, 2 * n), '!') == NULL);
	memset(text, '[', n + 1);
	CHECK_HAS(tokens(text, n + 1), "!nested too deeply");
}

TEST(json_many_values)
{
	size_t n = BW_JSON_VALUES + 2, i;
	char *text = xmalloc(n * 2);
	struct err e = ERR_INIT;
	struct bw_json r;
	enum bw_token t;

	text[0] = '[';
	for (i = 0; i < n - 1; i++)
		memcpy(text + 1 + i * 2, "0,", 2);
	bw_json_start(&r, text, n * 2 - 1);
	do {
		t = bw_json_next(&r, &e);
	} while (t != BW_FAILED && t != BW_END);
	CHECK_HAS(e.text, "too many values");
	CHECK_STR(e.code, "VaultProtocol");
	bw_json_free(&r);
	free(text);
}

/* A failure tells the place, and nothing of what stands there. */
TEST(json_error_keeps_quiet)
{
	struct err e = ERR_INIT;
	struct bw_json r;
	const char text[] = "{\"password\":\"hunter2\" oops}";

	bw_json_start(&r, text, sizeof(text) - 1);
	while (bw_json_next(&r, &e) != BW_FAILED)
		;
	CHECK(strstr(e.text, "hunter2") == NULL);
	CHECK(strstr(e.text, "oops") == NULL);
	CHECK_HAS(e.text, "byte 22");
	bw_json_free(&r);
}

/* --- listings and the data file --- */

/* All that was found, as "from-to id[collection,...]!" one after the other. */
static int
note_element(const struct bw_element *el, void *arg)
{
	char *out = arg;
	size_t i, n = strlen(out);

	n += (size_t)sprintf(out + n, "%zu-%zu %s[", el->from, el->to, el->id);
	for (i = 0; i < el->nids; i++)
		n += (size_t)sprintf(out + n, "%s,", el->ids[i]);
	sprintf(out + n, "]%s ", el->gone ? "!" : "");
	return 0;
}

static const char *
listed(const char *text, bool data_file)
{
	static char out[1024];
	struct err e = ERR_INIT;
	int rc;

	out[0] = '\0';
	rc = data_file ?
	    bw_data_each(text, strlen(text), note_element, out, &e) :
	    bw_list_each(text, strlen(text), note_element, out, &e);
	return rc == 0 ? out : e.code;
}

#define LIST(elements) \
	"{\"success\":true,\"data\":{\"object\":\"list\",\"data\":[" elements "]}}"

TEST(listings)
{
	CHECK_STR(listed(LIST(""), false), "");
	CHECK_STR(listed(LIST("{\"id\":\"a-1\"}"), false), "48-60 a-1[] ");
	CHECK_STR(listed(LIST("{\"x\":[{\"id\":1}],\"id\":\"a\","
	    "\"collectionIds\":[\"b\",\"c-2\"]}, {\"id\":\"d\","
	    "\"collectionIds\":null,\"deletedDate\":\"2026\"}"), false),
	    "48-101 a[b,c-2,] 103-155 d[]! ");
	CHECK_STR(listed("{\"data\":{\"data\":[],\"x\":{}},\"y\":[[]],"
	    "\"success\":true}", false), "");
}

TEST(listings_refused)
{
	static const char *const bad[] = {
		"", "[]", "{}", "null", "{\"success\":true}",
		"{\"success\":true,\"data\":{}}",
		"{\"success\":true,\"data\":[]}",
		"{\"success\":false,\"data\":{\"data\":[]}}",
		"{\"data\":{\"data\":[]}}",
		"{\"success\":1,\"data\":{\"data\":[]}}",
		"{\"success\":true,\"data\":{\"data\":[]},\"data\":{}}",
		"{\"success\":true,\"data\":{\"data\":[],\"data\":[]}}",
		LIST("1"), LIST("{}"), LIST("{\"id\":\"\"}"),
		LIST("{\"id\":\"../x\"}"), LIST("{\"id\":7}"),
		LIST("{\"id\":\"a\",\"id\":\"b\"}"),
		LIST("{\"id\":\"a\",\"collectionIds\":{}}"),
		LIST("{\"id\":\"a\",\"collectionIds\":[1]}"),
		LIST("{\"id\":\"a\",\"collectionIds\":[\"\"]}"),
		LIST("") "x", "{\"success\":true,\"data\":{\"data\":[",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		if (strcmp(listed(bad[i], false), "VaultProtocol") != 0)
			CHECK_NOTE("taken: %s", bad[i]);
	}
}

TEST(data_file)
{
	CHECK_STR(listed("{\"a\":1,\"user_u_ciphers_ciphers\":{\"k\":{\"id\":"
	    "\"a-1\",\"collectionIds\":[\"c\"],\"archivedDate\":\"2026\","
	    "\"deletedDate\":null}}}", true), "0-0 a-1[c,]! ");
	CHECK_STR(listed("{\"a\":1}", true), "VaultProtocol");
	CHECK_STR(listed("{\"x_ciphers_ciphers\":{\"k\":1}}", true),
	    "VaultProtocol");
}

static long long
token_time(const char *text)
{
	return bw_data_token_time(text, strlen(text));
}

TEST(token_times)
{
	/* {"x":{"nbf":2},"nbf":1764000000} */
	CHECK_INT(token_time("{\"user_u_token_accessToken\":\"e30."
	    "eyJ4Ijp7Im5iZiI6Mn0sIm5iZiI6MTc2NDAwMDAwMH0.sig\"}"), 1764000000);
	CHECK_INT(token_time("{\"user_u_token_accessToken\":\"\"}"), -1);
	CHECK_INT(token_time("{\"user_u_token_accessToken\":\"a.b\"}"), -1);
	CHECK_INT(token_time("{\"user_u_token_accessToken\":\"a.!!.c\"}"), -1);
	CHECK_INT(token_time("{\"user_u_token_accessToken\":\"a..c\"}"), -1);
	CHECK_INT(token_time("{}"), -1);
	CHECK_INT(token_time("["), -1);
}

TEST(password_bodies)
{
	struct err e = ERR_INIT;
	struct secret *s;

	s = bw_password_json("a\"\\\n\xc3\xbc\x7f", 7, &e);
	CHECK_STR(secret_bytes(s), "{\"password\":\"a\\\"\\\\\\u000a"
	    "\xc3\xbc\\u007f\"}");
	secret_unref(s);
	s = bw_password_json("", 0, &e);
	CHECK_STR(secret_bytes(s), "{\"password\":\"\"}");
	secret_unref(s);
	CHECK(bw_password_json("\xff", 1, &e) == NULL);
	CHECK_STR(e.code, "VaultNotConfigured");
	CHECK_INT(secret_count(), 0);
}

CHECK_MAIN(
	RUN(good_servers);
	RUN(bad_servers);
	RUN(server_nul_and_length);
	RUN(server_error_keeps_quiet);
	RUN(session_shape);
	RUN(dir_names);
	RUN(one_holder_of_the_lock);
	RUN(json_values);
	RUN(json_strings);
	RUN(json_refused);
	RUN(json_depth);
	RUN(json_many_values);
	RUN(json_error_keeps_quiet);
	RUN(listings);
	RUN(listings_refused);
	RUN(data_file);
	RUN(token_times);
	RUN(password_bodies);
)
