/*
 * fs_tree.h - a temporary tree for the fs tests, built and looked at by plain
 * system calls, never through the code under test.
 */
#ifndef COLIBRI_FS_TREE_H
#define COLIBRI_FS_TREE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define TREE_FN		static __attribute__((unused))

static char tree_top[PATH_MAX];		/* canonical */

/* A path below the top; 64 results live at a time. */
TREE_FN __attribute__((format(printf, 1, 2))) const char *
tree(const char *fmt, ...)
{
	static char ring[64][PATH_MAX];
	static int next;
	char *out = ring[next++ % 64];
	size_t len = strlen(tree_top);
	va_list ap;

	memcpy(out, tree_top, len);
	out[len] = '/';
	va_start(ap, fmt);
	vsnprintf(out + len + 1, PATH_MAX - len - 1, fmt, ap);
	va_end(ap);
	return out;
}

/* Make the top; in memory when `fast` and the system has such a place. */
TREE_FN void
tree_begin(bool fast)
{
	const char *tmp = getenv("TMPDIR");
	char template[PATH_MAX];

	if (fast && access("/dev/shm", W_OK) == 0)
		tmp = "/dev/shm";
	snprintf(template, sizeof(template), "%s/colibri-fs-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(template) == NULL ||
	    realpath(template, tree_top) == NULL) {
		perror(template);
		exit(2);
	}
}

TREE_FN int
tree_remove_cb(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	return type == FTW_DP || type == FTW_DNR ? rmdir(path) : unlink(path);
}

TREE_FN void
tree_end(void)
{
	nftw(tree_top, tree_remove_cb, 32, FTW_DEPTH | FTW_PHYS);
}

TREE_FN void
tree_dir(const char *path)
{
	if (mkdir(path, 0755) != 0 || chmod(path, 0755) != 0)
		CHECK_NOTE("mkdir %s: %s", path, strerror(errno));
}

TREE_FN void
tree_put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || fchmod(fd, mode) != 0 ||
	    write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		CHECK_NOTE("put %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* The text of a file of at most 64 KiB, or a note about why not. */
TREE_FN const char *
tree_get(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return strerror(errno);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return strerror(errno);
	text[n] = '\0';
	return text;
}

/* How many names in a directory begin so. */
TREE_FN int
tree_count(const char *path, const char *prefix)
{
	struct dirent *ent;
	DIR *d = opendir(path);
	int n = 0;

	if (d == NULL)
		return -1;
	while ((ent = readdir(d)) != NULL) {
		if (strcmp(ent->d_name, ".") != 0 &&
		    strcmp(ent->d_name, "..") != 0 &&
		    strncmp(ent->d_name, prefix, strlen(prefix)) == 0)
			n++;
	}
	closedir(d);
	return n;
}

TREE_FN struct stat
tree_stat(const char *path)
{
	struct stat st = { 0 };

	if (lstat(path, &st) != 0)
		CHECK_NOTE("lstat %s: %s", path, strerror(errno));
	return st;
}

TREE_FN double
tree_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

#endif
