/* links: mem secret secret_redact */
#include <sys/types.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <unistd.h>

#include "check.h"
#include "secret.h"

/* Redact text while `value` is the only secret; the caller frees. A text
 * without a secret comes back as "(none)". */
static char *
redacted(char *(*redact)(const char *, size_t, size_t *), const char *value,
    const char *text)
{
	struct secret *s = secret_new(value, strlen(value));
	char *out;
	size_t len;

	out = redact(text, strlen(text), &len);
	if (out != NULL && strlen(out) != len)
		CHECK_NOTE("length %zu of \"%s\"", len, out);
	secret_unref(s);
	return out != NULL ? out : strdup("(none)");
}

#define CHECK_REDACT(fn, value, text, want) do {			\
	char *check_r = redacted((fn), (value), (text));		\
	CHECK_STR(check_r, (want));					\
	free(check_r);							\
} while (0)
#define CHECK_TEXT(value, text, want)					\
	CHECK_REDACT(secret_redact, value, text, want)
#define CHECK_JSON(value, text, want)					\
	CHECK_REDACT(secret_redact_json, value, text, want)

TEST(bytes_are_kept_and_counted)
{
	struct secret *s = secret_new("a\0b", 3), *empty = secret_new("", 0);

	CHECK_INT(secret_count(), 2);
	CHECK_MEM(secret_bytes(s), secret_len(s), "a\0b", 3);
	CHECK_INT(secret_bytes(s)[3], 0);
	CHECK_INT(secret_len(empty), 0);
	CHECK_STR(secret_bytes(empty), "");
	secret_unref(empty);
	CHECK(secret_ref(s) == s);
	secret_unref(s);
	CHECK_INT(secret_count(), 1);
	CHECK_MEM(secret_bytes(s), secret_len(s), "a\0b", 3);
	secret_unref(s);
	secret_unref(NULL);
	CHECK_INT(secret_count(), 0);
}

TEST(filled_secrets_are_found_once_sealed)
{
	struct secret *s = secret_alloc(8);
	size_t len;
	char *out;

	memcpy(secret_fill(s), "hunter22", 8);
	CHECK(secret_redact("hunter22", 8, &len) == NULL);
	secret_seal(s);
	secret_seal(s);		/* once more does nothing */
	out = secret_redact("x hunter22", 10, &len);
	CHECK_STR(out, "x [secret]");
	free(out);
	secret_unref(s);
	CHECK(secret_redact("hunter22", 8, &len) == NULL);
}

static bool
is_zero(const char *p, size_t len)
{
	const volatile char *v = p;
	size_t i;

	for (i = 0; i < len; i++) {
		if (v[i] != 0)
			return false;
	}
	return true;
}

TEST(memory_is_zeroed)
{
	struct secret *keep = secret_new("another of this size", 20);
	struct secret *s = secret_new("01234567890123456789", 20);
	const char *bytes = secret_bytes(s);
	struct secret_buf b = { 0 };
	unsigned char *old;
	char stack[16] = "password";

	secret_unref(s);
	/* The arena links free chunks by their first pointer. */
	CHECK(is_zero(bytes + sizeof(void *), 20 - sizeof(void *)));
	secret_unref(keep);

	old = secret_buf_reserve(&b, 30);
	memset(old, 'x', 30);
	b.len = 30;
	secret_buf_reserve(&b, 5000);
	CHECK(b.data != old);
	CHECK(is_zero((char *)old + sizeof(void *), 30 - sizeof(void *)));
	secret_buf_free(&b);

	s = secret_alloc(20);
	CHECK(is_zero(secret_bytes(s), 20));	/* and so is reused memory */
	secret_unref(s);

	secret_wipe(stack, sizeof(stack));
	CHECK(is_zero(stack, sizeof(stack)));
	secret_wipe(NULL, 0);
}

TEST(sizes_around_the_classes)
{
	static const size_t sizes[] = { 1, 31, 32, 33, 63, 64, 4095, 4096,
	    4097, 8191, 8192, 70000, 1 << 20 };
	struct secret *s[sizeof(sizes) / sizeof(sizes[0])];
	size_t i, n = sizeof(sizes) / sizeof(sizes[0]);

	for (i = 0; i < n; i++) {
		s[i] = secret_alloc(sizes[i]);
		memset(secret_fill(s[i]), (int)('a' + i), sizes[i]);
		secret_seal(s[i]);
	}
	for (i = 0; i < n; i++) {
		CHECK_INT(secret_bytes(s[i])[0], 'a' + i);
		CHECK_INT(secret_bytes(s[i])[sizes[i] - 1], 'a' + i);
		CHECK_INT(secret_bytes(s[i])[sizes[i]], 0);
	}
	for (i = 0; i < n; i++)
		secret_unref(s[i]);
	CHECK_INT(secret_count(), 0);
}

/* Of /proc/self/status, in KiB; -1 where there is none. */
static long
locked_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "VmLck: %ld", &kib);
	if (f != NULL)
		fclose(f);
	return kib;
}

TEST(a_thousand_secrets_share_pages)
{
	static struct secret *s[1000];
	long before = locked_kib(), after;
	char value[32];
	size_t i, len;
	char *out;

	for (i = 0; i < 1000; i++) {
		snprintf(value, sizeof(value), "value/%04zu/%zu", i, i * 7919);
		s[i] = secret_new(value, strlen(value));
	}
	CHECK_INT(secret_count(), 1000);
	after = locked_kib();
	if (before >= 0 && secret_locked())
		CHECK(after - before < 1000);
	out = secret_redact("a value/0500/3959500 b", 22, &len);
	CHECK_STR(out, "a [secret] b");
	free(out);
	for (i = 0; i < 1000; i++)
		secret_unref(s[i]);
	CHECK_INT(secret_count(), 0);
	CHECK(secret_redact("a value/0500/3959500 b", 22, &len) == NULL);
}

TEST(buffers_grow_and_become_secrets)
{
	struct secret_buf b = { 0 };
	struct secret *s;
	size_t i;

	for (i = 0; i < 20000; i++) {
		*secret_buf_reserve(&b, 1) = (unsigned char)('a' + i % 26);
		b.len++;
	}
	s = secret_buf_take(&b);
	CHECK(b.data == NULL && b.len == 0 && b.cap == 0);
	CHECK_INT(secret_len(s), 20000);
	for (i = 0; i < 20000 && secret_bytes(s)[i] ==
	    (char)('a' + i % 26); i++)
		;
	CHECK_INT(i, 20000);
	CHECK_INT(secret_bytes(s)[20000], 0);
	secret_unref(s);

	s = secret_buf_take(&b);	/* of nothing */
	CHECK_INT(secret_len(s), 0);
	secret_unref(s);
	secret_buf_free(&b);
}

TEST(every_occurrence_goes)
{
	CHECK_TEXT("hunter2", "no such thing", "(none)");
	CHECK_TEXT("hunter2", "", "(none)");
	CHECK_TEXT("hunter2", "hunter", "(none)");
	CHECK_TEXT("hunter2", "hunter2", "[secret]");
	CHECK_TEXT("hunter2", "a hunter2 b hunter2hunter2.",
	    "a [secret] b [secret][secret].");
	CHECK_TEXT("abc", "abc abc", "(none)");		/* too short */
	CHECK_TEXT("aaaa", "xaaaaaaby", "x[secret]by");	/* overlapping */
}

TEST(longest_and_overlapping)
{
	struct secret *a = secret_new("pass", 4);
	struct secret *b = secret_new("password", 8);
	struct secret *c = secret_new("wordy", 5), *same = secret_new("pass", 4);
	size_t len;
	char *out;

	out = secret_redact("password pass", 13, &len);
	CHECK_STR(out, "[secret] [secret]");
	free(out);
	out = secret_redact("a passwordy b", 13, &len);
	CHECK_STR(out, "a [secret] b");
	free(out);
	secret_unref(same);
	out = secret_redact("pass", 4, &len);	/* the other one lives */
	CHECK_STR(out, "[secret]");
	free(out);
	secret_unref(a);
	secret_unref(b);
	secret_unref(c);
}

TEST(marks_are_left_alone)
{
	CHECK_TEXT("secret", "[secret] secret [secret",
	    "[secret] [secret] [[secret]");
	CHECK_TEXT("[secret]", "[secret]", "(none)");
	CHECK_TEXT("secret]tail", "[secret]tail", "[[secret]");
	CHECK_TEXT("cret", "[secret]", "(none)");
	CHECK_TEXT("ret]", "ret]", "[secret]");
}

TEST(base64_forms)
{
	/* each length of padding, with and without it */
	CHECK_TEXT("hunter", "=aHVudGVy=", "=[secret]=");
	CHECK_TEXT("hunter2", "aHVudGVyMg==.", "[secret].");
	CHECK_TEXT("hunter2", "aHVudGVyMg.", "[secret].");
	CHECK_TEXT("hunter2", "aHVudGVyMg===", "[secret]=");
	CHECK_TEXT("hunter22", "aHVudGVyMjI=", "[secret]");
	/* both alphabets */
	CHECK_TEXT("\xfb\xff\xbf>?>?", "+/+/Pj8+Pw==", "[secret]");
	CHECK_TEXT("\xfb\xff\xbf>?>?", "-_-_Pj8-Pw", "[secret]");
}

TEST(percent_forms)
{
	CHECK_TEXT("p/ss w~rd", "?t=p%2Fss%20w~rd&", "?t=[secret]&");
	CHECK_TEXT("p/ss w~rd", "?t=p%2fss%20w~rd&", "?t=[secret]&");
	CHECK_TEXT("p/ss w~rd", "?t=p%2Fss+w%7Erd&", "?t=[secret]&");
	CHECK_TEXT("p/ss!(1)*'", "p%2Fss!(1)*'", "[secret]");
	CHECK_TEXT("p\xc3\xa4ss", "p%C3%A4ss", "[secret]");
}

TEST(json_forms)
{
	CHECK_TEXT("a\"b\\c\nd", "{\"v\":\"a\\\"b\\\\c\\nd\"}",
	    "{\"v\":\"[secret]\"}");
	CHECK_TEXT("one\x01two\x1f", "one\\u0001two\\u001f", "[secret]");
	CHECK_TEXT("del\x7f/x", "del\x7f/x", "[secret]");
	CHECK_TEXT("del\x7f/\x08", "del\x7f/\\b", "[secret]");
	CHECK_TEXT("del\x7f/x", "del\\u007f/x", "[secret]");
	CHECK_TEXT("del\x7f/x", "del\\u007f\\/x", "[secret]");
	/* Python: everything but ASCII, also beyond 16 bits; what is not
	 * UTF-8 stays as it is */
	CHECK_TEXT("p\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
	    "p\\u00e4\\u20ac\\ud83d\\ude00", "[secret]");
	CHECK_TEXT("ab\xff\xc3(\x01", "ab\xff\xc3(\\u0001", "[secret]");
	CHECK_TEXT("ab\xe2\x82\x01", "ab\xe2\x82\\u0001", "[secret]");
}

TEST(very_long_values_are_found_raw)
{
	size_t n = 100000, len;
	struct secret *s = secret_alloc(n);
	char *text = malloc(n + 2), *out;

	memset(secret_fill(s), 'k', n);
	secret_fill(s)[n - 1] = '!';
	secret_seal(s);
	text[0] = '<';
	memcpy(text + 1, secret_bytes(s), n);
	text[n + 1] = '>';
	out = secret_redact(text, n + 2, &len);
	CHECK_STR(out, "<[secret]>");
	free(out);
	free(text);
	secret_unref(s);
}

TEST(json_stays_json)
{
	/* only inside strings */
	CHECK_JSON("true", "{\"ok\":true,\"v\":\"so true\"}",
	    "{\"ok\":true,\"v\":\"so [secret]\"}");
	CHECK_JSON("12345", "[12345,\"12345\"]", "[12345,\"[secret]\"]");
	CHECK_JSON("a\":\"b", "{\"a\":\"b\"}", "(none)");
	CHECK_JSON("a\":\"b", "[\"a\\\":\\\"b\"]", "[\"[secret]\"]");
	/* never half an escape, at either end */
	CHECK_JSON("name", "[\"x\\name name\"]", "[\"x\\name [secret]\"]");
	CHECK_JSON("00e9", "[\"\\u00e9 00e9\"]", "[\"\\u00e9 [secret]\"]");
	CHECK_JSON("abc\\", "[\"abc\\n\"]", "(none)");
	CHECK_JSON("abc\\u00", "[\"abc\\u00e9\"]", "(none)");
	CHECK_JSON("abc\\", "[\"abc\\\\\"]", "[\"[secret]\"]");
	CHECK_JSON("ab\ncd", "[\"ab\\ncd\"]", "[\"[secret]\"]");
	CHECK_JSON("\ncde", "[\"ab\\ncde\"]", "[\"ab[secret]\"]");
	/* a text that ends early */
	CHECK_JSON("abcd", "\"\\uabcd", "(none)");
	CHECK_JSON("abcd", "\"abc\\", "(none)");
}

/* The lock limit binds only who is not root, and sanitizers make mlock(2) do
 * nothing; so the child may also say that it could not try. */
TEST(unlockable_memory_is_told)
{
	struct rlimit none = { 0, 0 };
	int status = -1;
	pid_t pid;

#if defined(__SANITIZE_ADDRESS__)
	return;
#endif
	pid = fork();
	if (pid == 0) {
		struct secret *s;
		char probe[] = "still works";

		if ((geteuid() == 0 && setuid(65534) != 0) ||
		    setrlimit(RLIMIT_MEMLOCK, &none) != 0)
			_exit(2);
		s = secret_alloc(100000);	/* needs pages of its own */
		memcpy(secret_fill(s), probe, sizeof(probe));
		secret_seal(s);
		_exit(secret_locked() ||
		    strcmp(secret_bytes(s), probe) != 0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 ||
	    WEXITSTATUS(status) == 2));
}

CHECK_MAIN(
    RUN(bytes_are_kept_and_counted);
    RUN(filled_secrets_are_found_once_sealed);
    RUN(memory_is_zeroed);
    RUN(sizes_around_the_classes);
    RUN(a_thousand_secrets_share_pages);
    RUN(buffers_grow_and_become_secrets);
    RUN(every_occurrence_goes);
    RUN(longest_and_overlapping);
    RUN(marks_are_left_alone);
    RUN(base64_forms);
    RUN(percent_forms);
    RUN(json_forms);
    RUN(very_long_values_are_found_raw);
    RUN(json_stays_json);
    RUN(unlockable_memory_is_told))
