/* links: envfile envfile_parse secret secret_redact log log_line err mem */
/*
 * The text of `.env` files: what we write, a real sh and our own parser read
 * back byte for byte; what people write, we read as envfile.h says.
 */
#include <unistd.h>

#include "check.h"
#include "envfile.h"

static void
add(struct envfile *f, const char *key, const char *value, size_t len)
{
	struct secret *s = secret_new(value, len);
	struct err e = ERR_INIT;

	if (envfile_add(f, key, strlen(key), s, &e) != 0)
		CHECK_NOTE("add %s: %s", key, e.text);
	secret_unref(s);
}

static struct secret *
format_ok(const struct envfile *f)
{
	struct err e = ERR_INIT;
	struct secret *s = envfile_format(f, &e);

	if (s == NULL) {
		CHECK_NOTE("format: %s: %s", e.code, e.text);
		s = secret_new("", 0);
	}
	return s;
}

/* One value as it is written after "K=". */
static void
check_value(const char *value, const char *want)
{
	struct envfile f = { 0 };
	struct secret *s;
	char line[256];

	add(&f, "K", value, strlen(value));
	s = format_ok(&f);
	snprintf(line, sizeof(line), "K=%s\n", want);
	CHECK_STR(secret_bytes(s), line);
	secret_unref(s);
	envfile_free(&f);
}

TEST(values_written)
{
	check_value("", "");
	check_value("plain-1_2.3,4:5/6@7%8+9=", "plain-1_2.3,4:5/6@7%8+9=");
	check_value("a b", "'a b'");
	check_value("~", "'~'");
	check_value("a:~root", "'a:~root'");
	check_value("$HOME", "'$HOME'");
	check_value("it's", "'it'\\''s'");
	check_value("'", "''\\'''");
	check_value("a\nb", "'a\nb'");
	check_value("a\\b", "'a\\b'");
	check_value("#x", "'#x'");
	check_value("(x)", "'(x)'");
	check_value("p\xc3\xa4ss", "'p\xc3\xa4ss'");
	check_value("\r", "'\r'");
}

TEST(keys)
{
	static const char *const good[] = { "A", "_", "a1", "_9", "A_B" };
	static const char *const bad[] = { "", "1A", "A-B", "A B", "A=", "\xc3",
	    "A.B", "A\n" };
	struct envfile f = { 0 };
	struct err e = ERR_INIT;
	struct secret *s = secret_new("v", 1);
	size_t i;

	for (i = 0; i < ARRAY_LEN(good); i++)
		CHECK(envfile_key_ok(good[i], strlen(good[i])));
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK(!envfile_key_ok(bad[i], strlen(bad[i])));
		e.code = "";
		CHECK_INT(envfile_add(&f, bad[i], strlen(bad[i]), s, &e), -1);
		CHECK_STR(e.code, "InvalidKey");
	}
	CHECK(!envfile_key_ok("A\0B", 3));
	CHECK_INT(f.n, 0);
	secret_unref(s);
	envfile_free(&f);
}

TEST(sorted_and_refused)
{
	struct envfile f = { 0 };
	struct err e = ERR_INIT;
	struct secret *s;

	s = format_ok(&f);
	CHECK_INT(secret_len(s), 0);
	secret_unref(s);
	add(&f, "b", "2", 1);
	add(&f, "B", "1", 1);
	add(&f, "_", "3", 1);
	s = format_ok(&f);
	CHECK_STR(secret_bytes(s), "B=1\n_=3\nb=2\n");
	CHECK_STR(f.pairs[0].key, "b");		/* the map is as it was */
	secret_unref(s);
	add(&f, "NUL", "a\0secret", 8);
	CHECK(envfile_format(&f, &e) == NULL);
	CHECK_STR(e.code, "InvalidValue");
	CHECK_HAS(e.text, "NUL");
	CHECK(strstr(e.text, "secret") == NULL);
	envfile_free(&f);
	add(&f, "A", "1", 1);
	add(&f, "C", "1", 1);
	add(&f, "A", "2", 1);
	CHECK(envfile_format(&f, &e) == NULL);
	CHECK_STR(e.code, "DuplicateKey");
	CHECK_HAS(e.text, "key A ");
	envfile_free(&f);
	envfile_free(&f);
}

/* --- reading --- */

static void
check_parsed(const char *text, const char *key, const char *value)
{
	struct envfile f = { 0 };
	struct err e = ERR_INIT;
	int rc = envfile_parse(&f, text, strlen(text), "test", &e);

	if (rc != 0 || f.n != 1)
		CHECK_NOTE("parse <%s>: %s: %s (%zu pairs)", text, e.code,
		    e.text, f.n);
	else {
		CHECK_STR(f.pairs[0].key, key);
		CHECK_STR(secret_bytes(f.pairs[0].value), value);
		CHECK_INT(secret_len(f.pairs[0].value), strlen(value));
	}
	envfile_free(&f);
}

TEST(lines_read)
{
	check_parsed("K=v", "K", "v");
	check_parsed("K=v\n", "K", "v");
	check_parsed("K=v\r\n", "K", "v");
	check_parsed("K=v \t\r\n", "K", "v");
	check_parsed("K=\n", "K", "");
	check_parsed("K=", "K", "");
	check_parsed("\n\r\n  \n# c\n \t# c\nK=v\n#", "K", "v");
	check_parsed("export K=v\n", "K", "v");
	check_parsed("  export \t K=v\n", "K", "v");
	check_parsed("export=v\n", "export", "v");
	check_parsed("exportK=v\n", "exportK", "v");
	check_parsed("K=a b # c\n", "K", "a b # c");
	check_parsed("K= v\n", "K", " v");
	check_parsed("K=a=b\n", "K", "a=b");
	check_parsed("K=$HOME`x`\\n\n", "K", "$HOME`x`\\n");
	check_parsed("K=it's\n", "K", "it's");
	check_parsed("K='a b'\n", "K", "a b");
	check_parsed("K='a b' \r\n", "K", "a b");
	check_parsed("K=''\n", "K", "");
	check_parsed("K=\"\"", "K", "");
	check_parsed("K='a\n\nb'\n", "K", "a\n\nb");
	check_parsed("K='\\n$x'\n", "K", "\\n$x");
	check_parsed("K=\"a\nb\"\n", "K", "a\nb");
	check_parsed("K=\"\\\\ \\\" \\$ \\` \\n \\a\"\n", "K",
	    "\\ \" $ ` \\n \\a");
	check_parsed("K=\"$HOME\"\n", "K", "$HOME");
	check_parsed("K='it'\\''s'\n", "K", "it's");
	check_parsed("K='a'\"b\"'c'\n", "K", "abc");
}

static void
check_refused(const char *text, size_t len, const char *code, const char *has)
{
	size_t before = secret_count();
	struct envfile f = { 0 };
	struct err e = ERR_INIT;

	add(&f, "OLD", "x", 1);
	CHECK_INT(envfile_parse(&f, text, len, "test", &e), -1);
	CHECK_STR(e.code, code);
	CHECK_HAS(e.text, has);
	CHECK(strstr(e.text, "hunter") == NULL);
	CHECK_INT(f.n, 1);
	envfile_free(&f);
	CHECK_INT(secret_count(), before);
}

#define REFUSED(text, code, has) \
	check_refused(text, sizeof(text) - 1, code, has)

TEST(lines_refused)
{
	REFUSED("A=1\nhunter2\n", "InvalidLine", "test line 2");
	REFUSED("A=1\n\nB='x\ny'\nhunter2", "InvalidLine", "line 5");
	REFUSED("hunter 2=x\n", "InvalidKey", "line 1");
	REFUSED("=hunter\n", "InvalidKey", "line 1");
	REFUSED("export =hunter\n", "InvalidKey", "line 1");
	REFUSED("export\n", "InvalidLine", "line 1");
	REFUSED("A =hunter\n", "InvalidKey", "line 1");
	REFUSED("\rA=hunter\n", "InvalidKey", "line 1");
	REFUSED("A=1\nB='hunter\nC=2\n", "InvalidLine", "line 2");
	REFUSED("B=\"hunter\\\"\n", "InvalidLine", "line 1");
	REFUSED("B=\"hunter\\", "InvalidLine", "line 1");
	REFUSED("B='a'hunter\n", "InvalidLine", "line 1");
	REFUSED("B='a' # hunter\n", "InvalidLine", "line 1");
	REFUSED("B='a'\\\nhunter=1\n", "InvalidLine", "line 1");
	REFUSED("A=1\nB=hun\0ter\n", "InvalidLine", "line 2");
	REFUSED("A=1\nB=2\nA=hunter\n", "DuplicateKey", "line 3");
	REFUSED("OLD=hunter\n", "DuplicateKey", "OLD");
}

TEST(too_many)
{
	size_t i, len = 0, cap = 200000, before = secret_count();
	struct envfile f = { 0 };
	struct err e = ERR_INIT;
	char *text = malloc(cap);

	for (i = 0; i <= ENVFILE_MAX_PAIRS; i++)
		len += (size_t)snprintf(text + len, cap - len, "K%zu=\n", i);
	CHECK_INT(envfile_parse(&f, text, len, "test", &e), -1);
	CHECK_STR(e.code, "TooLarge");
	CHECK_HAS(e.text, "line 4097");
	CHECK_INT(f.n, 0);
	CHECK_INT(secret_count(), before);
	envfile_free(&f);
	free(text);
}

/* --- random maps --- */

#define BATCHES		6
#define KEYS		300
#define VALUE_MAX	60

/* xorshift: the same values in every run. */
static uint32_t
random_next(void)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* Of three kinds: any byte, mostly what shells care about, words. */
static size_t
random_value(char *out)
{
	static const char nasty[] = "'\"\\$`\n\r\t !#&*()[]{}|;<>?~=:,^%@-a1";
	static const char *const words[] = { "\xc3\xa4", "\xe2\x82\xac", "$(id)",
	    "`id`", "''", "\\'", "\\", "${X}", "\n", "~", ":~", "x", "=",
	    "\xf0\x9f\x90\xa6", "\x81", "\x82", "\x88", "\x7f", "\x01", "!!" };
	size_t i, n = random_next() % (VALUE_MAX / 4), len = 0;
	uint32_t kind = random_next() % 3;

	for (i = 0; i < n; i++) {
		if (kind == 0)
			out[len++] = (char)(1 + random_next() % 255);
		else if (kind == 1)
			out[len++] = nasty[random_next() %
			    (sizeof(nasty) - 1)];
		else {
			const char *w = words[random_next() %
			    ARRAY_LEN(words)];

			memcpy(out + len, w, strlen(w));
			len += strlen(w);
		}
	}
	return len;
}

static void
random_map(struct envfile *f)
{
	char key[32], value[VALUE_MAX * 2];
	size_t i, len;

	for (i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "%c%u_K%zu",
		    "aZ_q"[random_next() % 4], random_next() % 100, i);
		len = random_value(value);
		add(f, key, value, len);
	}
}

static void
check_own_parser(struct envfile *f, const struct secret *text)
{
	struct envfile again = { 0 };
	struct err e = ERR_INIT;
	size_t i;

	CHECK_INT(envfile_parse(&again, secret_bytes(text), secret_len(text),
	    "again", &e), 0);
	CHECK_STR(e.text, "");
	CHECK_INT(again.n, f->n);
	for (i = 0; i < again.n && i < f->n; i++) {
		CHECK_STR(again.pairs[i].key, f->pairs[i].key);
		CHECK_MEM(secret_bytes(again.pairs[i].value),
		    secret_len(again.pairs[i].value),
		    secret_bytes(f->pairs[i].value),
		    secret_len(f->pairs[i].value));
	}
	envfile_free(&again);
}

/* A script that sources the file and prints every value with a NUL after. */
static bool
write_script(const char *dir, const struct envfile *f,
    const struct secret *text)
{
	char path[300];
	FILE *out;
	size_t i;

	snprintf(path, sizeof(path), "%s/env", dir);
	out = fopen(path, "w");
	if (out == NULL)
		return false;
	fwrite(secret_bytes(text), 1, secret_len(text), out);
	if (fclose(out) != 0)
		return false;
	snprintf(path, sizeof(path), "%s/script", dir);
	out = fopen(path, "w");
	if (out == NULL)
		return false;
	fprintf(out, ". '%s/env'\n", dir);
	for (i = 0; i < f->n; i++)
		fprintf(out, "printf '%%s\\0' \"$%s\"\n", f->pairs[i].key);
	return fclose(out) == 0;
}

static void
check_shell(const char *shell, const char *dir, const struct envfile *f)
{
	static char got[KEYS * VALUE_MAX * 2];
	char cmd[400], *p = got;
	size_t i, n = 0, len;
	FILE *in;

	snprintf(cmd, sizeof(cmd), "%s '%s/script'", shell, dir);
	in = popen(cmd, "r");
	CHECK(in != NULL);
	if (in == NULL)
		return;
	n = fread(got, 1, sizeof(got) - 1, in);
	CHECK_INT(pclose(in), 0);
	for (i = 0; i < f->n; i++) {
		len = strnlen(p, (size_t)(got + n - p));
		CHECK_MEM(p, len, secret_bytes(f->pairs[i].value),
		    secret_len(f->pairs[i].value));
		p += len < (size_t)(got + n - p) ? len + 1 : len;
	}
	CHECK(p == got + n);
}

TEST(random_maps_through_shells)
{
	static const char *const shells[] = { "/bin/sh", "/bin/bash --posix",
	    "/bin/dash", "/bin/busybox sh", "/bin/ksh", "/bin/mksh" };
	const char *tmp = getenv("TMPDIR");
	char dir[256], path[300];
	struct envfile f = { 0 };
	struct secret *text;
	size_t i, j;

	snprintf(dir, sizeof(dir), "%s/colibri-env-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	CHECK(mkdtemp(dir) != NULL);
	for (i = 0; i < BATCHES; i++) {
		random_map(&f);
		text = format_ok(&f);
		envfile_sort(&f);
		check_own_parser(&f, text);
		CHECK(write_script(dir, &f, text));
		for (j = 0; j < ARRAY_LEN(shells); j++) {
			snprintf(path, sizeof(path), "%.*s",
			    (int)strcspn(shells[j], " "), shells[j]);
			if (access(path, X_OK) == 0)
				check_shell(shells[j], dir, &f);
		}
		secret_unref(text);
		envfile_free(&f);
	}
	snprintf(path, sizeof(path), "%s/env", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/script", dir);
	unlink(path);
	CHECK_INT(rmdir(dir), 0);
	CHECK_INT(secret_count(), 0);
}

CHECK_MAIN(RUN(values_written); RUN(keys); RUN(sorted_and_refused);
    RUN(lines_read); RUN(lines_refused); RUN(too_many);
    RUN(random_maps_through_shells))
