/* links: fingerprint siphash fs fs_walk fs_read fs_write fs_host fs_scratch secret secret_redact err mem */
/*
 * Fingerprints: the key is made once and kept; what is no proper key is
 * refused; each part of what is hashed counts.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "fingerprint.h"
#include "fs.h"

static char *dir;

static const char *
of(const struct secret *key, const char *tenant, const char *name,
    const char *value)
{
	static char text[4][FINGERPRINT_TEXT];
	static int turn;
	char *out = text[turn++ % 4];

	fingerprint_of(key, tenant, name, value, strlen(value), out);
	return out;
}

static void
plant(const char *name, const char *bytes, size_t len, mode_t mode)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len &&
	    fchmod(fd, mode) == 0);
	close(fd);
}

static void
refused(const char *name, const char *code)
{
	struct err e = ERR_INIT;
	struct secret *key = fingerprint_key(dir, name, &e);

	CHECK(key == NULL);
	CHECK_STR(e.code, code);
	secret_unref(key);
}

TEST(made_once)
{
	struct err e = ERR_INIT;
	struct secret *a, *b, *other;
	struct stat st;
	char path[512];

	a = fingerprint_key(dir, "key", &e);
	b = fingerprint_key(dir, "key", &e);
	other = fingerprint_key(dir, "other", &e);
	if (a == NULL || b == NULL || other == NULL) {
		CHECK_NOTE("%s: %s", e.code, e.text);
		return;
	}
	snprintf(path, sizeof(path), "%s/key", dir);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
	CHECK_INT(st.st_size, 16);
	CHECK_STR(of(a, "t", "K", "v"), of(b, "t", "K", "v"));
	CHECK(strcmp(of(a, "t", "K", "v"), of(other, "t", "K", "v")) != 0);
	secret_unref(a);
	secret_unref(b);
	secret_unref(other);
	CHECK_INT(secret_count(), 0);
}

TEST(every_part_counts)
{
	struct err e = ERR_INIT;
	struct secret *key = fingerprint_key(dir, "key", &e);
	const char *one = of(key, "t", "K", "v");

	CHECK_INT(strlen(one), 32);
	CHECK(strcmp(one, of(key, "u", "K", "v")) != 0);
	CHECK(strcmp(one, of(key, "t", "L", "v")) != 0);
	CHECK(strcmp(one, of(key, "t", "K", "w")) != 0);
	CHECK(strcmp(of(key, "ab", "c", "d"), of(key, "a", "bc", "d")) != 0);
	CHECK(strcmp(of(key, "a", "bc", "d"), of(key, "a", "b", "cd")) != 0);
	CHECK(strcmp(of(key, "a", "b", ""), of(key, "a", "", "b")) != 0);
	secret_unref(key);
}

TEST(what_is_no_key)
{
	plant("short", "15 bytes of key", 15, 0600);
	refused("short", "KeyDamaged");
	plant("long", "17 bytes of a key", 17, 0600);
	refused("long", "KeyDamaged");
	plant("empty", "", 0, 0600);
	refused("empty", "KeyDamaged");
	plant("open", "16 bytes of key!", 16, 0640);
	refused("open", "NotTrusted");
	refused("no/where", "NotFound");
}

TEST(no_directory)
{
	struct err e = ERR_INIT;

	CHECK(fingerprint_key("/nonexistent/dir", "key", &e) == NULL);
	CHECK_STR(e.code, "NotFound");
}

int
main(void)
{
	struct err e = ERR_INIT;

	dir = fs_scratch("colibri-fingerprint", &e);
	if (dir == NULL)
		return 1;
	RUN(made_once);
	RUN(every_part_counts);
	RUN(what_is_no_key);
	RUN(no_directory);
	if (fs_remove_tree(dir, &e) != 0)
		CHECK_NOTE("%s", e.text);
	free(dir);
	printf("1..%d\n", check_number);
	return check_failed_tests != 0;
}
