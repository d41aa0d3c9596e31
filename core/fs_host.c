/*
 * fs_host.c - directories of the host that belong to the daemon; see fs.h.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
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
