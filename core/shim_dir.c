/*
 * shim_dir.c - an agent's directory: lock, socket, info, exit status; see
 * shim_priv.h and agent.h.
 *
 * Everything is reached through one descriptor of the directory, which must be
 * ours alone; it is the working directory, too, because the socket's path may
 * be too long for an address. The lock is held until the process ends; fork
 * does not pass it on, and the file is opened only once, because closing any
 * descriptor of it would release the lock.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "platform.h"
#include "shim_priv.h"
#include "sock.h"

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
	if (fchdir(fd) != 0)
		return err_sys(e, FAILED, "go to directory '%s'", path);
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

/* Without it a later daemon can only send signals. */
static void
dir_listen(struct shim_dir *d)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "sock" };

	unlinkat(d->fd, "sock", 0);
	d->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (d->sock < 0)
		return;
	if (bind(d->sock, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
	    listen(d->sock, 4) != 0) {
		close(d->sock);
		d->sock = -1;
	}
}

static int
dir_open(struct shim_dir *d, const char *path, struct err *e)
{
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (d->fd < 0)
		return err_sys(e, FAILED, "open directory '%s'", path);
	if (dir_check(d->fd, path, e) != 0)
		return -1;
	d->lock = openat(d->fd, "lock", O_CLOEXEC | O_NOFOLLOW | O_CREAT |
	    O_RDWR, 0600);
	if (d->lock < 0)
		return err_sys(e, FAILED, "open '%s/lock'", path);
	if (dir_lock(d->lock, path, e) != 0)
		return -1;
	if ((unlinkat(d->fd, "exit", 0) != 0 && errno != ENOENT) ||
	    (unlinkat(d->fd, "info", 0) != 0 && errno != ENOENT))
		return err_sys(e, FAILED, "remove '%s/exit'", path);
	return 0;
}

int
shim_dir_open(struct shim_dir *d, const struct shim_spec *spec, struct err *e)
{
	*d = (struct shim_dir){ .fd = -1, .lock = -1, .sock = -1 };
	if (dir_make(spec->dir, e) != 0 || dir_open(d, spec->dir, e) != 0)
		return -1;
	if (shim_log_open(&d->out, d->fd, "out", spec->log_size,
	    spec->log_keep) != 0 ||
	    shim_log_open(&d->err, d->fd, "err", spec->log_size,
	    spec->log_keep) != 0)
		return err_sys(e, FAILED, "open the log in '%s'", spec->dir);
	dir_listen(d);
	return 0;
}

int
shim_dir_accept(struct shim_dir *d)
{
	struct sock_peer peer;
	int fd;

	fd = accept4(d->sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return -1;
	if (sock_peer(fd, &peer, NULL) != 0 ||
	    (peer.uid != geteuid() && peer.uid != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Write a file so that there is the whole of it or nothing. */
static int
dir_put(struct shim_dir *d, const char *name, const char *text, bool sync)
{
	size_t len = strlen(text);
	bool ok;
	int fd;

	fd = openat(d->fd, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	ok = write(fd, text, len) == (ssize_t)len && (!sync || fsync(fd) == 0);
	if (close(fd) != 0 || !ok || renameat(d->fd, "new", d->fd, name) != 0) {
		unlinkat(d->fd, "new", 0);
		return -1;
	}
	return sync ? fsync(d->fd) : 0;
}

int
shim_dir_info(struct shim_dir *d, pid_t pid)
{
	char text[256];

	snprintf(text, sizeof(text), "protocol=%d\nshim=%ld\nshim_start=%"
	    PRIu64 "\npid=%ld\npid_start=%" PRIu64 "\nstarted_at=%lld\n",
	    SHIM_PROTOCOL, (long)getpid(), platform_start_time(getpid()),
	    (long)pid, platform_start_time(pid), (long long)time(NULL));
	return dir_put(d, "info", text, false);
}

int
shim_dir_exit(struct shim_dir *d, const char *text)
{
	return dir_put(d, "exit", text, true);
}
