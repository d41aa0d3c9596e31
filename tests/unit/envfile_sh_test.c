/* links: envfile envfile_parse secret secret_redact log log_line err mem */
/*
 * Random maps, written as `.env` and read back: by a real sh, byte for byte,
 * and by our own parser. Many maps go through one sh. ENVFILE_MAPS is how many
 * (default 100,000; 20,000 under a sanitizer), ENVFILE_SEED repeats a run.
 */
#include <sys/wait.h>

#include <time.h>
#include <unistd.h>

#include "check.h"
#include "envfile.h"
#include "mem.h"

#define BATCH	1000		/* maps that one sh reads */
#define KEYS	6		/* of a map, at most */
#ifdef __SANITIZE_ADDRESS__
#define DEFAULT_MAPS	20000
#else
#define DEFAULT_MAPS	100000
#endif

static uint64_t seed, state;

/* xorshift64*: the same numbers everywhere. */
static unsigned
dice(unsigned sides)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (unsigned)((state * UINT64_C(2685821657736338717)) >> 33) %
	    sides;
}

/* The n keys of a map differ, and none means something to a shell: they end in
 * _z and a digit. */
static void
random_key(char *out, unsigned i)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
	unsigned n = dice(10), at = 0;

	out[at++] = chars[dice(53)];
	while (n-- != 0)
		out[at++] = chars[dice(63)];
	snprintf(out + at, 16, "_z%u", i);
}

static size_t
random_value(char *out, size_t max)
{
	static const char *const pieces[] = { "'", "\\", "\"", "$", "`", "$(",
	    "${x}", "\n", "'\\''", "\r\n", " ", "\t", "!", "#", "~", "*", "?",
	    "[", "&", ";", "|", "<<EOF\n", "=", "\xc3\xa4", "\xf0\x9f\x90\xa6",
	    "\x81", "\xff", "-----BEGIN KEY-----\n", "%s", "\x1b[0m", "{a,b}",
	    "export ", "\\\n" };
	unsigned kind = dice(8);
	size_t len = 0, want = dice(64) == 0 ? dice((unsigned)max) : dice(24);
	const char *p;

	while (len < want) {
		if (kind < 3) {			/* what shells care for */
			p = pieces[dice(ARRAY_LEN(pieces))];
			if (len + strlen(p) > max)
				break;
			memcpy(out + len, p, strlen(p));
			len += strlen(p);
		} else if (kind < 6)		/* printable */
			out[len++] = (char)(' ' + dice(95));
		else				/* any byte but NUL */
			out[len++] = (char)(1 + dice(255));
	}
	return len;
}

static void
random_map(struct envfile *f)
{
	unsigned i, n = dice(KEYS + 1);
	char key[32], value[4096];
	struct err e = ERR_INIT;
	struct secret *s;
	size_t len;

	for (i = 0; i < n; i++) {
		random_key(key, i);
		len = random_value(value, sizeof(value));
		s = secret_new(value, len);
		if (envfile_add(f, key, strlen(key), s, &e) != 0)
			CHECK_NOTE("%s: %s", e.code, e.text);
		secret_unref(s);
	}
	envfile_sort(f);
}

/* Our parser sees what we wrote. */
static bool
parses_back(const struct envfile *f, const struct secret *text)
{
	struct envfile again = { 0 };
	struct err e = ERR_INIT;
	bool same;
	size_t i;

	same = envfile_parse(&again, secret_bytes(text), secret_len(text),
	    "text", &e) == 0 && again.n == f->n;
	for (i = 0; same && i < f->n; i++)
		same = strcmp(f->pairs[i].key, again.pairs[i].key) == 0 &&
		    secret_len(f->pairs[i].value) ==
		    secret_len(again.pairs[i].value) &&
		    memcmp(secret_bytes(f->pairs[i].value),
		    secret_bytes(again.pairs[i].value),
		    secret_len(f->pairs[i].value)) == 0;
	envfile_free(&again);
	return same;
}

/* A map's text, then what prints its values and forgets them, for sh; the
 * values as they must come back. */
static void
add_map(const struct envfile *f, struct buf *script, struct buf *want)
{
	struct err e = ERR_INIT;
	struct secret *text = envfile_format(f, &e);
	size_t i;

	if (text == NULL) {
		CHECK_NOTE("%s: %s", e.code, e.text);
		return;
	}
	if (!parses_back(f, text))
		CHECK_NOTE("our parser reads another map (seed %llu)",
		    (unsigned long long)seed);
	buf_add(script, secret_bytes(text), secret_len(text));
	for (i = 0; i < f->n; i++) {
		buf_add_str(script, "printf '%s\\0' \"$");
		buf_add_str(script, f->pairs[i].key);
		buf_add_str(script, "\"; unset ");
		buf_add_str(script, f->pairs[i].key);
		buf_add_str(script, "\n");
		buf_add(want, secret_bytes(f->pairs[i].value),
		    secret_len(f->pairs[i].value));
		buf_add(want, "", 1);
	}
	buf_add_str(script, "printf '#\\0'\n");
	buf_add(want, "#", 2);
	secret_unref(text);
}

static bool
spill(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "w");
	bool ok = f != NULL && fwrite(b->data, 1, b->len, f) == b->len;

	return f != NULL && fclose(f) == 0 && ok;
}

/* What the shell prints when it sources the file. */
static void
read_back(const char *shell, const char *path, struct buf *got)
{
	char *command = xasprintf("LC_ALL=C exec %s -c '. \"$1\"' sh %s",
	    shell, path);
	FILE *f = popen(command, "r");
	size_t n;

	while (f != NULL && (n = fread(buf_reserve(got, 65536), 1, 65536,
	    f)) != 0)
		got->len += n;
	if (f == NULL || pclose(f) != 0)
		CHECK_NOTE("%s failed (seed %llu)", command,
		    (unsigned long long)seed);
	free(command);
}

/* The number of the first map that came back otherwise. */
static size_t
first_wrong(const struct buf *want, const struct buf *got)
{
	size_t i, map = 0;

	for (i = 0; i < want->len && i < got->len; i++) {
		if (want->data[i] != got->data[i])
			break;
		if (want->data[i] == '#' && i + 1 < want->len &&
		    want->data[i + 1] == '\0')
			map++;
	}
	return map;
}

static void
run_maps(const char *shell, size_t maps)
{
	char path[] = "/tmp/colibri-envfile-XXXXXX";
	struct buf script = { 0 }, want = { 0 }, got = { 0 };
	int fd = mkstemp(path);
	size_t done, i;

	if (fd < 0) {
		CHECK_NOTE("no temporary file");
		return;
	}
	close(fd);
	for (done = 0; done < maps && check_failed < 3; done += i) {
		script.len = want.len = got.len = 0;
		for (i = 0; i < BATCH && done + i < maps; i++) {
			struct envfile f = { 0 };

			random_map(&f);
			add_map(&f, &script, &want);
			envfile_free(&f);
		}
		if (!spill(path, &script))
			CHECK_NOTE("%s cannot be written", path);
		read_back(shell, path, &got);
		if (got.len != want.len ||
		    memcmp(got.data, want.data, want.len) != 0)
			CHECK_NOTE("%s read map %zu otherwise (seed %llu)",
			    shell, done + first_wrong(&want, &got),
			    (unsigned long long)seed);
	}
	unlink(path);
	buf_free(&script);
	buf_free(&want);
	buf_free(&got);
}

static size_t
how_many(void)
{
	const char *text = getenv("ENVFILE_MAPS");

	return text != NULL ? (size_t)strtoull(text, NULL, 10) :
	    DEFAULT_MAPS;
}

TEST(sh_reads_random_maps)
{
	run_maps("sh", how_many());
	CHECK_INT(secret_count(), 0);
}

/* Other shells that are here, a tenth of it each. */
TEST(other_shells_do_too)
{
	static const char *const shells[] = { "bash", "dash", "ksh", "mksh",
	    "yash", "busybox sh" };
	char command[64];
	size_t i;

	for (i = 0; i < ARRAY_LEN(shells); i++) {
		snprintf(command, sizeof(command),
		    "command -v %s >/dev/null 2>&1", shells[i]);
		if (strchr(shells[i], ' ') != NULL)
			snprintf(command, sizeof(command),
			    "busybox sh -c : >/dev/null 2>&1");
		if (system(command) == 0)
			run_maps(shells[i], how_many() / 10);
	}
}

int
main(void)
{
	const char *text = getenv("ENVFILE_SEED");

	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = text != NULL ? strtoull(text, NULL, 10) :
	    (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
	state = seed | 1;
	printf("# ENVFILE_SEED=%llu\n", (unsigned long long)seed);
	RUN(sh_reads_random_maps);
	RUN(other_shells_do_too);
	printf("1..%d\n", check_number);
	return check_failed_tests != 0;
}
