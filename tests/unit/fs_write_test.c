/* links: fs fs_walk fs_read fs_write fs_scratch secret secret_redact log log_line err mem */
/*
 * What fs_write() promises while nobody interferes; fs_race_test.c,
 * fs_crash_test.c and fs_mount_test.c are about the rest.
 */
#include "fs_fixture.h"

static void
check_write(void)
{
	struct fs_write_spec spec = spec600;
	enum fs_change c = FS_UNCHANGED;
	struct stat before, after;
	mode_t mask = umask(077);

	WORKS(fs_write(root, ".env", "A=1\n", 4, &spec, &c, &e));
	CHECK_INT(c, FS_CHANGED);
	before = tree_stat(tree("base/t/root/.env"));
	CHECK_INT(before.st_mode & 07777, 0600);
	CHECK_INT(before.st_uid, geteuid());
	WORKS(fs_write(root, ".env", "A=1\n", 4, &spec, &c, &e));
	CHECK_INT(c, FS_UNCHANGED);
	after = tree_stat(tree("base/t/root/.env"));
	CHECK_INT(before.st_ino, after.st_ino);
	CHECK_INT(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
	/* One byte, one byte more, one less; each is a change. */
	WORKS(fs_write(root, ".env", "A=2\n", 4, &spec, &c, &e));
	CHECK_INT(c, FS_CHANGED);
	WORKS(fs_write(root, ".env", "A=2\n\n", 5, &spec, &c, &e));
	CHECK_INT(c, FS_CHANGED);
	WORKS(fs_write(root, ".env", "", 0, &spec, &c, &e));
	CHECK_INT(c, FS_CHANGED);
	WORKS(fs_write(root, ".env", "", 0, &spec, &c, &e));
	CHECK_INT(c, FS_UNCHANGED);
	spec.mode = 0664;	/* exact, whatever the umask says */
	WORKS(fs_write(root, ".env", "", 0, &spec, &c, &e));
	CHECK_INT(c, FS_CHANGED);
	CHECK_INT(tree_stat(tree("base/t/root/.env")).st_mode & 07777, 0664);
	WORKS(fs_write(root, "sub/x", "y", 1, &spec, NULL, &e));
	CHECK_STR(tree_get(tree("base/t/root/sub/x")), "y");
	FAILS(fs_write(root, "none/x", "y", 1, &spec, NULL, &e), "NotFound");
	FAILS(fs_write(root, ".env/x", "y", 1, &spec, NULL, &e),
	    "NotDirectory");
	umask(mask);
}

static void
check_hard_link(void)
{
	enum fs_change c = FS_UNCHANGED;

	WORKS(fs_write(root, ".env", "A=1\n", 4, &spec600, NULL, &e));
	CHECK_INT(link(tree("base/t/root/.env"), tree("base/t/root/l")), 0);
	WORKS(fs_write(root, ".env", "A=1\n", 4, &spec600, &c, &e));
	CHECK_INT(c, FS_CHANGED);
	CHECK_INT(tree_stat(tree("base/t/root/.env")).st_nlink, 1);
	CHECK(tree_stat(tree("base/t/root/.env")).st_ino !=
	    tree_stat(tree("base/t/root/l")).st_ino);
}

static void
check_exclusive(void)
{
	struct fs_write_spec spec = spec600;
	enum fs_change c = FS_UNCHANGED;

	spec.exclusive = true;
	WORKS(fs_write(root, "once", "1", 1, &spec, &c, &e));
	CHECK_INT(c, FS_CHANGED);
	CHECK_INT(tree_stat(tree("base/t/root/once")).st_nlink, 1);
	FAILS(fs_write(root, "once", "1", 1, &spec, &c, &e), "Exists");
	FAILS(fs_write(root, "sub", "1", 1, &spec, &c, &e), "Exists");
	CHECK_STR(tree_get(tree("base/t/root/once")), "1");
	CHECK_INT(tree_count(tree("base/t/root"), ".colibri-"), 0);
}

static void
check_owner(void)
{
	struct fs_write_spec spec = spec600;
	enum fs_change c = FS_UNCHANGED;

	spec.uid = 12345;
	spec.gid = 12346;
	tree_put(tree("base/t/root/own"), "old", 0600);
	if (geteuid() != 0) {
		FAILS(fs_write(root, "own", "new", 3, &spec, &c, &e),
		    "PermissionDenied");
		CHECK_STR(tree_get(tree("base/t/root/own")), "old");
		CHECK_INT(tree_count(tree("base/t/root"), ".colibri-"), 0);
		return;
	}
	WORKS(fs_write(root, "own", "new", 3, &spec, &c, &e));
	CHECK_INT(tree_stat(tree("base/t/root/own")).st_uid, 12345);
	CHECK_INT(tree_stat(tree("base/t/root/own")).st_gid, 12346);
	WORKS(fs_write(root, "own", "new", 3, &spec, &c, &e));
	CHECK_INT(c, FS_UNCHANGED);
	/* What is found there never decides the owner. */
	WORKS(fs_write(root, "own", "new", 3, &spec600, &c, &e));
	CHECK_INT(c, FS_CHANGED);
	CHECK_INT(tree_stat(tree("base/t/root/own")).st_uid, 0);
}

static void
check_stale(void)
{
	static const char *const kept[] = { ".colibri-.env-0123456789abcde",
	    ".colibri-.env-0123456789abcdef0", ".colibri-.env-0123456789abcdeg",
	    ".colibri-.env-0123456789ABCDEF", ".colibri-.other-0123456789abcdef",
	    "colibri-.env-0123456789abcdef" };
	const char *dir = tree("base/t/root/.colibri-.env-aaaaaaaaaaaaaaaa");
	const char *ln = tree("base/t/root/.colibri-.env-bbbbbbbbbbbbbbbb");
	bool removed;
	size_t i;

	for (i = 0; i < ARRAY_LEN(kept); i++)
		tree_put(tree("base/t/root/%s", kept[i]), "x", 0600);
	tree_put(tree("base/t/root/.colibri-.env-0123456789abcdef"), "x",
	    0600);
	CHECK_INT(mkdir(dir, 0700), 0);
	CHECK_INT(symlink(tree("outside/.env"), ln), 0);
	WORKS(fs_write(root, ".env", "x", 1, &spec600, NULL, &e));
	CHECK_INT(access(tree("base/t/root/.colibri-.env-0123456789abcdef"),
	    F_OK), -1);
	for (i = 0; i < ARRAY_LEN(kept); i++)
		CHECK_INT(access(tree("base/t/root/%s", kept[i]), F_OK), 0);
	CHECK(S_ISDIR(tree_stat(dir).st_mode));
	CHECK(S_ISLNK(tree_stat(ln).st_mode));
	tree_put(tree("base/t/root/.colibri-.env-0123456789abcdef"), "x",
	    0600);
	WORKS(fs_unlink(root, ".env", &removed, &e));
	CHECK(removed);
	CHECK_INT(access(tree("base/t/root/.colibri-.env-0123456789abcdef"),
	    F_OK), -1);
}

static void
check_permissions(void)
{
	struct fs_root *r = NULL;
	char *data;
	size_t len;

	if (geteuid() == 0)
		return;
	tree_put(tree("base/t/root/.env"), "old", 0600);
	tree_put(tree("base/t/root/dark"), "old", 0);
	FAILS(fs_read(root, "dark", 9, &data, &len, &e), "PermissionDenied");
	CHECK_INT(chmod(tree("base/t/root"), 0555), 0);
	FAILS(fs_write(root, ".env", "new", 3, &spec600, NULL, &e),
	    "PermissionDenied");
	FAILS(fs_unlink(root, ".env", NULL, &e), "PermissionDenied");
	FAILS(fs_mkdir(root, "d", 0700, &e), "PermissionDenied");
	CHECK_STR(tree_get(tree("base/t/root/.env")), "old");
	CHECK_INT(chmod(tree("base/t/root"), 0755), 0);
	CHECK_INT(chmod(tree("base/t"), 0), 0);
	FAILS(fs_root_open(tree("base"), tree("base/t/root"), &r, &e),
	    "PermissionDenied");
	CHECK_INT(chmod(tree("base/t"), 0755), 0);
}

static void
check_gone(void)
{
	struct fs_root *r = NULL;

	tree_dir(tree("base/gone"));
	WORKS(fs_root_open(tree("base"), tree("base/gone"), &r, &e));
	CHECK_INT(rmdir(tree("base/gone")), 0);
	FAILS(fs_write(r, ".env", "x", 1, &spec600, NULL, &e), "NotFound");
	fs_root_close(r);
}

BOTH_WALKS(write)
BOTH_WALKS(hard_link)
BOTH_WALKS(exclusive)
BOTH_WALKS(owner)
BOTH_WALKS(stale)
BOTH_WALKS(permissions)
BOTH_WALKS(gone)

CHECK_MAIN(RUN_BOTH(write); RUN_BOTH(hard_link); RUN_BOTH(exclusive); RUN_BOTH(owner);
    RUN_BOTH(stale); RUN_BOTH(permissions); RUN_BOTH(gone))
