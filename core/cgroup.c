/*
 * cgroup.c - see cgroup.h.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "mem.h"

#define REMOVE_TRIES	100
#define DEPTH_MAX	32	/* each level is an open descriptor */

static int
cgroup_open(const char *dir, const char *file, int flags)
{
	char *path = xasprintf("%s/%s", dir, file);
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);

	free(path);
	return fd;
}

int64_t
cgroup_oom_kills(const char *dir)
{
	int fd = cgroup_open(dir, "memory.events", O_RDONLY);
	char text[1024], *at;
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "\noom_kill ");
	return at != NULL ? strtoll(at + strlen("\noom_kill "), NULL, 10) : 0;
}

void
cgroup_kill(const char *dir)
{
	int fd = cgroup_open(dir, "cgroup.kill", O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, "1", 1) < 0)
		errno = 0;	/* an older kernel; its processes keep it */
	close(fd);
}

/* Remove what is below; `fd` is closed. */
static void
remove_below(int fd, int depth)
{
	struct dirent *de;
	DIR *d = fdopendir(fd);
	struct stat st;
	int below;

	if (d == NULL) {
		close(fd);
		return;
	}
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.' ||
		    fstatat(dirfd(d), de->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
			continue;
		below = depth < DEPTH_MAX ? openat(dirfd(d), de->d_name,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
		if (below >= 0)
			remove_below(below, depth + 1);
		unlinkat(dirfd(d), de->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

/* Returns whether to try again: somebody is in it, or in one below. */
static bool
remove_busy(const char *dir)
{
	int fd;

	if (rmdir(dir) == 0 || (errno != EBUSY && errno != ENOTEMPTY))
		return false;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	remove_below(fd, 0);
	return rmdir(dir) != 0 && errno == EBUSY;
}

void
cgroup_remove(const char *dir)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	int tries;

	/* Who has been reaped is still in it for a moment. */
	for (tries = 0; tries < REMOVE_TRIES && remove_busy(dir); tries++)
		nanosleep(&pause, NULL);
}
