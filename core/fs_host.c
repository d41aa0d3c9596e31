/*
 * fs_host.c - directories of the host that belong to the daemon; see fs.h.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "mem.h"

/* Make the directories above path, as the system would: 0755. */
static int
make_parents(char *path, struct err *e)
{
	char *slash;

	for (slash = strchr(path + 1, '/'); slash != NULL;
	    slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) != 0 && errno != EEXIST) {
			err_sys(e, "WriteFailed", "make directory %s", path);
			*slash = '/';
			return -1;
		}
		*slash = '/';
	}
	return 0;
}

int
fs_make_private(const char *path, struct err *e)
{
	char *copy;
	int fd, rc;

	if (path[0] != '/')
		return err_set(e, "BadPath", "'%s' is not absolute", path);
	copy = xstrdup(path);
	rc = make_parents(copy, e);
	free(copy);
	if (rc != 0)
		return -1;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_sys(e, "WriteFailed", "make directory %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "NotTrusted", "directory %s", path);
	rc = fs_check_trusted(fd, 077, path, e);
	close(fd);
	return rc;
}

int
fs_lock_file(const char *path, struct err *e)
{
	char pid[32] = "";
	int fd, n;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err_sys(e, "WriteFailed", "open %s", path);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			err_sys(e, "WriteFailed", "lock %s", path);
		else if (pread(fd, pid, sizeof(pid) - 1, 0) > 0)
			err_set(e, "StateInUse", "%s is locked by process %.*s",
			    path, (int)strcspn(pid, "\n"), pid);
		else
			err_set(e, "StateInUse", "%s is locked", path);
		close(fd);
		return -1;
	}
	/* Only for people: a full disk is no reason not to start. */
	n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
		errno = 0;
	return fd;
}
