/*
 * shim_dir.c - an agent's directory: lock, log, exit status; see shim_priv.h.
 *
 * Everything is reached through one descriptor of the directory, which must be
 * ours alone. The lock is held until the process ends; fork does not pass it
 * on, and the file is opened only once, because closing any descriptor of it
 * would release the lock.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "shim_priv.h"

#define FAILED	"AgentStateFailed"

/* The directory and, for the first agent, the one above it. */
static int
dir_make(const char *path, struct err *e)
{
	char *parent, *slash;
	int rc;

	rc = mkdir(path, 0700);
	if (rc != 0 && errno == ENOENT) {
		parent = xstrdup(path);
		slash = strrchr(parent, '/');
		if (slash != NULL && slash != parent) {
			*slash = '\0';
			mkdir(parent, 0700);
		}
		free(parent);
		rc = mkdir(path, 0700);
	}
	if (rc != 0 && errno != EEXIST)
		return err_sys(e, FAILED, "make directory '%s'", path);
	return 0;
}

static int
dir_check(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_sys(e, FAILED, "directory '%s'", path);
	if (st.st_uid != geteuid() || (st.st_mode & 022) != 0) {
		errno = EPERM;
		return err_sys(e, FAILED, "directory '%s': not ours alone",
		    path);
	}
	return 0;
}

static int
dir_lock(int fd, const char *path, struct err *e)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN)
		errno = EACCES;
	return err_sys(e, FAILED, "lock '%s/lock': held by another shim", path);
}

int
shim_dir_open(struct shim_dir *d, const char *path, struct err *e)
{
	const int flags = O_CLOEXEC | O_NOFOLLOW | O_CREAT;

	*d = (struct shim_dir){ .fd = -1, .lock = -1, .log = -1 };
	if (dir_make(path, e) != 0)
		return -1;
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (d->fd < 0)
		return err_sys(e, FAILED, "open directory '%s'", path);
	if (dir_check(d->fd, path, e) != 0)
		return -1;
	d->lock = openat(d->fd, "lock", flags | O_RDWR, 0600);
	if (d->lock < 0)
		return err_sys(e, FAILED, "open '%s/lock'", path);
	if (dir_lock(d->lock, path, e) != 0)
		return -1;
	if (unlinkat(d->fd, "exit", 0) != 0 && errno != ENOENT)
		return err_sys(e, FAILED, "remove '%s/exit'", path);
	d->log = openat(d->fd, "log", flags | O_WRONLY | O_APPEND, 0600);
	if (d->log < 0)
		return err_sys(e, FAILED, "open '%s/log'", path);
	return 0;
}

/* A full disk costs log lines, never the agent. */
void
shim_dir_log(struct shim_dir *d, const char *data, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(d->log, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			d->lost += len;
			return;
		}
		data += n;
		len -= (size_t)n;
	}
}

int
shim_dir_exit(struct shim_dir *d, int code, int signo)
{
	char text[128];
	bool ok;
	int fd, len;

	len = snprintf(text, sizeof(text), "code=%d\nsignal=%d\nended_at=%lld\n",
	    code, signo, (long long)time(NULL));
	fd = openat(d->fd, "exit.new", O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	ok = write(fd, text, (size_t)len) == len && fsync(fd) == 0;
	if (close(fd) != 0 || !ok ||
	    renameat(d->fd, "exit.new", d->fd, "exit") != 0) {
		unlinkat(d->fd, "exit.new", 0);
		return -1;
	}
	return fsync(d->fd);
}
