/*
 * fs_read.c - looking below a root, and reading files of the host.
 *
 * A file is opened only when it is regular, and asked again once it is open:
 * between the two somebody may have put a fifo there, and O_NONBLOCK keeps
 * the open from waiting for its other end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs_priv.h"
#include "mem.h"
#include "secret.h"

#define READ_FLAGS	(O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define READ_CHUNK	16384

/* Where bytes go: plain heap, or locked memory that is wiped. */
struct fs_sink {
	struct buf *plain;
	struct secret_buf *locked;
};

static int
read_not_regular(const struct fs_at *at, const struct stat *st, struct err *e)
{
	if (S_ISLNK(st->st_mode))
		return err_set(e, "TargetEscapesRoot",
		    "'%.160s' below %.200s is a symlink", at->name,
		    at->root->path);
	return err_set(e, "NotRegular",
	    "'%.160s' below %.200s is not a regular file", at->name,
	    at->root->path);
}

int
fs_open_regular(const struct fs_at *at, struct stat *st, struct err *e)
{
	int fd;

	if (fstatat(at->fd, at->base, st, AT_SYMLINK_NOFOLLOW) != 0)
		return fs_fail(e, "ReadFailed", "look at", at);
	if (!S_ISREG(st->st_mode))
		return read_not_regular(at, st, e);
	fd = openat(at->fd, at->base, READ_FLAGS | O_NOFOLLOW);
	if (fd < 0)
		return fs_fail(e, "ReadFailed", "open", at);
	if (fstat(fd, st) != 0) {
		fs_fail(e, "ReadFailed", "look at", at);
		fs_close(fd);
		return -1;
	}
	if (!S_ISREG(st->st_mode)) {
		fs_close(fd);
		return read_not_regular(at, st, e);
	}
	return fd;
}

/* Read to the end, at most max bytes. Returns 1 when there are more. */
static int
read_all(int fd, size_t max, const struct fs_sink *sink)
{
	size_t total = 0, want;
	ssize_t n;
	void *p;

	for (;;) {
		want = max - total < READ_CHUNK ? max - total + 1 : READ_CHUNK;
		p = sink->plain != NULL ?
		    (void *)buf_reserve(sink->plain, want) :
		    (void *)secret_buf_reserve(sink->locked, want);
		n = read(fd, p, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		total += (size_t)n;
		if (sink->plain != NULL)
			sink->plain->len += (size_t)n;
		else
			sink->locked->len += (size_t)n;
		if (total > max)
			return 1;
	}
}

static int
read_open_file(int fd, const struct stat *st, size_t max, const char *what,
    const struct fs_sink *sink, struct err *e)
{
	int rc = 1;

	if (st->st_size >= 0 && (uintmax_t)st->st_size <= max)
		rc = read_all(fd, max, sink);
	if (rc > 0)
		return err_set(e, "TooLarge", "%.400s: more than %zu bytes",
		    what, max);
	if (rc < 0)
		return err_sys(e, fs_code(errno, "ReadFailed"), "read %.400s",
		    what);
	return 0;
}

static int
read_beneath(struct fs_root *r, const char *name, size_t max,
    const struct fs_sink *sink, struct err *e)
{
	struct fs_at at;
	struct stat st;
	int fd, rc = -1;

	if (fs_at_open(r, name, &at, e) != 0)
		return -1;
	fd = fs_open_regular(&at, &st, e);
	if (fd >= 0) {
		rc = read_open_file(fd, &st, max, name, sink, e);
		if (rc != 0)
			err_wrap(e, "below %s", r->path);
	}
	fs_close(fd);
	fs_at_close(&at);
	return rc;
}

/* By absolute path; *forbidden as in fs_check_trusted(), NULL for no check. */
static int
read_absolute(const char *path, const mode_t *forbidden, size_t max,
    const struct fs_sink *sink, struct err *e)
{
	struct stat st;
	int fd, rc = -1;

	if (path[0] != '/')
		return err_set(e, "BadPath", "'%.200s' is not absolute", path);
	fd = open(path, READ_FLAGS);
	if (fd < 0)
		return err_sys(e, fs_code(errno, "ReadFailed"), "open %.400s",
		    path);
	if (fstat(fd, &st) != 0)
		err_sys(e, "ReadFailed", "look at %.400s", path);
	else if (!S_ISREG(st.st_mode))
		err_set(e, "NotRegular", "%.400s is not a regular file", path);
	else if (forbidden == NULL ||
	    fs_check_trusted(fd, *forbidden, path, e) == 0)
		rc = read_open_file(fd, &st, max, path, sink, e);
	fs_close(fd);
	return rc;
}

/* Hand the bytes over, with a NUL after them that does not count. */
static int
read_give(int rc, struct buf *b, char **data, size_t *len)
{
	if (rc != 0) {
		buf_free(b);
		return rc;
	}
	*buf_reserve(b, 1) = '\0';
	*data = b->data;
	*len = b->len;
	return 0;
}

int
fs_read(struct fs_root *r, const char *name, size_t max, char **data,
    size_t *len, struct err *e)
{
	struct buf b = { 0 };
	struct fs_sink sink = { .plain = &b };

	return read_give(read_beneath(r, name, max, &sink, e), &b, data, len);
}

int
fs_read_locked(struct fs_root *r, const char *name, size_t max,
    struct secret_buf *b, struct err *e)
{
	struct fs_sink sink = { .locked = b };

	return read_beneath(r, name, max, &sink, e);
}

int
fs_read_trusted(const char *path, mode_t forbidden, size_t max, char **data,
    size_t *len, struct err *e)
{
	struct buf b = { 0 };
	struct fs_sink sink = { .plain = &b };

	return read_give(read_absolute(path, &forbidden, max, &sink, e), &b,
	    data, len);
}

int
fs_read_trusted_locked(const char *path, mode_t forbidden, size_t max,
    struct secret_buf *b, struct err *e)
{
	struct fs_sink sink = { .locked = b };

	return read_absolute(path, &forbidden, max, &sink, e);
}

int
fs_read_host(const char *path, size_t max, char **data, size_t *len,
    struct err *e)
{
	struct buf b = { 0 };
	struct fs_sink sink = { .plain = &b };

	return read_give(read_absolute(path, NULL, max, &sink, e), &b, data,
	    len);
}

int
fs_check_trusted(int fd, mode_t forbidden, const char *what, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_sys(e, "ReadFailed", "look at %.300s", what);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(e, "NotTrusted",
		    "%.300s is owned by uid %lu, must be root or uid %lu",
		    what, (unsigned long)st.st_uid, (unsigned long)geteuid());
	if ((st.st_mode & forbidden) != 0)
		return err_set(e, "NotTrusted",
		    "%.300s has mode %04o, must not have any of %04o", what,
		    (unsigned)(st.st_mode & 07777), (unsigned)forbidden);
	return 0;
}

int
fs_stat(struct fs_root *r, const char *name, struct stat *st, struct err *e)
{
	struct fs_at at;
	int rc;

	if (fs_at_open(r, name, &at, e) != 0)
		return -1;
	rc = fstatat(at.fd, at.base, st, AT_SYMLINK_NOFOLLOW);
	if (rc != 0)
		fs_fail(e, "ReadFailed", "look at", &at);
	fs_at_close(&at);
	return rc;
}

/* --- directories --- */

static int
list_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Returns -1 with errno; EOVERFLOW when there are too many. */
static int
list_fill(DIR *d, char ***names, size_t *n)
{
	size_t cap = 0;
	struct dirent *ent;

	for (;;) {
		errno = 0;
		ent = readdir(d);
		if (ent == NULL)
			return errno == 0 ? 0 : -1;
		if (strcmp(ent->d_name, ".") == 0 ||
		    strcmp(ent->d_name, "..") == 0)
			continue;
		if (*n == FS_LIST_MAX) {
			errno = EOVERFLOW;
			return -1;
		}
		if (*n == cap) {
			cap = cap != 0 ? cap * 2 : 32;
			*names = xreallocarray(*names, cap, sizeof(**names));
		}
		(*names)[(*n)++] = xstrdup(ent->d_name);
	}
}

static int
list_open_dir(struct fs_root *r, const char *name, struct err *e)
{
	const struct fs_at at = { .root = r, .name = name };
	int fd;

	if (strcmp(name, ".") == 0) {
		fd = openat(r->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		if (fs_name_check(name, e) != 0)
			return -1;
		fd = fs_walk_dir(r->fd, name, FS_WANT_DIR);
	}
	if (fd < 0)
		fs_fail(e, "ReadFailed", "open directory", &at);
	return fd;
}

int
fs_list(struct fs_root *r, const char *name, char ***names, size_t *n,
    struct err *e)
{
	const struct fs_at at = { .root = r, .name = name };
	int fd, rc = 0;
	DIR *d;

	*names = NULL;
	*n = 0;
	fd = list_open_dir(r, name, e);
	if (fd < 0)
		return -1;
	d = fdopendir(fd);
	if (d == NULL) {
		fs_fail(e, "ReadFailed", "list", &at);
		fs_close(fd);
		return -1;
	}
	if (list_fill(d, names, n) != 0) {
		rc = errno == EOVERFLOW ?
		    err_set(e, "TooLarge", "list '%.160s' below %.200s: more "
		    "than %d names", name, r->path, FS_LIST_MAX) :
		    fs_fail(e, "ReadFailed", "list", &at);
		fs_list_free(*names, *n);
		*names = NULL;
		*n = 0;
	} else if (*n != 0)
		qsort(*names, *n, sizeof(**names), list_compare);
	closedir(d);
	return rc;
}

void
fs_list_free(char **names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(names[i]);
	free(names);
}
