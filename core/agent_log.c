/*
 * agent_log.c - reading what an agent wrote; see agent.h.
 *
 * The files are the shim's, which may begin a new one or remove the oldest at
 * any moment: each call looks anew.
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
#include <unistd.h>

#include "agent.h"
#include "mem.h"

#define FAILED		"AgentStateFailed"
#define PARTS_MAX	10240
#define TAIL_BLOCK	(64 * 1024)

struct parts {
	int dir;
	const char *path, *name;
	uint64_t start[PARTS_MAX];	/* ascending */
	size_t n;
};

static int
start_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
parts_close(struct parts *p)
{
	if (p->dir >= 0)
		close(p->dir);
	free(p);
}

static struct parts *
parts_open(const char *path, bool err, struct err *e)
{
	struct parts *p = xcalloc(1, sizeof(*p));
	struct dirent *de;
	char *end;
	DIR *d;
	int fd;

	p->path = path;
	p->name = err ? "err" : "out";
	p->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	fd = p->dir >= 0 ? fcntl(p->dir, F_DUPFD_CLOEXEC, 3) : -1;
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL) {
		err_sys(e, FAILED, "open directory '%s'", path);
		if (fd >= 0)
			close(fd);
		parts_close(p);
		return NULL;
	}
	while ((de = readdir(d)) != NULL && p->n < PARTS_MAX) {
		if (strncmp(de->d_name, p->name, 3) != 0 ||
		    de->d_name[3] != '.' || strlen(de->d_name) != 20)
			continue;
		p->start[p->n] = strtoull(de->d_name + 4, &end, 10);
		p->n += *end == '\0';
	}
	closedir(d);
	qsort(p->start, p->n, sizeof(p->start[0]), start_cmp);
	return p;
}

/* A part, or what stands beside it. -1 also when it was removed meanwhile. */
static int
part_open(const struct parts *p, size_t i, const char *tail)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%016" PRIu64 "%s", p->name,
	    p->start[i], tail);
	return openat(p->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
}

static uint64_t
part_size(const struct parts *p, size_t i)
{
	struct stat st = { .st_size = 0 };
	int fd = part_open(p, i, "");

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) != 0 || st.st_size < 0)
		st.st_size = 0;
	close(fd);
	return (uint64_t)st.st_size;
}

/* The part that holds byte `at`; the first when it is before all. */
static size_t
parts_at(const struct parts *p, uint64_t at)
{
	size_t i = p->n;

	while (i > 1 && p->start[i - 1] > at)
		i--;
	return i - 1;
}

/* Read from one part: how much, 0 at its end or gone, -1. */
static ssize_t
part_read(const struct parts *p, size_t i, uint64_t at, char *bytes, size_t max,
    struct err *e)
{
	ssize_t n;
	int fd = part_open(p, i, "");

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, FAILED,
		    "open the log in '%s'", p->path);
	do {
		n = pread(fd, bytes, max, (off_t)(at - p->start[i]));
	} while (n < 0 && errno == EINTR);
	close(fd);
	return n >= 0 ? n : err_sys(e, FAILED, "read the log in '%s'", p->path);
}

ssize_t
agent_log_read(const char *dir, struct agent_log_pos *pos, char *bytes,
    size_t max, uint64_t *missed, struct err *e)
{
	struct parts *p = parts_open(dir, pos->err, e);
	ssize_t n = 0;
	size_t i;

	*missed = 0;
	if (p == NULL)
		return -1;
	for (i = p->n > 0 ? parts_at(p, pos->at) : 0; i < p->n; i++) {
		if (pos->at < p->start[i]) {
			*missed += p->start[i] - pos->at;
			pos->at = p->start[i];
		}
		n = part_read(p, i, pos->at, bytes, max, e);
		if (n != 0)
			break;
	}
	if (n > 0)
		pos->at += (uint64_t)n;
	parts_close(p);
	return n;
}

/* The last byte that came before second `since`, by the notes beside a part. */
static uint64_t
part_since(const struct parts *p, size_t i, int64_t since)
{
	uint64_t at = p->start[i], from = at;
	long long second;
	int fd = part_open(p, i, ".times");
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (f == NULL) {
		if (fd >= 0)
			close(fd);
		return from;
	}
	while (fscanf(f, "%lld %" SCNu64, &second, &at) == 2) {
		from = at;
		if (second >= since)
			break;
		from = UINT64_MAX;	/* all that is noted is older */
	}
	fclose(f);
	return from;
}

int
agent_log_range(const char *dir, bool err, int64_t since, uint64_t *begin,
    uint64_t *end, uint64_t *from, struct err *e)
{
	struct parts *p = parts_open(dir, err, e);
	size_t i;

	*begin = *end = *from = 0;
	if (p == NULL)
		return -1;
	if (p->n > 0) {
		*begin = p->start[0];
		*end = p->start[p->n - 1] + part_size(p, p->n - 1);
		*from = since > 0 ? UINT64_MAX : *begin;
	}
	for (i = 0; i < p->n && *from == UINT64_MAX; i++)
		*from = part_since(p, i, since);
	if (*from > *end)
		*from = *end;
	parts_close(p);
	return 0;
}

/* Count newlines backwards in one part until `lines` are behind; returns
 * whether they are. The very last byte's newline ends the last line. */
static int
part_tail(const struct parts *p, size_t i, uint64_t end, uint64_t *lines,
    uint64_t *from, struct err *e)
{
	uint64_t size = part_size(p, i), block;
	char *bytes = xmalloc(TAIL_BLOCK);
	ssize_t k = 0;
	int rc = 0;

	while (rc == 0 && size > 0 && k >= 0) {
		block = size % TAIL_BLOCK != 0 ? size % TAIL_BLOCK : TAIL_BLOCK;
		size -= block;
		k = part_read(p, i, p->start[i] + size, bytes, (size_t)block, e);
		for (; k > 0 && rc == 0; k--) {
			if (bytes[k - 1] != '\n' ||
			    p->start[i] + size + (uint64_t)k == end)
				continue;
			if (--*lines == 0) {
				*from = p->start[i] + size + (uint64_t)k;
				rc = 1;
			}
		}
	}
	free(bytes);
	return k < 0 ? -1 : rc;
}

int
agent_log_tail(const char *dir, bool err, uint64_t lines, uint64_t *from,
    struct err *e)
{
	struct parts *p = parts_open(dir, err, e);
	uint64_t end = 0;
	size_t i;
	int rc = 0;

	*from = 0;
	if (p == NULL)
		return -1;
	if (p->n > 0) {
		*from = p->start[0];
		end = p->start[p->n - 1] + part_size(p, p->n - 1);
	}
	if (lines == 0)
		*from = end;
	for (i = p->n; i > 0 && rc == 0 && lines > 0; i--)
		rc = part_tail(p, i - 1, end, &lines, from, e);
	parts_close(p);
	return rc < 0 ? -1 : 0;
}
