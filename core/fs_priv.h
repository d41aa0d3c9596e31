/*
 * fs_priv.h - what the fs_*.c files share; nobody else includes it.
 *
 * fs_walk.c knows the platform and speaks errno; fs.c turns errno into codes;
 * fs_read.c and fs_write.c act on one name in one directory that the walk
 * has opened, so that no system call there ever sees a slash.
 */
#ifndef COLIBRI_FS_PRIV_H
#define COLIBRI_FS_PRIV_H

#include "fs.h"

struct fs_root {
	int fd;
	char *path;		/* for messages only */
};

/* Entries read from one directory before we stop: its owner may be hostile. */
#define FS_LIST_MAX	65536

/* How to open the last component of a walk. */
enum fs_want {
	FS_WANT_DIR,		/* to read, fsync and create in */
	FS_WANT_SEARCH,		/* only to walk on from; needs no r bit */
};

/* The canonical path of an absolute one, as realpath(3) gives it, and what is
 * there. The caller frees it; NULL with errno. */
struct stat;
char *fs_real(const char *path, struct stat *st);

/*
 * Open the directory rel ("a/b", checked by fs_name_check()) below dirfd
 * without following a symlink. Returns a descriptor, or -1 with errno: ELOOP
 * for a symlink on the way, ENOTDIR for another thing that is no directory.
 */
int fs_walk_dir(int dirfd, const char *rel, enum fs_want want);

/* The same from "/" for an absolute canonical path. */
int fs_walk_absolute(const char *path, enum fs_want want);

/* Open one subdirectory for reading that lies on the same mount as dirfd;
 * errno EXDEV if it is a mount point. */
int fs_walk_same_mount(int dirfd, const char *name);

/* The directory of a name, opened, and the last component. */
struct fs_at {
	const struct fs_root *root;
	const char *name;	/* as given, for messages */
	const char *base;	/* last component; no slash, not "." or ".." */
	int fd;
	bool owned;		/* fd is ours to close */
};

int fs_name_check(const char *name, struct err *e);
int fs_at_open(const struct fs_root *r, const char *name, struct fs_at *at,
    struct err *e);
void fs_at_close(struct fs_at *at);	/* keeps errno */

/* Fill e from errno; `other` is the code when errno has none of its own. */
int fs_fail(struct err *e, const char *other, const char *doing,
    const struct fs_at *at);
const char *fs_code(int error, const char *other);

/* Open an existing regular file for reading without blocking on anything;
 * st is what fstat(2) says of the open file. */
int fs_open_regular(const struct fs_at *at, struct stat *st, struct err *e);

/* A root around a descriptor that fs_walk_dir() returned. */
struct fs_root *fs_root_new(int fd, const char *path);

/* close(2) that keeps errno; -1 allowed. */
void fs_close(int fd);

#endif
