/*
 * fs.h - files below a root that may be hostile.
 *
 * A jail's inhabitants own everything inside its root and may race us: swap
 * directories for symlinks, plant names, change owners. So a path is never
 * handed to the kernel twice. fs_root_open() walks from the base by descriptor
 * and refuses symlinks on the way; everything else starts at that descriptor
 * and stays beneath it. Linux: openat2(2) with RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS. FreeBSD: openat(2) with
 * O_RESOLVE_BENEATH per component plus O_NOFOLLOW. The portable walk (one
 * component at a time with O_NOFOLLOW | O_DIRECTORY, ".." refused) is compiled
 * everywhere and used when openat2 is missing; FS_WALK_PORTABLE forces it.
 */
#ifndef COLIBRI_FS_H
#define COLIBRI_FS_H

#include <sys/stat.h>
#include <sys/types.h>

#include "core.h"
#include "err.h"

enum fs_walk { FS_WALK_BEST, FS_WALK_PORTABLE };
void fs_set_walk(enum fs_walk walk);	/* for tests */

struct fs_root;			/* an open directory */
struct secret_buf;

/*
 * Check, without opening anything inside it, that path names an existing
 * directory strictly below base: both are canonicalised (realpath(3)), codes:
 * TargetMissing (path does not exist), TargetEscapesRoot (not below base, the
 * base itself, not a directory), BadPath (not absolute, NUL, too long),
 * BaseMissing. On success the path relative to the canonical base is written
 * to rel, and the canonical base to base_out.
 */
int fs_contain(const char *base, const char *path, char *base_out,
    size_t base_size, char *rel, size_t rel_size, struct err *e);

/* fs_contain(), then open the base and walk to the directory by descriptor.
 * A symlink met on the walk is TargetEscapesRoot. */
int fs_root_open(const char *base, const char *path, struct fs_root **out,
    struct err *e);
/* Open a directory the caller trusts (state directory, site directory). */
int fs_root_open_trusted(const char *path, struct fs_root **out,
    struct err *e);
void fs_root_close(struct fs_root *r);	/* NULL allowed */
int fs_root_fd(const struct fs_root *r);

/*
 * Names below a root: relative, no empty, "." or ".." component, no NUL, no
 * trailing slash. Code for a bad one: BadPath. A symlink anywhere on the way
 * or at the end: TargetEscapesRoot. Not there: NotFound. Not a regular file
 * (fifo, device, directory; never opened blocking): NotRegular. More than max
 * bytes: TooLarge. Further: NotDirectory (something on the way, or what is to
 * be listed), PermissionDenied, ReadFailed. *data is NUL-terminated besides.
 */
int fs_read(struct fs_root *r, const char *name, size_t max, char **data,
    size_t *len, struct err *e);

/* The same into locked memory, for files that hold secrets. The caller frees
 * b in any case. */
int fs_read_locked(struct fs_root *r, const char *name, size_t max,
    struct secret_buf *b, struct err *e);

struct fs_write_spec {
	mode_t mode;		/* exact; the umask plays no part */
	uid_t uid;		/* (uid_t)-1: leave as created */
	gid_t gid;		/* (gid_t)-1: leave as created */
	bool exclusive;		/* fail with Exists if the name is there */
	bool look;		/* only say in *change what it would do */
};

enum fs_change { FS_UNCHANGED, FS_CHANGED };

/*
 * Replace a file atomically: new inode with O_EXCL in the same directory, mode
 * and owner set before the first byte, data, fsync, rename, fsync of the
 * directory. When the file already is a regular file with one link, this
 * content, mode and owner, nothing is touched (*change = FS_UNCHANGED). A kill
 * at any instant leaves the old file or the new one; temp files of earlier
 * kills (".colibri-<name>-<16 hex>") in that directory are removed first, so
 * a name has one writer at a time: of two, one may get WriteFailed. A second
 * link to the old file counts as a change. Codes as above plus NoSpace,
 * WriteFailed (also: the name was exchanged under our hands), ReadOnly,
 * Exists. Data is borrowed; change may be NULL.
 */
int fs_write(struct fs_root *r, const char *name, const void *data, size_t len,
    const struct fs_write_spec *spec, enum fs_change *change, struct err *e);

/* The directory must not exist yet (Exists); mode is exact. */
int fs_mkdir(struct fs_root *r, const char *name, mode_t mode, struct err *e);

/* Remove a file, and temp files of writes to it that were killed. Anything but
 * a directory (NotRegular) goes; of a symlink the link itself. *removed (NULL
 * allowed) tells whether it was there. */
int fs_unlink(struct fs_root *r, const char *name, bool *removed,
    struct err *e);

/* lstat(2) beneath the root. */
int fs_stat(struct fs_root *r, const char *name, struct stat *st,
    struct err *e);

/* Names in a directory ("." for the root itself), sorted, without . and ..;
 * released with fs_list_free(). More than 65,536: TooLarge. */
int fs_list(struct fs_root *r, const char *name, char ***names, size_t *n,
    struct err *e);
void fs_list_free(char **names, size_t n);

/* The trust rule for files that steer the daemon (site scripts, provider.env,
 * vault directory): owned by root or the daemon's user, and none of the mode
 * bits in `forbidden` (022 for scripts, 077 for secrets). Checked on the open
 * descriptor. Code: NotTrusted. */
int fs_check_trusted(int fd, mode_t forbidden, const char *what,
    struct err *e);

/* Read a file by absolute path after fs_check_trusted(). Codes as fs_read. */
int fs_read_trusted(const char *path, mode_t forbidden, size_t max,
    char **data, size_t *len, struct err *e);
int fs_read_trusted_locked(const char *path, mode_t forbidden, size_t max,
    struct secret_buf *b, struct err *e);

/* Read a regular file of the host by absolute path, whoever owns it: programs
 * that are copied into a jail, never what steers the daemon. */
int fs_read_host(const char *path, size_t max, char **data, size_t *len,
    struct err *e);

/* A new 0700 directory below $TMPDIR or /tmp; the caller frees the canonical
 * path. NULL on failure. */
char *fs_scratch(const char *prefix, struct err *e);

/* Remove a directory (or file) with everything in it. Only what fs_scratch()
 * made in this process, or something below that: else TargetEscapesRoot. Goes
 * by descriptor, follows no symlink and enters no other mount. */
int fs_remove_tree(const char *path, struct err *e);

/* Make a directory of the daemon's own, 0700, with the directories above it
 * (0755), unless it is there. Codes: BadPath, WriteFailed, NotTrusted (it is
 * there and others may enter it). */
int fs_make_private(const char *path, struct err *e);

/* Lock a file for as long as the descriptor that comes back is open; it is made,
 * and stays there, with the pid in it. Codes: StateInUse (another descriptor has
 * the lock), WriteFailed. -1 on failure. */
int fs_lock_file(const char *path, struct err *e);

#endif
