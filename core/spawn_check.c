/*
 * spawn_check.c - which programs may be started; see spawn.h.
 *
 * A program is trusted when nobody but root and the daemon's user can change
 * what its path names: every directory down to it, and itself.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spawn.h"

#define NOT_FOUND	"ProgramNotFound"
#define NOT_TRUSTED	"ProgramNotTrusted"

/* In a sticky directory others can add entries but not replace ours, and the
 * owner of each entry below is checked too. */
static int
check_entry(const char *path, const char *entry, bool is_dir, struct err *e)
{
	struct stat st;

	if (lstat(entry, &st) != 0)
		return err_sys(e, NOT_TRUSTED, "program '%s': %s", path, entry);
	if (is_dir ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return err_set(e, NOT_TRUSTED, "program '%s': %s is not a %s",
		    path, entry, is_dir ? "directory" : "regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(e, NOT_TRUSTED, "program '%s': %s belongs to "
		    "uid %lu, not to root or us", path, entry,
		    (unsigned long)st.st_uid);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
	    !(is_dir && (st.st_mode & S_ISVTX) != 0))
		return err_set(e, NOT_TRUSTED, "program '%s': %s is writable "
		    "by group or others", path, entry);
	return 0;
}

int
spawn_resolve_program(const char *path, char *real, struct err *e)
{
	char entry[PATH_MAX];
	size_t i;

	if (path[0] != '/')
		return err_set(e, NOT_TRUSTED,
		    "program '%s': not an absolute path", path);
	if (realpath(path, real) == NULL)
		return err_sys(e, errno == ENOENT || errno == ENOTDIR ?
		    NOT_FOUND : NOT_TRUSTED, "program '%s'", path);
	if (check_entry(path, "/", true, e) != 0)
		return -1;
	for (i = 1; real[i] != '\0'; i++) {
		if (real[i] != '/')
			continue;
		memcpy(entry, real, i);
		entry[i] = '\0';
		if (check_entry(path, entry, true, e) != 0)
			return -1;
	}
	if (check_entry(path, real, false, e) != 0)
		return -1;
	if (faccessat(AT_FDCWD, real, X_OK, AT_EACCESS) != 0)
		return err_sys(e, NOT_TRUSTED, "program '%s': execute", path);
	return 0;
}

int
spawn_check_program(const char *path, struct err *e)
{
	char real[PATH_MAX];

	return spawn_resolve_program(path, real, e);
}

static int
copy_path(char *path, size_t size, const char *dir, const char *name,
    struct err *e)
{
	if ((size_t)snprintf(path, size, "%s%s", dir, name) >= size)
		return err_set(e, NOT_FOUND, "program '%s': path too long",
		    name);
	return 0;
}

int
spawn_find_program(const char *name, char *path, size_t size, struct err *e)
{
	static const char *const dirs[] = { "/usr/local/sbin/",
	    "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/" };
	struct stat st;
	size_t i;

	if (strchr(name, '/') != NULL) {
		if (copy_path(path, size, "", name, e) != 0)
			return -1;
		return spawn_check_program(path, e);
	}
	for (i = 0; i < ARRAY_LEN(dirs) && name[0] != '\0'; i++) {
		if (copy_path(path, size, dirs[i], name, e) != 0)
			return -1;
		/* The first that exists is meant; were it skipped for not being
		 * trusted, another program would run in its place. */
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			return spawn_check_program(path, e);
	}
	return err_set(e, NOT_FOUND, "program '%s': not in /usr/local/sbin, "
	    "/usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin", name);
}
