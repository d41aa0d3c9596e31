/*
 * shim_log.c - a stream of an agent's output on disk; see shim_priv.h.
 *
 * A stream is a row of files, each named by the byte of the stream it begins
 * with, so that one number says where a reader is, whatever was rotated away
 * meanwhile. A new file begins at the start of a line; only a line longer than
 * LONG_LINE files is cut. Beside each file another one says, at most once a
 * second, when which byte came.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "shim_priv.h"

#define LONG_LINE	4	/* files' sizes after which a line is cut */
#define NAME_SIZE	48

static void
log_name(const struct shim_log *l, uint64_t start, const char *tail, char *name)
{
	snprintf(name, NAME_SIZE, "%s.%016" PRIu64 "%s", l->name, start, tail);
}

/* Is the file a part of this stream, and where does it begin? */
static bool
log_is_part(const struct shim_log *l, const char *file, uint64_t *start)
{
	size_t len = strlen(l->name);
	char *end;

	if (strncmp(file, l->name, len) != 0 || file[len] != '.' ||
	    strlen(file) != len + 17)
		return false;
	*start = strtoull(file + len + 1, &end, 10);
	return *end == '\0';
}

/* The number of parts, where the first and where the last begins. */
static size_t
log_parts(const struct shim_log *l, uint64_t *first, uint64_t *last)
{
	struct dirent *de;
	uint64_t start;
	size_t n = 0;
	int fd = dup(l->dir);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	rewinddir(d);
	while ((de = readdir(d)) != NULL) {
		if (!log_is_part(l, de->d_name, &start))
			continue;
		if (n == 0 || start < *first)
			*first = start;
		if (n == 0 || start > *last)
			*last = start;
		n++;
	}
	closedir(d);
	return n;
}

static void
log_prune(struct shim_log *l)
{
	uint64_t first = 0, last = 0;
	char name[NAME_SIZE];

	while (log_parts(l, &first, &last) > l->keep) {
		log_name(l, first, ".times", name);
		unlinkat(l->dir, name, 0);
		log_name(l, first, "", name);
		if (unlinkat(l->dir, name, 0) != 0)
			return;
	}
}

/* Begin, or go on with, the part that starts at l->start. */
static int
log_open_part(struct shim_log *l)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW;
	char name[NAME_SIZE];
	struct stat st;
	int fd, times;

	log_name(l, l->start, "", name);
	fd = openat(l->dir, name, flags, 0600);
	if (fd < 0)
		return -1;
	log_name(l, l->start, ".times", name);
	times = openat(l->dir, name, flags, 0600);
	if (times < 0) {
		/* What comes goes to the part before, not here. */
		log_name(l, l->start, "", name);
		if (fstat(fd, &st) == 0 && st.st_size == 0)
			unlinkat(l->dir, name, 0);
		close(fd);
		return -1;
	}
	if (l->fd >= 0)
		close(l->fd);
	if (l->times >= 0)
		close(l->times);
	l->fd = fd;
	l->times = times;
	l->marked = 0;
	return 0;
}

int
shim_log_open(struct shim_log *l, int dir, const char *name, uint64_t size,
    size_t keep)
{
	uint64_t first = 0;
	struct stat st;

	*l = (struct shim_log){ .dir = dir, .name = name, .fd = -1,
	    .times = -1, .size = size, .keep = keep, .clean = true };
	log_parts(l, &first, &l->start);
	if (log_open_part(l) != 0 || fstat(l->fd, &st) != 0)
		return -1;
	l->at = l->start + (uint64_t)st.st_size;
	return 0;
}

/* A part that cannot be begun: the one before it goes on. */
static void
log_rotate(struct shim_log *l)
{
	uint64_t was = l->start;

	l->start = l->at;
	if (log_open_part(l) != 0)
		l->start = was;
	else
		log_prune(l);
}

static void
log_mark(struct shim_log *l)
{
	time_t now = time(NULL);
	char text[64];
	int len;

	if (now == l->marked)
		return;
	l->marked = now;
	len = snprintf(text, sizeof(text), "%lld %" PRIu64 "\n",
	    (long long)now, l->at);
	if (write(l->times, text, (size_t)len) != len)
		l->marked = now;	/* the next second tries again */
}

/* A full disk costs log lines, never the agent. */
static void
log_put(struct shim_log *l, const char *data, size_t len)
{
	ssize_t n;

	if (len == 0)
		return;
	log_mark(l);
	l->clean = data[len - 1] == '\n';
	while (len > 0) {
		n = write(l->fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			l->lost += len;
			return;
		}
		l->at += (uint64_t)n;
		data += n;
		len -= (size_t)n;
	}
}

void
shim_log_write(struct shim_log *l, const char *data, size_t len)
{
	uint64_t used;
	const char *nl;
	size_t n;

	while (len > 0) {
		used = l->at - l->start;
		if (used >= l->size * LONG_LINE ||
		    (l->clean && used > 0 && used >= l->size)) {
			log_rotate(l);
			used = l->at - l->start;
		}
		if (used + len <= l->size) {
			log_put(l, data, len);
			return;
		}
		n = used < l->size ? (size_t)(l->size - used) : 0;
		nl = n > 0 ? memrchr(data, '\n', n) : NULL;
		if (nl == NULL && l->clean && used > 0) {
			log_rotate(l);		/* the line goes there whole */
			if (l->at != l->start)
				nl = memchr(data + n, '\n', len - n);
			else
				continue;
		} else if (nl == NULL) {
			nl = memchr(data + n, '\n', len - n);
		}
		n = nl != NULL ? (size_t)(nl - data) + 1 : len;
		log_put(l, data, n);
		data += n;
		len -= n;
		if (nl != NULL)
			log_rotate(l);
	}
}
