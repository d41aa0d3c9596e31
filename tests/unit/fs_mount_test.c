/* links: fs fs_walk fs_read fs_write fs_scratch secret secret_redact log log_line err mem */
/*
 * Full, limited and read-only file systems, and mounts in a tree that is
 * removed. Mounts are made in a private namespace by a child, as root or in a
 * user namespace of its own, so nothing is left behind.
 */
#include <signal.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif

#include "fs_fixture.h"

static char big[300000];

/* Run fn in a child; its failed checks count here. Exit 77 means: cannot. */
static void
in_child(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		check_failed = 0;
		fn();
		fflush(stdout);
		_exit(check_failed != 0);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("# cannot be tried here\n");
	else
		CHECK_INT(status, 0);
}

/* The old file is as it was and nothing else is there. */
static void
check_untouched(const char *text)
{
	CHECK_STR(tree_get(tree("base/t/root/.env")), text);
	CHECK_INT(tree_stat(tree("base/t/root/.env")).st_mode & 07777, 0600);
	CHECK_INT(tree_count(tree("base/t/root"), ".colibri-"), 0);
}

static void
limited(void)
{
	struct rlimit lim = { .rlim_cur = 65536, .rlim_max = 65536 };

	signal(SIGXFSZ, SIG_IGN);
	WORKS(fs_write(root, ".env", "old", 3, &spec600, NULL, &e));
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &lim), 0);
	FAILS(fs_write(root, ".env", big, sizeof(big), &spec600, NULL, &e),
	    "NoSpace");
	check_untouched("old");
}

static void
check_limited(void)
{
	in_child(limited);
}

#ifdef __linux__

static void
put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0) {
		(void)!write(fd, text, strlen(text));
		close(fd);
	}
}

/* Into a private mount namespace, by a user namespace if need be. */
static void
enter_namespace(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWNS) != 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
			_exit(77);
		put_file("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", uid);
		put_file("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1", gid);
		put_file("/proc/self/gid_map", map);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		_exit(77);
}

/* A file system of 128 KiB over the jail root, opened again. */
static void
small_root(void)
{
	enter_namespace();
	if (mount("tmpfs", tree("base/t/root"), "tmpfs", MS_NOSUID | MS_NODEV,
	    "size=131072") != 0)
		_exit(77);
	fs_root_close(root);
	WORKS(fs_root_open(tree("base"), tree("base/t/root"), &root, &e));
}

static void
full(void)
{
	small_root();
	WORKS(fs_write(root, ".env", "old", 3, &spec600, NULL, &e));
	FAILS(fs_write(root, ".env", big, sizeof(big), &spec600, NULL, &e),
	    "NoSpace");
	check_untouched("old");
	/* What was taken has been given back. */
	WORKS(fs_write(root, ".env", big, 50000, &spec600, NULL, &e));
}

static void
read_only(void)
{
	small_root();
	WORKS(fs_write(root, ".env", "old", 3, &spec600, NULL, &e));
	if (mount(NULL, tree("base/t/root"), NULL, MS_REMOUNT | MS_RDONLY |
	    MS_NOSUID | MS_NODEV, NULL) != 0)
		_exit(77);
	FAILS(fs_write(root, ".env", "new", 3, &spec600, NULL, &e),
	    "ReadOnly");
	FAILS(fs_unlink(root, ".env", NULL, &e), "ReadOnly");
	FAILS(fs_mkdir(root, "d", 0700, &e), "ReadOnly");
	check_untouched("old");
}

/* A proof may have mounted a directory of the host below its own. */
static void
mounted_tree(void)
{
	struct err err = ERR_INIT;
	char *dir, inner[PATH_MAX], deep[PATH_MAX + 8];

	enter_namespace();
	dir = fs_scratch("colibri-mount", &err);
	CHECK(dir != NULL);
	if (dir == NULL)
		return;
	snprintf(inner, sizeof(inner), "%s/mnt", dir);
	snprintf(deep, sizeof(deep), "%s/.env", inner);
	tree_dir(inner);
	CHECK_INT(mount(tree("outside"), inner, NULL, MS_BIND, NULL), 0);
	CHECK_STR(tree_get(deep), "canary");
	FAILS(fs_remove_tree(dir, &e), "TargetEscapesRoot");
	FAILS(fs_remove_tree(inner, &e), "TargetEscapesRoot");
	FAILS(fs_remove_tree(deep, &e), "TargetEscapesRoot");
	CHECK_STR(tree_get(tree("outside/.env")), "canary");
	CHECK_INT(umount(inner), 0);
	WORKS(fs_remove_tree(dir, &e));
	free(dir);
}

static void
check_full(void)
{
	in_child(full);
}

static void
check_read_only(void)
{
	in_child(read_only);
}

TEST(mounted_tree)
{
	/* The portable walk only sees another device, not a bind mount. */
	fs_set_walk(FS_WALK_BEST);
	set_up();
	in_child(mounted_tree);
	tear_down();
}

BOTH_WALKS(limited)
BOTH_WALKS(full)
BOTH_WALKS(read_only)

CHECK_MAIN(RUN_BOTH(limited); RUN_BOTH(full); RUN_BOTH(read_only);
    RUN(mounted_tree))

#else

BOTH_WALKS(limited)

CHECK_MAIN(RUN_BOTH(limited))

#endif
