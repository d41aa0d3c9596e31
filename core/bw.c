/*
 * bw.c - server URLs, sessions and the data directory of `bw`; see bw.h.
 */
#include <sys/file.h>
#include <sys/random.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bw.h"
#include "fs.h"
#include "siphash.h"
#include "utf8.h"

#define SCHEME		"https://"
#define SESSION_BYTES	64

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* --- the server's URL --- */

/* Length of a host at p: a name, an IPv4 address, or [an IPv6 address]. 0 when
 * it is none. */
static size_t
host_len(const char *p, size_t len)
{
	size_t i;

	if (len > 0 && p[0] == '[') {
		for (i = 1; i < len && p[i] != ']'; i++) {
			if (!is_digit(p[i]) && (p[i] == '\0' ||
			    strchr("abcdefABCDEF:.", p[i]) == NULL))
				return 0;
		}
		return i < len && i > 2 ? i + 1 : 0;
	}
	for (i = 0; i < len; i++) {
		if (p[i] == '.' || p[i] == '-') {
			if (i == 0 || p[i - 1] == '.')
				return 0;
		} else if (!is_alnum(p[i]))
			break;
	}
	return i > 0 && i < 254 ? i : 0;
}

/* Length of ":port" at p, 0 when there is none or a bad one. */
static size_t
port_len(const char *p, size_t len)
{
	unsigned port = 0;
	size_t i;

	if (len == 0 || p[0] != ':')
		return 0;
	for (i = 1; i < len && is_digit(p[i]) && i < 7; i++)
		port = port * 10 + (unsigned)(p[i] - '0');
	return i > 1 && port > 0 && port < 65536 ? i : 0;
}

/* A path of plain characters, without empty, "." and ".." parts. */
static bool
path_ok(const char *p, size_t len)
{
	size_t i, part = 0;

	for (i = 0; i < len; i++) {
		if (p[i] == '/') {
			part = i + 1;
			if (part < len && (p[part] == '/' || p[part] == '.'))
				return false;
		} else if (!is_alnum(p[i]) && (p[i] == '\0' ||
		    strchr("._~-", p[i]) == NULL))
			return false;
	}
	return len == 0 || p[0] == '/';
}

static int
server_fail(struct err *e, const char *why)
{
	return err_set(e, "VaultNotConfigured", "BW_SERVER %s; it must be "
	    "https://host[:port][/path]", why);
}

int
bw_server_check(const char *url, size_t len, char out[BW_SERVER_MAX],
    struct err *e)
{
	const size_t scheme = sizeof(SCHEME) - 1;
	size_t host, port, i;

	while (len > scheme && url[len - 1] == '/')
		len--;
	if (len == 0)
		return server_fail(e, "is empty");
	if (len >= BW_SERVER_MAX)
		return server_fail(e, "is too long");
	if (len < scheme || memcmp(url, SCHEME, scheme) != 0)
		return server_fail(e, "does not start with https://");
	if (memchr(url, '@', len) != NULL)
		return server_fail(e, "names a user");
	host = host_len(url + scheme, len - scheme);
	if (host == 0)
		return server_fail(e, "has no valid host");
	port = port_len(url + scheme + host, len - scheme - host);
	i = scheme + host + port;
	if (!path_ok(url + i, len - i))
		return server_fail(e, "has a bad port or path");
	memcpy(out, url, len);
	out[len] = '\0';
	for (i = scheme; i < scheme + host; i++) {
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] = (char)(out[i] - 'A' + 'a');
	}
	return 0;
}

/* --- the data directory --- */

/* FNV-1a: tells accounts apart; nothing depends on it being hard to invert. */
static uint64_t
hash_add(uint64_t hash, const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)p[i]) * 0x100000001b3ULL;
	return (hash ^ 0xff) * 0x100000001b3ULL;
}

void
bw_dir_name(const char *server, const char *account, size_t len,
    char out[BW_NAME_MAX])
{
	const char *host = server;
	uint64_t hash = 0xcbf29ce484222325ULL;
	size_t n = 0;

	if (strncmp(host, SCHEME, sizeof(SCHEME) - 1) == 0)
		host += sizeof(SCHEME) - 1;
	hash = hash_add(hash, server, strlen(server));
	hash = hash_add(hash, account, len);
	for (; n < 48 && host[n] != '\0' && host[n] != '/'; n++)
		out[n] = is_alnum(host[n]) || host[n] == '-' ||
		    (host[n] == '.' && n > 0) ? host[n] : '_';
	snprintf(out + n, BW_NAME_MAX - n, "-%016llx",
	    (unsigned long long)hash);
}

int
bw_lock(const char *dir, struct err *e)
{
	int dirfd, fd;

	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(e, "VaultNotConfigured",
		    "open directory %.300s", dir);
	if (fs_check_trusted(dirfd, 077, dir, e) != 0) {
		e->code = "VaultNotConfigured";
		close(dirfd);
		return -1;
	}
	fd = openat(dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd < 0)
		err_sys(e, "VaultNotConfigured", "open %.300s/lock", dir);
	close(dirfd);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			err_set(e, "VaultBusy", "another process uses %.300s",
			    dir);
		else
			err_sys(e, "VaultNotConfigured", "lock %.300s", dir);
		close(fd);
		return -1;
	}
	return fd;
}

void
bw_unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Room for what comes, doubled; 64 KiB at first. */
#define DATA_STEP	65536

static struct secret *
data_read_fd(int fd, const char *dir, struct err *e)
{
	struct secret_buf b = { 0 };
	size_t room;
	ssize_t n;

	do {
		room = b.len < DATA_STEP ? DATA_STEP : b.len;
		n = read(fd, secret_buf_reserve(&b, room), room);
		if (n > 0)
			b.len += (size_t)n;
	} while ((n > 0 && b.len <= BW_DATA_MAX) || (n < 0 && errno == EINTR));
	if (n < 0)
		err_sys(e, "VaultNotConfigured", "read %.300s/data.json", dir);
	else if (b.len > BW_DATA_MAX)
		err_set(e, "VaultProtocol", "%.300s/data.json is too large", dir);
	else
		return secret_buf_take(&b);
	secret_buf_free(&b);
	return NULL;
}

struct secret *
bw_data_read(const char *dir, struct err *e)
{
	struct secret *s = NULL;
	int dirfd, fd;

	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fd = dirfd < 0 ? -1 : openat(dirfd, "data.json", O_RDONLY |
	    O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		err_sys(e, errno == ENOENT ? "NotFound" : "VaultNotConfigured",
		    "open %.300s/data.json", dir);
	else
		s = data_read_fd(fd, dir, e);
	if (fd >= 0)
		close(fd);
	if (dirfd >= 0)
		close(dirfd);
	return s;
}

void
bw_stamp(const char *path, char out[BW_STAMP_MAX])
{
	static unsigned char key[SIPHASH_KEY_SIZE];
	static bool have_key;
	unsigned char hash[SIPHASH_SIZE];
	struct secret_buf b = { 0 };
	struct err e = ERR_INIT;
	struct siphash h;
	size_t i;

	out[0] = '\0';
	if (!have_key && getrandom(key, sizeof(key), 0) != sizeof(key))
		return;
	have_key = true;
	if (fs_read_trusted_locked(path, 077, DATA_STEP, &b, &e) == 0) {
		siphash_start(&h, key);
		siphash_add(&h, b.data, b.len);
		siphash_end(&h, hash);
		for (i = 0; i < sizeof(hash); i++)
			snprintf(out + i * 2, 3, "%02x", (unsigned)hash[i]);
	}
	secret_buf_free(&b);
}

/* --- the session --- */

/* One character as it stands in a JSON string; the number of bytes. */
static size_t
json_escape(unsigned char c, char out[8])
{
	if (c == '"' || c == '\\') {
		out[0] = '\\';
		out[1] = (char)c;
		return 2;
	}
	if (c < 0x20 || c == 0x7f)
		return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)c);
	out[0] = (char)c;
	return 1;
}

struct secret *
bw_password_json(const char *password, size_t len, struct err *e)
{
	static const char head[] = "{\"password\":\"", tail[] = "\"}";
	const unsigned char *p = (const unsigned char *)password;
	struct secret_buf b = { 0 };
	char esc[8];
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = p[i] < 0x80 ? 1 : utf8_len(p + i, len - i);
		if (n == 0) {
			err_set(e, "VaultNotConfigured",
			    "BW_PASSWORD is not UTF-8");
			return NULL;
		}
	}
	memcpy(secret_buf_reserve(&b, sizeof(head) + sizeof(tail) + len * 6),
	    head, sizeof(head) - 1);
	b.len = sizeof(head) - 1;
	for (i = 0; i < len; i++) {
		n = json_escape(p[i], esc);
		memcpy(b.data + b.len, esc, n);
		b.len += n;
	}
	memcpy(b.data + b.len, tail, sizeof(tail) - 1);
	b.len += sizeof(tail) - 1;
	secret_wipe(esc, sizeof(esc));
	return secret_buf_take(&b);
}

bool
bw_session_ok(const char *session, size_t len)
{
	const size_t want = (SESSION_BYTES + 2) / 3 * 4;
	size_t i;

	if (len != want || memcmp(session + want - 2, "==", 2) != 0)
		return false;
	for (i = 0; i < want - 2; i++) {
		if (!is_alnum(session[i]) && session[i] != '+' &&
		    session[i] != '/')
			return false;
	}
	return true;
}
