/*
 * fs_walk.c - opening a directory without being led astray.
 *
 * The only file of fs that knows the platform. Linux asks openat2(2) to do the
 * whole walk; elsewhere, on old kernels, under a seccomp filter that does not
 * know the call, and when a test asks for it, the walk goes one component at a
 * time, each opened relative to the one before and never through a symlink.
 * Neither ever sees "..": fs_name_check() and realpath(3) have removed it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#include <sys/syscall.h>
#define HAVE_OPENAT2	1
#endif
#endif

#include "fs_priv.h"
#include "mem.h"

/* A descriptor that is only walked through needs no read permission. */
#if defined(O_SEARCH)
#define WALK_SEARCH	O_SEARCH
#elif defined(O_PATH)
#define WALK_SEARCH	O_PATH
#else
#define WALK_SEARCH	O_RDONLY
#endif

/* FreeBSD has the kernel check each step as well; 0 where it does not. */
#if defined(O_RESOLVE_BENEATH)
#define WALK_BENEATH	O_RESOLVE_BENEATH
#else
#define WALK_BENEATH	0
#endif

#define WALK_RETRIES	64

static enum fs_walk walk_mode = FS_WALK_BEST;

void
fs_set_walk(enum fs_walk walk)
{
	walk_mode = walk;
}

#if defined(__linux__)
/* The canonical name of the directory at path, of which len bytes count: one call
 * resolves it, and /proc tells the name of what was opened, where realpath(3)
 * asks for each component. Returns its length; 0 when it cannot be had like
 * this: no /proc, a name that is not to be trusted. */
static size_t
fs_real_dir(const char *path, size_t len, char *out, size_t size)
{
	static const char gone[] = " (deleted)";
	char name[PATH_MAX];
	ssize_t n;
	int fd;

	if (len == 0 || len >= sizeof(name))
		return 0;
	memcpy(name, path, len);
	name[len] = '\0';
	fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, out, size);
	close(fd);
	if (n < 1 || (size_t)n >= size || out[0] != '/' ||
	    (n >= (ssize_t)sizeof(gone) - 1 && memcmp(out + n -
	    (sizeof(gone) - 1), gone, sizeof(gone) - 1) == 0))
		return 0;
	return (size_t)n;
}

/* The parent by fs_real_dir(), so that the last component itself is not opened;
 * NULL unless that is a plain name and no symlink. */
static char *
fs_real_below(const char *path, struct stat *st)
{
	const char *last = strrchr(path, '/') + 1;
	char out[PATH_MAX];
	size_t n, len = strlen(last);

	if (len == 0 || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return NULL;
	n = fs_real_dir(path, (size_t)(last - 1 - path), out, sizeof(out));
	if (n == 0 || n + 1 + len >= sizeof(out))
		return NULL;
	if (n == 1)			/* below "/" itself */
		n = 0;
	out[n] = '/';
	memcpy(out + n + 1, last, len + 1);
	if (lstat(out, st) != 0 || S_ISLNK(st->st_mode))
		return NULL;
	return xstrdup(out);
}
#endif

char *
fs_real(const char *path, struct stat *st)
{
	char *out = NULL;
	int saved;

#if defined(__linux__)
	if (walk_mode == FS_WALK_BEST)
		out = fs_real_below(path, st);
#endif
	if (out != NULL)
		return out;
	out = realpath(path, NULL);
	if (out != NULL && lstat(out, st) != 0) {
		saved = errno;
		free(out);
		errno = saved;
		return NULL;
	}
	return out;
}

void
fs_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

static int
walk_flags(enum fs_want want)
{
	return (want == FS_WANT_SEARCH ? WALK_SEARCH : O_RDONLY) |
	    O_DIRECTORY | O_CLOEXEC;
}

/*
 * Systems differ in the errno for a symlink that was not followed: ELOOP,
 * EMLINK, ENOTDIR when a directory was wanted, ENOTCAPABLE when the kernel
 * checked. Make it ELOOP. The second look may race; it only picks the code.
 */
static void
walk_normalise_errno(int dirfd, const char *name)
{
	struct stat st;
	int saved = errno;

#ifdef ENOTCAPABLE
	if (saved == ENOTCAPABLE)
		saved = ELOOP;
#endif
	if (saved == EMLINK)
		saved = ELOOP;
	if (saved == ENOTDIR &&
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		saved = ELOOP;
	errno = saved;
}

static int
walk_step(int dirfd, const char *name, enum fs_want want)
{
	int extra = walk_mode == FS_WALK_BEST ? WALK_BENEATH : 0, fd;

	do {
		fd = openat(dirfd, name,
		    walk_flags(want) | O_NOFOLLOW | extra);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		walk_normalise_errno(dirfd, name);
	return fd;
}

static int
walk_portable(int dirfd, const char *rel, enum fs_want want)
{
	char part[NAME_MAX + 1];
	int at = dirfd, fd;
	size_t len;
	bool last;

	for (;;) {
		len = strcspn(rel, "/");
		last = rel[len] == '\0';
		if (len == 0 || len >= sizeof(part)) {
			errno = len == 0 ? EINVAL : ENAMETOOLONG;
			fd = -1;
		} else {
			memcpy(part, rel, len);
			part[len] = '\0';
			if (strcmp(part, "..") == 0) {
				errno = ELOOP;
				fd = -1;
			} else
				fd = walk_step(at, part,
				    last ? want : FS_WANT_SEARCH);
		}
		if (at != dirfd)
			fs_close(at);
		if (fd < 0 || last)
			return fd;
		at = fd;
		rel += len + 1;
	}
}

#ifdef HAVE_OPENAT2

static int
walk_openat2(int dirfd, const char *rel, enum fs_want want, uint64_t more)
{
	struct open_how how = {
		.flags = (uint64_t)walk_flags(want),
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | more,
	};
	int tries;
	long fd;

	/* EAGAIN: a rename elsewhere made the kernel unsure; ask again. */
	for (tries = 0; tries < WALK_RETRIES; tries++) {
		fd = syscall(SYS_openat2, dirfd, rel, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			return (int)fd;
	}
	return -1;
}

/* Decided once: a missing call says ENOSYS, a seccomp filter EPERM. */
static bool
walk_has_openat2(void)
{
	static int known = -1;
	int fd;

	if (known < 0) {
		fd = walk_openat2(AT_FDCWD, "/", FS_WANT_SEARCH, 0);
		known = fd >= 0;
		fs_close(fd);
	}
	return known != 0 && walk_mode == FS_WALK_BEST;
}

#endif /* HAVE_OPENAT2 */

int
fs_walk_dir(int dirfd, const char *rel, enum fs_want want)
{
#ifdef HAVE_OPENAT2
	if (walk_has_openat2()) {
		int fd = walk_openat2(dirfd, rel, want, RESOLVE_BENEATH);

		if (fd < 0 && errno == EXDEV)
			errno = ELOOP;
		if (fd >= 0 || errno != EAGAIN)
			return fd;
	}
#endif
	return walk_portable(dirfd, rel, want);
}

int
fs_walk_absolute(const char *path, enum fs_want want)
{
	int rootfd, fd;

	if (path[0] != '/') {
		errno = EINVAL;
		return -1;
	}
	rootfd = open("/", path[1] == '\0' ? walk_flags(want) :
	    walk_flags(FS_WANT_SEARCH));
	if (rootfd < 0 || path[1] == '\0')
		return rootfd;
	fd = fs_walk_dir(rootfd, path + 1, want);
	fs_close(rootfd);
	return fd;
}

int
fs_walk_same_mount(int dirfd, const char *name)
{
	struct stat up, st;
	int fd;

#ifdef HAVE_OPENAT2
	/* Also sees bind mounts, which have the same device number. */
	if (walk_has_openat2())
		return walk_openat2(dirfd, name, FS_WANT_DIR,
		    RESOLVE_BENEATH | RESOLVE_NO_XDEV);
#endif
	fd = walk_step(dirfd, name, FS_WANT_DIR);
	if (fd < 0)
		return -1;
	if (fstat(dirfd, &up) == 0 && fstat(fd, &st) == 0) {
		if (up.st_dev == st.st_dev)
			return fd;
		errno = EXDEV;
	}
	fs_close(fd);
	return -1;
}
