/*
 * sock.c - Unix stream sockets: listening, connecting; see sock.h.
 *
 * The lock file beside the socket outlives the daemon on purpose: removing it
 * would let two starters hold locks on two inodes of one name. It says whose
 * the socket is: "pid device inode", read back by sock_unlisten().
 */
#include <sys/types.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "sock.h"

#define BACKLOG		511
#define DIR_MODE	0750
#define SOCK_MODE	0660
#define CONNECT_SECONDS	10	/* for a daemon that does not accept */

static int
sock_address(const char *path, struct sockaddr_un *sun, struct err *e)
{
	size_t len = strlen(path);

	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (path[0] != '/')
		return err_set(e, "BadPath", "socket path '%.200s' is not "
		    "absolute", path);
	if (len >= sizeof(sun->sun_path))
		return err_set(e, "BadPath", "socket path '%.200s' has %zu "
		    "bytes, at most %zu are possible", path, len,
		    sizeof(sun->sun_path) - 1);
	memcpy(sun->sun_path, path, len + 1);
	return 0;
}

/* Make the last directory of path when it is missing. The mode must not depend
 * on the umask in either direction. */
static int
sock_make_dir(const char *path, struct err *e)
{
	char *dir = xmemdup0(path, (size_t)(strrchr(path, '/') - path));
	mode_t mask;
	int rc = 0;

	if (dir[0] != '\0') {
		mask = umask(0777 & ~DIR_MODE);
		if (mkdir(dir, DIR_MODE) != 0 && errno != EEXIST)
			rc = err_sys(e, "SocketFailed", "make directory %s",
			    dir);
		umask(mask);
	}
	free(dir);
	return rc;
}

static int
sock_lock(const char *path, struct err *e)
{
	char *name = xasprintf("%s.lock", path), pid[32] = "";
	int fd, rc = 0;

	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		rc = err_sys(e, "SocketFailed", "open %s", name);
	} else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			rc = err_sys(e, "SocketFailed", "lock %s", name);
		else if (pread(fd, pid, sizeof(pid) - 1, 0) > 0)
			rc = err_set(e, "SocketInUse", "%s: process %.*s "
			    "serves it", path, (int)strcspn(pid, " \n"), pid);
		else
			rc = err_set(e, "SocketInUse", "%s: another process "
			    "is starting to serve it", path);
	} else if (ftruncate(fd, 0) != 0) {	/* the last owner's name */
		rc = err_sys(e, "SocketFailed", "write %s", name);
	}
	free(name);
	if (rc != 0 && fd >= 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Make room for bind: remove a socket that nobody answers on, nothing else. */
static int
sock_clear(const char *path, const struct sockaddr_un *sun, struct err *e)
{
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) != 0) {
		if (errno == ENOENT)
			return 0;
		return err_sys(e, "SocketFailed", "look at %s", path);
	}
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, "SocketInUse", "%s is there and is no "
		    "socket; it was left alone", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, "SocketFailed", "socket");
	rc = connect(fd, (const struct sockaddr *)sun, sizeof(*sun));
	if (rc != 0 && errno == ECONNREFUSED) {
		rc = 0;
		if (unlink(path) != 0 && errno != ENOENT)
			rc = err_sys(e, "SocketFailed", "remove stale %s",
			    path);
	} else if (rc != 0 && errno == ENOENT) {
		rc = 0;
	} else if (rc != 0 && errno != EAGAIN) {
		rc = err_sys(e, "SocketInUse", "%s is there and cannot be "
		    "tried", path);
	} else {
		rc = err_set(e, "SocketInUse", "%s: something answers on it",
		    path);
	}
	close(fd);
	return rc;
}

/* Bind under a umask, so that at no time the socket is more open. */
static int
sock_bind(const char *path, const struct sockaddr_un *sun, int lock_fd,
    struct err *e)
{
	char text[96];
	struct stat st;
	mode_t mask;
	int fd, rc, len;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		err_sys(e, "SocketFailed", "socket");
		return -1;
	}
	mask = umask(0777 & ~SOCK_MODE);
	rc = bind(fd, (const struct sockaddr *)sun, sizeof(*sun));
	umask(mask);
	if (rc != 0) {
		err_sys(e, errno == EADDRINUSE ? "SocketInUse" :
		    "SocketFailed", "bind %s", path);
		close(fd);
		return -1;
	}
	if (lstat(path, &st) != 0 || listen(fd, BACKLOG) != 0) {
		err_sys(e, "SocketFailed", "listen on %s", path);
		goto fail;
	}
	len = snprintf(text, sizeof(text), "%ld %llu %llu\n", (long)getpid(),
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	if (ftruncate(lock_fd, 0) != 0 ||
	    pwrite(lock_fd, text, (size_t)len, 0) != len) {
		err_sys(e, "SocketFailed", "write %s.lock", path);
		goto fail;
	}
	return fd;
fail:
	unlink(path);
	close(fd);
	return -1;
}

int
sock_listen(const char *path, int *listen_fd, int *lock_fd, struct err *e)
{
	struct sockaddr_un sun;

	*listen_fd = *lock_fd = -1;
	if (sock_address(path, &sun, e) != 0 || sock_make_dir(path, e) != 0)
		return -1;
	*lock_fd = sock_lock(path, e);
	if (*lock_fd < 0)
		return -1;
	if (sock_clear(path, &sun, e) == 0)
		*listen_fd = sock_bind(path, &sun, *lock_fd, e);
	if (*listen_fd < 0) {
		close(*lock_fd);
		*lock_fd = -1;
		return -1;
	}
	return 0;
}

void
sock_unlisten(const char *path, int listen_fd, int lock_fd)
{
	unsigned long long dev, ino;
	char text[96] = "";
	struct stat st;
	long pid;

	/* A pid that is not ours: a forked child must not take the socket away. */
	if (lock_fd >= 0 && pread(lock_fd, text, sizeof(text) - 1, 0) > 0 &&
	    sscanf(text, "%ld %llu %llu", &pid, &dev, &ino) == 3 &&
	    pid == (long)getpid() && lstat(path, &st) == 0 &&
	    S_ISSOCK(st.st_mode) && (unsigned long long)st.st_dev == dev &&
	    (unsigned long long)st.st_ino == ino)
		unlink(path);
	if (listen_fd >= 0)
		close(listen_fd);
	if (lock_fd >= 0)
		close(lock_fd);
}

int
sock_accept(int listen_fd, struct sock_peer *peer, struct err *e)
{
	int fd;

	do {
		fd = accept4(listen_fd, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0) {
		err_sys(e, "SocketFailed", "accept");
		return -1;
	}
	if (sock_peer(fd, peer, e) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int
sock_connect(const char *path, struct err *e)
{
	struct timeval limit = { .tv_sec = CONNECT_SECONDS };
	struct sockaddr_un sun;
	int fd, flags, rc;

	if (sock_address(path, &sun, e) != 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		err_sys(e, "DaemonUnreachable", "socket");
		return -1;
	}
	/* Bounds a connect to a full backlog where that blocks (Linux). */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	do {
		rc = connect(fd, (const struct sockaddr *)&sun, sizeof(sun));
	} while (rc != 0 && errno == EINTR);
	if (rc != 0) {
		err_sys(e, "DaemonUnreachable", "connect to %s "
		    "(is colibri-daemon running?)", path);
	} else {
		flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
			rc = err_sys(e, "DaemonUnreachable", "connect to %s",
			    path);
	}
	if (rc != 0) {
		close(fd);
		return -1;
	}
	return fd;
}
