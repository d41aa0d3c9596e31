/*
 * fs_scratch.c - directories for tests and proofs, and their removal.
 *
 * Removing a tree is the most dangerous thing a script can ask for, so it only
 * works on what this process made itself, told apart by device and inode, and
 * it neither follows a symlink nor enters another mount: a proof may have
 * mounted the host's directories below its scratch directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs_priv.h"
#include "mem.h"

/* One descriptor per level is open on the way down. */
#define TREE_DEPTH_MAX	200

struct scratch {
	struct scratch *next;
	char *path;		/* canonical */
	dev_t dev;
	ino_t ino;
};
static struct scratch *scratches;

static int
scratch_remember(const char *path, struct err *e)
{
	struct scratch *s;
	struct stat st;

	if (lstat(path, &st) != 0)
		return err_sys(e, "WriteFailed", "look at %.300s", path);
	s = xcalloc(1, sizeof(*s));
	s->path = xstrdup(path);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->next = scratches;
	scratches = s;
	return 0;
}

static void
scratch_forget(struct scratch *s)
{
	struct scratch **p;

	for (p = &scratches; *p != s; p = &(*p)->next)
		;
	*p = s->next;
	free(s->path);
	free(s);
}

char *
fs_scratch(const char *prefix, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	char *template, *path = NULL;

	if (prefix[0] == '\0' || prefix[0] == '.' ||
	    strchr(prefix, '/') != NULL || strlen(prefix) > 64) {
		err_set(e, "BadPath", "prefix '%.80s' cannot begin a file "
		    "name", prefix);
		return NULL;
	}
	if (tmp == NULL || tmp[0] != '/')
		tmp = "/tmp";
	template = xasprintf("%s/%s-XXXXXX", tmp, prefix);
	if (mkdtemp(template) == NULL)
		err_sys(e, fs_code(errno, "WriteFailed"),
		    "make a directory like %.300s", template);
	else if ((path = realpath(template, NULL)) == NULL)
		err_sys(e, "WriteFailed", "resolve %.300s", template);
	else if (scratch_remember(path, e) != 0) {
		free(path);
		path = NULL;
	}
	free(template);
	return path;
}

/* --- removal --- */

static int tree_clear(int fd, int depth);

static int
tree_remove_entry(int dirfd, const char *name, int depth)
{
	struct stat st;
	int fd, rc;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return unlinkat(dirfd, name, 0);
	fd = fs_walk_same_mount(dirfd, name);
	if (fd < 0)
		return -1;
	rc = tree_clear(fd, depth + 1);
	fs_close(fd);
	return rc == 0 ? unlinkat(dirfd, name, AT_REMOVEDIR) : -1;
}

/* Remove everything in a directory; -1 with errno at the first failure. */
static int
tree_clear(int fd, int depth)
{
	struct dirent *ent;
	int rc = 0, copy;
	DIR *d;

	if (depth > TREE_DEPTH_MAX) {
		errno = EMFILE;
		return -1;
	}
	/* Fails for directories of others; then so does what follows. */
	(void)!fchmod(fd, 0700);
	copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0)
		return -1;
	d = fdopendir(copy);
	if (d == NULL) {
		fs_close(copy);
		return -1;
	}
	while (rc == 0) {
		errno = 0;
		ent = readdir(d);
		if (ent == NULL) {
			rc = errno == 0 ? 0 : -1;
			break;
		}
		if (strcmp(ent->d_name, ".") != 0 &&
		    strcmp(ent->d_name, "..") != 0)
			rc = tree_remove_entry(fd, ent->d_name, depth);
	}
	copy = errno;
	closedir(d);
	errno = copy;
	return rc;
}

/* The scratch directory that path is or is below; *rest is what follows it,
 * without slashes around it. */
static struct scratch *
scratch_of(const char *path, const char **rest)
{
	struct scratch *s;
	size_t len;

	for (s = scratches; s != NULL; s = s->next) {
		len = strlen(s->path);
		if (strncmp(s->path, path, len) == 0 &&
		    (path[len] == '\0' || path[len] == '/')) {
			*rest = path + len + strspn(path + len, "/");
			return s;
		}
	}
	return NULL;
}

static int
scratch_open(const struct scratch *s, struct err *e)
{
	struct stat st;
	int fd;

	fd = fs_walk_absolute(s->path, FS_WANT_DIR);
	if (fd < 0)
		return err_sys(e, fs_code(errno, "ReadFailed"),
		    "open %.300s", s->path);
	if (fstat(fd, &st) != 0 || st.st_dev != s->dev ||
	    st.st_ino != s->ino) {
		fs_close(fd);
		return err_set(e, "TargetEscapesRoot", "%.300s is no longer "
		    "the directory that was made", s->path);
	}
	return fd;
}

/* Remove rest ("a/b/c") below fd, entering no other mount on the way either. */
static int
tree_remove_path(int fd, const char *rest)
{
	char part[NAME_MAX + 1];
	int at = fd, next, rc;
	size_t len;

	while (rest[len = strcspn(rest, "/")] != '\0') {
		memcpy(part, rest, len);	/* fs_name_check() saw it */
		part[len] = '\0';
		next = fs_walk_same_mount(at, part);
		if (at != fd)
			fs_close(at);
		if (next < 0)
			return -1;
		at = next;
		rest += len + 1;
	}
	rc = tree_remove_entry(at, rest, 0);
	if (at != fd)
		fs_close(at);
	return rc;
}

static int
tree_remove_below(struct scratch *s, int fd, const char *rest, struct err *e)
{
	if (rest[0] != '\0') {
		if (fs_name_check(rest, e) != 0)
			return -1;
		if (tree_remove_path(fd, rest) != 0)
			return err_sys(e, fs_code(errno, "WriteFailed"),
			    "remove '%.160s' below %.200s", rest, s->path);
		return 0;
	}
	if (tree_clear(fd, 0) != 0 || rmdir(s->path) != 0)
		return err_sys(e, fs_code(errno, "WriteFailed"),
		    "remove the tree %.300s", s->path);
	scratch_forget(s);
	return 0;
}

int
fs_remove_tree(const char *path, struct err *e)
{
	struct scratch *s;
	const char *rest;
	char *copy, *end;
	int fd, rc = -1;

	copy = xstrdup(path);
	for (end = copy + strlen(copy); end > copy && end[-1] == '/'; end--)
		end[-1] = '\0';
	s = scratch_of(copy, &rest);
	if (s == NULL) {
		err_set(e, "TargetEscapesRoot", "%.300s is not below a "
		    "directory that scratch() made", path);
	} else if ((fd = scratch_open(s, e)) >= 0) {
		rc = tree_remove_below(s, fd, rest, e);
		fs_close(fd);
	}
	free(copy);
	return rc;
}
