/*
 * fs_write.c - changing files below a root that may be hostile.
 *
 * The new content goes into a file of our own making beside the old one and
 * takes its place by rename(2), which replaces a symlink and never follows it.
 * The directory belongs to somebody else all the while: whatever is swapped
 * under our hands, all we touch are names in the one directory that was
 * opened, and afterwards we look whether the name is really our file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs_priv.h"
#include "secret.h"

#define TEMP_PREFIX	".colibri-"
#define TEMP_DIGITS	16
#define TEMP_TRIES	8

/* The new file while it is not yet in place. */
struct fs_temp {
	char name[NAME_MAX + 1];	/* "" when there is none to remove */
	int fd;
	struct stat st;
};

/* --- leftovers of earlier kills --- */

/* Is this exactly ".colibri-<base>-<16 hex>"? */
static bool
temp_is_stale(const char *name, const char *base)
{
	size_t len = strlen(base);

	if (strncmp(name, TEMP_PREFIX, sizeof(TEMP_PREFIX) - 1) != 0)
		return false;
	name += sizeof(TEMP_PREFIX) - 1;
	if (strncmp(name, base, len) != 0 || name[len] != '-')
		return false;
	name += len + 1;
	return strlen(name) == TEMP_DIGITS &&
	    strspn(name, "0123456789abcdef") == TEMP_DIGITS;
}

/* Best effort: a leftover that cannot be removed does not stop the write. The
 * number of entries looked at is bounded, their owner may be hostile. */
static void
temp_sweep(const struct fs_at *at)
{
	struct dirent *ent;
	struct stat st;
	int fd, seen = 0;
	DIR *d;

	fd = openat(at->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	d = fdopendir(fd);
	if (d == NULL) {
		fs_close(fd);
		return;
	}
	while (seen++ < FS_LIST_MAX && (ent = readdir(d)) != NULL) {
		if (temp_is_stale(ent->d_name, at->base) &&
		    fstatat(at->fd, ent->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			unlinkat(at->fd, ent->d_name, 0);
	}
	closedir(d);
}

/* --- the new file --- */

static void
temp_drop(const struct fs_at *at, struct fs_temp *t)
{
	int saved = errno;

	fs_close(t->fd);
	t->fd = -1;
	if (t->name[0] != '\0')
		unlinkat(at->fd, t->name, 0);
	t->name[0] = '\0';
	errno = saved;
}

static int
temp_open(const struct fs_at *at, struct fs_temp *t, struct err *e)
{
	unsigned char r[TEMP_DIGITS / 2];
	size_t i, len;
	int tries;

	len = (size_t)snprintf(t->name, sizeof(t->name), TEMP_PREFIX "%s-",
	    at->base);
	if (len + TEMP_DIGITS >= sizeof(t->name)) {
		t->name[0] = '\0';
		return err_set(e, "BadPath", "name '%.160s' is too long to be "
		    "written", at->name);
	}
	for (tries = 0; tries < TEMP_TRIES; tries++) {
		if (getentropy(r, sizeof(r)) != 0)
			break;
		for (i = 0; i < sizeof(r); i++)
			snprintf(t->name + len + 2 * i, 3, "%02x", r[i]);
		t->fd = openat(at->fd, t->name, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, 0600);
		if (t->fd >= 0)
			return 0;
		if (errno != EEXIST && errno != EINTR)
			break;
	}
	t->name[0] = '\0';
	return fs_fail(e, "WriteFailed", "create a file for", at);
}

/* Owner, then mode (a change of owner may clear bits), then the first byte. */
static int
temp_own(const struct fs_at *at, struct fs_temp *t,
    const struct fs_write_spec *spec, struct err *e)
{
	if ((spec->uid != (uid_t)-1 || spec->gid != (gid_t)-1) &&
	    fchown(t->fd, spec->uid, spec->gid) != 0)
		return fs_fail(e, "WriteFailed", "set the owner of", at);
	if (fchmod(t->fd, spec->mode) != 0)
		return fs_fail(e, "WriteFailed", "set the mode of", at);
	if (fstat(t->fd, &t->st) != 0)
		return fs_fail(e, "WriteFailed", "look at the new", at);
	return 0;
}

static int
temp_fill(const struct fs_at *at, struct fs_temp *t, const char *data,
    size_t len, struct err *e)
{
	ssize_t n;

	while (len != 0) {
		n = write(t->fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				errno = EIO;
			return fs_fail(e, "WriteFailed", "write", at);
		}
		data += n;
		len -= (size_t)n;
	}
	if (fsync(t->fd) != 0)
		return fs_fail(e, "WriteFailed", "sync", at);
	return 0;
}

/* Some file systems cannot sync a directory and say EINVAL. */
static int
dir_sync(const struct fs_at *at, struct err *e)
{
	if (fsync(at->fd) != 0 && errno != EINVAL)
		return fs_fail(e, "WriteFailed", "sync the directory of", at);
	return 0;
}

/* Put the new file in place; the directory's owner may have exchanged either
 * name since, so make sure that what has the name now is the file we wrote. */
static int
temp_publish(const struct fs_at *at, struct fs_temp *t, bool exclusive,
    struct err *e)
{
	struct stat st;

	if (exclusive) {
		if (linkat(at->fd, t->name, at->fd, at->base, 0) != 0)
			return fs_fail(e, "WriteFailed", "link", at);
		unlinkat(at->fd, t->name, 0);
	} else if (renameat(at->fd, t->name, at->fd, at->base) != 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return err_sys(e, "WriteFailed", "rename to '%.160s' "
			    "below %.200s", at->name, at->root->path);
		return fs_fail(e, "WriteFailed", "rename to", at);
	}
	t->name[0] = '\0';
	if (fstatat(at->fd, at->base, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    st.st_ino != t->st.st_ino || st.st_dev != t->st.st_dev)
		return err_set(e, "WriteFailed", "'%.160s' below %.200s was "
		    "exchanged while it was written", at->name,
		    at->root->path);
	return dir_sync(at, e);
}

/* Everything from the new file to the new name. */
static int
temp_replace(const struct fs_at *at, const char *data, size_t len,
    const struct fs_write_spec *spec, struct err *e)
{
	struct fs_temp t = { .fd = -1 };
	int rc;

	rc = temp_open(at, &t, e);
	if (rc == 0)
		rc = temp_own(at, &t, spec, e);
	if (rc == 0)
		rc = temp_fill(at, &t, data, len, e);
	if (rc == 0)
		rc = temp_publish(at, &t, spec->exclusive, e);
	temp_drop(at, &t);
	return rc;
}

/* --- what is there already --- */

/* Owner "as created" means what a file made now would get. */
static bool
old_owner_ok(const struct fs_at *at, const struct stat *st,
    const struct fs_write_spec *spec)
{
	struct stat dir;

	if (st->st_uid != (spec->uid != (uid_t)-1 ? spec->uid : geteuid()))
		return false;
	if (spec->gid != (gid_t)-1)
		return st->st_gid == spec->gid;
	return st->st_gid == getegid() ||
	    (fstat(at->fd, &dir) == 0 && st->st_gid == dir.st_gid);
}

/* Compare in small pieces: the old content may be as secret as the new. */
static bool
old_content_ok(int fd, const char *data, size_t len)
{
	char piece[4096];
	size_t at = 0;
	ssize_t n;

	for (;;) {
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || (size_t)n > len - at ||
		    memcmp(piece, data + at, (size_t)n) != 0)
			break;
		at += (size_t)n;
	}
	secret_wipe(piece, sizeof(piece));
	return n == 0 && at == len;
}

/* A second link counts as changed: somebody else holds that inode. */
static bool
old_is_same(const struct fs_at *at, const char *data, size_t len,
    const struct fs_write_spec *spec)
{
	struct stat st;
	bool same;
	int fd;

	fd = fs_open_regular(at, &st, NULL);
	if (fd < 0)
		return false;
	same = st.st_nlink == 1 && st.st_size >= 0 &&
	    (uintmax_t)st.st_size == len &&
	    (st.st_mode & 07777) == spec->mode &&
	    old_owner_ok(at, &st, spec) && old_content_ok(fd, data, len);
	fs_close(fd);
	return same;
}

/* May the name be written? Returns 1 when there is no need to. */
static int
old_check(const struct fs_at *at, const char *data, size_t len,
    const struct fs_write_spec *spec, struct err *e)
{
	struct stat st;

	if (fstatat(at->fd, at->base, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return 0;
		return fs_fail(e, "WriteFailed", "look at", at);
	}
	if (S_ISLNK(st.st_mode))
		return err_set(e, "TargetEscapesRoot",
		    "'%.160s' below %.200s is a symlink", at->name,
		    at->root->path);
	if (spec->exclusive)
		return err_set(e, "Exists", "'%.160s' below %.200s exists",
		    at->name, at->root->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, "NotRegular",
		    "'%.160s' below %.200s is not a regular file", at->name,
		    at->root->path);
	return old_is_same(at, data, len, spec);
}

/* --- public --- */

int
fs_write(struct fs_root *r, const char *name, const void *data, size_t len,
    const struct fs_write_spec *spec, enum fs_change *change, struct err *e)
{
	struct fs_at at;
	int rc;

	if (fs_at_open(r, name, &at, e) != 0)
		return -1;
	if (!spec->look)
		temp_sweep(&at);
	rc = old_check(&at, data, len, spec, e);
	if (rc == 0) {
		if (!spec->look)
			rc = temp_replace(&at, data, len, spec, e);
		if (rc == 0 && change != NULL)
			*change = FS_CHANGED;
	} else if (rc == 1) {
		rc = 0;
		if (change != NULL)
			*change = FS_UNCHANGED;
	}
	fs_at_close(&at);
	return rc;
}

int
fs_mkdir(struct fs_root *r, const char *name, mode_t mode, struct err *e)
{
	struct fs_at at;
	int fd = -1, rc;

	if (fs_at_open(r, name, &at, e) != 0)
		return -1;
	rc = mkdirat(at.fd, at.base, 0700);
	if (rc != 0) {
		fs_fail(e, "WriteFailed", "make directory", &at);
	} else {
		fd = fs_walk_dir(at.fd, at.base, FS_WANT_DIR);
		if (fd < 0 || fchmod(fd, mode) != 0)
			rc = fs_fail(e, "WriteFailed", "set the mode of", &at);
		else
			rc = dir_sync(&at, e);
	}
	fs_close(fd);
	fs_at_close(&at);
	return rc;
}

int
fs_unlink(struct fs_root *r, const char *name, bool *removed, struct err *e)
{
	struct fs_at at;
	struct stat st;
	int rc = 0;

	if (removed != NULL)
		*removed = false;
	if (fs_at_open(r, name, &at, e) != 0)
		return -1;
	temp_sweep(&at);
	if (fstatat(at.fd, at.base, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno != ENOENT)
			rc = fs_fail(e, "WriteFailed", "look at", &at);
	} else if (S_ISDIR(st.st_mode)) {
		rc = err_set(e, "NotRegular", "'%.160s' below %.200s is a "
		    "directory", name, r->path);
	} else if (unlinkat(at.fd, at.base, 0) == 0) {
		if (removed != NULL)
			*removed = true;
		rc = dir_sync(&at, e);
	} else if (errno != ENOENT)
		rc = fs_fail(e, "WriteFailed", "remove", &at);
	fs_at_close(&at);
	return rc;
}
