/*
 * fs.c - roots and names: containment, opening a root, errno to codes.
 *
 * A root owns one descriptor. Every operation on a name first opens the
 * directory of the name below that descriptor (fs_at_open) and then works on
 * the last component alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs_priv.h"
#include "mem.h"

const char *
fs_code(int error, const char *other)
{
	switch (error) {
	case ELOOP:
	case EMLINK:		/* FreeBSD: O_NOFOLLOW met a symlink */
	case EXDEV:
		return "TargetEscapesRoot";
	case ENOENT:
		return "NotFound";
	case ENOTDIR:
		return "NotDirectory";
	case EISDIR:
	case ENXIO:		/* a socket or a device without a driver */
	case EOPNOTSUPP:
		return "NotRegular";
	case EACCES:
	case EPERM:
		return "PermissionDenied";
	case EEXIST:
		return "Exists";
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return "NoSpace";
	case EROFS:
		return "ReadOnly";
	case ENAMETOOLONG:
		return "BadPath";
	default:
		return other;
	}
}

int
fs_fail(struct err *e, const char *other, const char *doing,
    const struct fs_at *at)
{
	return err_sys(e, fs_code(errno, other), "%s '%.160s' below %.200s",
	    doing, at->name, at->root->path);
}

/* --- containment --- */

/* The canonical path of an absolute one, and what is there; missing is the code
 * when nothing is. */
static char *
fs_canonical(const char *path, const char *what, const char *missing,
    struct stat *st, struct err *e)
{
	const char *code;
	char *out;

	if (path[0] != '/') {
		err_set(e, "BadPath", "%s '%.200s' is not absolute", what,
		    path);
		return NULL;
	}
	if (strlen(path) >= PATH_MAX) {
		err_set(e, "BadPath", "%s is longer than %d bytes", what,
		    PATH_MAX - 1);
		return NULL;
	}
	out = fs_real(path, st);
	if (out == NULL) {
		if (errno == ENOENT || errno == ENOTDIR)
			code = missing;
		else
			code = fs_code(errno, "ReadFailed");
		err_sys(e, code, "resolve %s %.200s", what, path);
	}
	return out;
}

/* The part of path after base and a slash; NULL unless strictly below. Both
 * are canonical. */
static const char *
fs_below(const char *base, const char *path)
{
	size_t len = strcmp(base, "/") == 0 ? 0 : strlen(base);

	if (strncmp(base, path, len) != 0 || path[len] != '/' ||
	    path[len + 1] == '\0')
		return NULL;
	return path + len + 1;
}

/* Both canonical paths and the part below; the caller frees the paths. */
static int
fs_resolve(const char *base, const char *path, char **cbase, char **cpath,
    const char **below, struct err *e)
{
	struct stat st;

	*cpath = NULL;
	*cbase = fs_canonical(base, "base", "BaseMissing", &st, e);
	if (*cbase == NULL)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return err_set(e, "BaseMissing", "base %.200s is no directory",
		    *cbase);
	*cpath = fs_canonical(path, "target", "TargetMissing", &st, e);
	if (*cpath == NULL)
		return -1;
	*below = fs_below(*cbase, *cpath);
	if (*below == NULL)
		return err_set(e, "TargetEscapesRoot",
		    "%.200s is not below the base %.200s", *cpath, *cbase);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, "TargetEscapesRoot",
		    "%.200s is no directory", *cpath);
	return 0;
}

int
fs_contain(const char *base, const char *path, char *base_out,
    size_t base_size, char *rel, size_t rel_size, struct err *e)
{
	char *cbase = NULL, *cpath = NULL;
	const char *below;
	int rc;

	rc = fs_resolve(base, path, &cbase, &cpath, &below, e);
	if (rc == 0) {
		if (strlen(cbase) >= base_size || strlen(below) >= rel_size) {
			rc = err_set(e, "BadPath", "%.200s: path too long",
			    cpath);
		} else {
			memcpy(base_out, cbase, strlen(cbase) + 1);
			memcpy(rel, below, strlen(below) + 1);
		}
	}
	free(cbase);
	free(cpath);
	return rc;
}

/* --- roots --- */

struct fs_root *
fs_root_new(int fd, const char *path)
{
	struct fs_root *r = xmalloc(sizeof(*r));

	r->fd = fd;
	r->path = xstrdup(path);
	return r;
}

/* Between fs_resolve() and this walk the tree may have changed: what was a
 * directory is a symlink now. The walk decides. */
static int
fs_root_walk(const char *cbase, const char *below, const char *cpath,
    struct fs_root **out, struct err *e)
{
	const char *code;
	int basefd, fd;

	basefd = fs_walk_absolute(cbase, FS_WANT_SEARCH);
	if (basefd < 0)
		return err_sys(e, errno == ENOENT ? "BaseMissing" :
		    fs_code(errno, "ReadFailed"), "open base %.200s", cbase);
	fd = fs_walk_dir(basefd, below, FS_WANT_DIR);
	fs_close(basefd);
	if (fd < 0) {
		if (errno == ENOENT)
			code = "TargetMissing";
		else if (errno == ENOTDIR)
			code = "TargetEscapesRoot";
		else
			code = fs_code(errno, "ReadFailed");
		return err_sys(e, code, "walk from %.160s to %.200s", cbase,
		    below);
	}
	*out = fs_root_new(fd, cpath);
	return 0;
}

int
fs_root_open(const char *base, const char *path, struct fs_root **out,
    struct err *e)
{
	char *cbase = NULL, *cpath = NULL;
	const char *below;
	int rc;

	*out = NULL;
	rc = fs_resolve(base, path, &cbase, &cpath, &below, e);
	if (rc == 0)
		rc = fs_root_walk(cbase, below, cpath, out, e);
	free(cbase);
	free(cpath);
	return rc;
}

int
fs_root_open_trusted(const char *path, struct fs_root **out, struct err *e)
{
	int fd;

	*out = NULL;
	if (path[0] != '/')
		return err_set(e, "BadPath", "'%.200s' is not absolute", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, fs_code(errno, "ReadFailed"),
		    "open directory %.200s", path);
	*out = fs_root_new(fd, path);
	return 0;
}

void
fs_root_close(struct fs_root *r)
{
	if (r == NULL)
		return;
	fs_close(r->fd);
	free(r->path);
	free(r);
}

int
fs_root_fd(const struct fs_root *r)
{
	return r->fd;
}

/* --- names --- */

int
fs_name_check(const char *name, struct err *e)
{
	const char *p = name;
	size_t len;

	if (strlen(name) >= PATH_MAX)
		return err_set(e, "BadPath", "name is longer than %d bytes",
		    PATH_MAX - 1);
	for (;;) {
		len = strcspn(p, "/");
		if (len == 0)
			return err_set(e, "BadPath", "name '%.200s' is "
			    "absolute, empty or has an empty part", name);
		if (p[0] == '.' && (len == 1 || (len == 2 && p[1] == '.')))
			return err_set(e, "BadPath",
			    "name '%.200s' has a '%.*s' part", name, (int)len,
			    p);
		if (len > NAME_MAX)
			return err_set(e, "BadPath",
			    "name has a part of %zu bytes", len);
		if (p[len] == '\0')
			return 0;
		p += len + 1;
	}
}

int
fs_at_open(const struct fs_root *r, const char *name, struct fs_at *at,
    struct err *e)
{
	const char *slash;
	char *dir;

	*at = (struct fs_at){ .root = r, .name = name, .base = name,
	    .fd = r->fd };
	if (fs_name_check(name, e) != 0)
		return -1;
	slash = strrchr(name, '/');
	if (slash == NULL)
		return 0;
	at->base = slash + 1;
	dir = xmemdup0(name, (size_t)(slash - name));
	at->fd = fs_walk_dir(r->fd, dir, FS_WANT_DIR);
	free(dir);
	if (at->fd < 0)
		return fs_fail(e, "ReadFailed", "walk to", at);
	at->owned = true;
	return 0;
}

void
fs_at_close(struct fs_at *at)
{
	if (at->owned)
		fs_close(at->fd);
	at->owned = false;
	at->fd = -1;
}
