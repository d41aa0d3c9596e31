/* links: fs fs_walk fs_read fs_write fs_scratch secret secret_redact log log_line err mem */
/*
 * Roots, names and looking below a root.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "fs_fixture.h"
#include "secret.h"

static int
contain(const char *base, const char *path, struct err *e)
{
	char b[PATH_MAX], rel[PATH_MAX];

	return fs_contain(base, path, b, sizeof(b), rel, sizeof(rel), e);
}

static void
check_contain(void)
{
	char b[PATH_MAX], rel[PATH_MAX], lng[PATH_MAX + 10];
	const char *base = tree("base");

	WORKS(fs_contain(base, tree("base/t/../t/root//"), b, sizeof(b), rel,
	    sizeof(rel), &e));
	CHECK_STR(b, base);
	CHECK_STR(rel, "t/root");
	FAILS(contain(base, base, &e), "TargetEscapesRoot");
	FAILS(contain(base, tree("base/"), &e), "TargetEscapesRoot");
	FAILS(contain(base, tree("base/t/.."), &e), "TargetEscapesRoot");
	FAILS(contain(base, tree("outside"), &e), "TargetEscapesRoot");
	FAILS(contain(base, tree("base/../outside"), &e),
	    "TargetEscapesRoot");
	FAILS(contain(base, tree_top, &e), "TargetEscapesRoot");
	FAILS(contain(base, "/", &e), "TargetEscapesRoot");
	FAILS(contain(base, tree("base/file"), &e), "TargetEscapesRoot");
	FAILS(contain(base, tree("base/none"), &e), "TargetMissing");
	FAILS(contain(base, tree("base/file/x"), &e), "TargetMissing");
	FAILS(contain(base, "base/t", &e), "BadPath");
	FAILS(contain(base, "", &e), "BadPath");
	FAILS(contain("", tree("base/t"), &e), "BadPath");
	FAILS(contain(tree("nobase"), tree("base/t"), &e), "BaseMissing");
	FAILS(contain(tree("base/file"), tree("base/t"), &e), "BaseMissing");
	memset(lng, '/', sizeof(lng));
	lng[sizeof(lng) - 1] = '\0';
	FAILS(contain(base, lng, &e), "BadPath");
	FAILS(fs_contain(base, tree("base/t"), b, 3, rel, sizeof(rel), &e),
	    "BadPath");
	FAILS(fs_contain(base, tree("base/t"), b, sizeof(b), rel, 1, &e),
	    "BadPath");
	/* The whole system may be the base. */
	WORKS(fs_contain("/", base, b, sizeof(b), rel, sizeof(rel), &e));
	CHECK_STR(b, "/");
	CHECK_STR(rel, base + 1);
	WORKS(fs_contain("//", "//usr/./bin/..", b, sizeof(b), rel,
	    sizeof(rel), &e));
	CHECK_STR(rel, "usr");
	WORKS(fs_contain("/", "//usr", b, sizeof(b), rel, sizeof(rel), &e));
	CHECK_STR(rel, "usr");
	/* /proc would tell such a name of a directory that is gone. */
	tree_dir(tree("base/x (deleted)"));
	tree_dir(tree("base/x (deleted)/root"));
	WORKS(fs_contain(base, tree("base/x (deleted)/root"), b, sizeof(b),
	    rel, sizeof(rel), &e));
	CHECK_STR(rel, "x (deleted)/root");
	/* A neighbour whose name begins like the base's. */
	tree_dir(tree("base2"));
	FAILS(contain(base, tree("base2"), &e), "TargetEscapesRoot");
}

/* Symlinks on the way: into the open is refused, a linked base is not. */
static void
check_contain_links(void)
{
	struct fs_root *r = NULL;

	CHECK_INT(symlink(tree("outside"), tree("base/out")), 0);
	CHECK_INT(symlink("loop", tree("base/loop")), 0);
	CHECK_INT(symlink(tree("base"), tree("alias")), 0);
	FAILS(contain(tree("base"), tree("base/out"), &e),
	    "TargetEscapesRoot");
	FAILS(fs_root_open(tree("base"), tree("base/out"), &r, &e),
	    "TargetEscapesRoot");
	CHECK(r == NULL);
	FAILS(contain(tree("base"), tree("base/loop"), &e),
	    "TargetEscapesRoot");
	WORKS(fs_root_open(tree("alias"), tree("base/t/root"), &r, &e));
	fs_root_close(r);
	WORKS(fs_root_open(tree("base"), tree("alias/t/root"), &r, &e));
	fs_root_close(r);
	WORKS(fs_root_open("/", tree("base/t/root"), &r, &e));
	fs_root_close(r);
	FAILS(fs_root_open(tree("base"), tree("base/none"), &r, &e),
	    "TargetMissing");
	FAILS(fs_root_open(tree("none"), tree("base/t"), &r, &e),
	    "BaseMissing");
}

static void
check_names(void)
{
	static const char *const bad[] = { "", "/", "/etc", "a//b", "a/", ".",
	    "..", "../x", "a/..", "a/../b", "./a", "a/.", "/.env", "//" };
	char lng[PATH_MAX + 10];
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		FAILS(fs_write(root, bad[i], "x", 1, &spec600, NULL, &e),
		    "BadPath");
		FAILS(fs_stat(root, bad[i], &st, &e), "BadPath");
		FAILS(fs_unlink(root, bad[i], NULL, &e), "BadPath");
		FAILS(fs_mkdir(root, bad[i], 0700, &e), "BadPath");
	}
	memset(lng, 'n', sizeof(lng));
	lng[300] = '\0';
	FAILS(fs_stat(root, lng, &st, &e), "BadPath");
	lng[250] = '\0';	/* a name, but no room for the temp name */
	FAILS(fs_write(root, lng, "x", 1, &spec600, NULL, &e), "BadPath");
	lng[229] = '\0';
	WORKS(fs_write(root, lng, "x", 1, &spec600, NULL, &e));
	memset(lng, 'a', sizeof(lng));
	lng[sizeof(lng) - 1] = '\0';
	FAILS(fs_stat(root, lng, &st, &e), "BadPath");
	/* Names that only look dangerous. */
	WORKS(fs_write(root, "...", "x", 1, &spec600, NULL, &e));
	WORKS(fs_write(root, "..env", "x", 1, &spec600, NULL, &e));
}

static void
check_read(void)
{
	struct secret_buf b = { 0 };
	char *data = NULL;
	size_t len = 0;

	tree_put(tree("base/t/root/f"), "hello", 0600);
	tree_put(tree("base/t/root/sub/g"), "", 0600);
	WORKS(fs_read(root, "f", 5, &data, &len, &e));
	CHECK_MEM(data, len, "hello", (size_t)5);
	CHECK_STR(data, "hello");
	free(data);
	WORKS(fs_read(root, "sub/g", 0, &data, &len, &e));
	CHECK_INT(len, 0);
	CHECK_STR(data, "");
	free(data);
	WORKS(fs_read_locked(root, "f", 100, &b, &e));
	CHECK_MEM(b.data, b.len, "hello", (size_t)5);
	secret_buf_free(&b);
	FAILS(fs_read(root, "f", 4, &data, &len, &e), "TooLarge");
	FAILS(fs_read(root, "none", 4, &data, &len, &e), "NotFound");
	FAILS(fs_read(root, "none/f", 4, &data, &len, &e), "NotFound");
	FAILS(fs_read(root, "f/x", 4, &data, &len, &e), "NotDirectory");
	FAILS(fs_read(root, "sub", 4, &data, &len, &e), "NotRegular");
}

/* Everything a hostile inhabitant can put where a file is expected. */
static void
check_hostile_names(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *r = tree("base/t/root");
	char *data, cwd[PATH_MAX];
	size_t len;
	int s;

	CHECK_INT(mkfifo(tree("base/t/root/fifo"), 0666), 0);
	CHECK_INT(symlink(tree("outside/.env"), tree("base/t/root/ln")), 0);
	CHECK_INT(symlink("f", tree("base/t/root/inner")), 0);
	CHECK_INT(symlink(tree("outside"), tree("base/t/root/lndir")), 0);
	CHECK_INT(symlink("/dev/zero", tree("base/t/root/zero")), 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "sock");
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(getcwd(cwd, sizeof(cwd)) != NULL && chdir(r) == 0);
	CHECK_INT(bind(s, (struct sockaddr *)&un, sizeof(un)), 0);
	CHECK_INT(chdir(cwd), 0);
	FAILS(fs_read(root, "fifo", 9, &data, &len, &e), "NotRegular");
	FAILS(fs_read(root, "sock", 9, &data, &len, &e), "NotRegular");
	FAILS(fs_read(root, "ln", 9, &data, &len, &e), "TargetEscapesRoot");
	FAILS(fs_read(root, "inner", 9, &data, &len, &e),
	    "TargetEscapesRoot");
	FAILS(fs_read(root, "zero", 9, &data, &len, &e),
	    "TargetEscapesRoot");
	FAILS(fs_read(root, "lndir/.env", 9, &data, &len, &e),
	    "TargetEscapesRoot");
	FAILS(fs_write(root, "ln", "x", 1, &spec600, NULL, &e),
	    "TargetEscapesRoot");
	FAILS(fs_write(root, "lndir/.env", "x", 1, &spec600, NULL, &e),
	    "TargetEscapesRoot");
	FAILS(fs_write(root, "lndir/new", "x", 1, &spec600, NULL, &e),
	    "TargetEscapesRoot");
	FAILS(fs_write(root, "lndir", "x", 1, &spec600, NULL, &e),
	    "TargetEscapesRoot");
	FAILS(fs_write(root, "fifo", "x", 1, &spec600, NULL, &e),
	    "NotRegular");
	FAILS(fs_write(root, "sock", "x", 1, &spec600, NULL, &e),
	    "NotRegular");
	FAILS(fs_write(root, "sub", "x", 1, &spec600, NULL, &e),
	    "NotRegular");
	FAILS(fs_mkdir(root, "lndir/d", 0700, &e), "TargetEscapesRoot");
	FAILS(fs_unlink(root, "lndir/.env", NULL, &e), "TargetEscapesRoot");
	CHECK(S_ISLNK(tree_stat(tree("base/t/root/ln")).st_mode));
	CHECK(S_ISFIFO(tree_stat(tree("base/t/root/fifo")).st_mode));
	CHECK_INT(tree_count(r, ".colibri-"), 0);
	close(s);
}

/* A hard link elsewhere would keep seeing, and changing, the file. */
/* Owners other than ours need root; without it the failure is clean. */
/* The root was removed after it had been opened. */
static void
check_mkdir_unlink_list(void)
{
	mode_t mask = umask(077);
	bool removed = true;
	char **names = NULL;
	struct stat st;
	size_t n = 0;

	WORKS(fs_mkdir(root, "d", 0775, &e));
	WORKS(fs_stat(root, "d", &st, &e));
	CHECK_INT(st.st_mode & 07777, 0775);
	FAILS(fs_mkdir(root, "d", 0775, &e), "Exists");
	umask(mask);
	tree_put(tree("base/t/root/d/z"), "", 0600);
	tree_put(tree("base/t/root/d/a"), "", 0600);
	CHECK_INT(symlink("x", tree("base/t/root/d/m")), 0);
	WORKS(fs_list(root, "d", &names, &n, &e));
	CHECK_INT(n, 3);
	if (n == 3) {
		CHECK_STR(names[0], "a");
		CHECK_STR(names[1], "m");
		CHECK_STR(names[2], "z");
	}
	fs_list_free(names, n);
	WORKS(fs_list(root, ".", &names, &n, &e));
	CHECK_INT(n, 2);
	fs_list_free(names, n);
	WORKS(fs_stat(root, "d/m", &st, &e));
	CHECK(S_ISLNK(st.st_mode));
	FAILS(fs_stat(root, "d/none", &st, &e), "NotFound");
	FAILS(fs_list(root, "d/a", &names, &n, &e), "NotDirectory");
	FAILS(fs_list(root, "d/m", &names, &n, &e), "TargetEscapesRoot");
	FAILS(fs_list(root, "none", &names, &n, &e), "NotFound");
	FAILS(fs_list(root, "..", &names, &n, &e), "BadPath");
	WORKS(fs_unlink(root, "d/a", &removed, &e));
	CHECK(removed);
	WORKS(fs_unlink(root, "d/a", &removed, &e));
	CHECK(!removed);
	WORKS(fs_unlink(root, "d/m", &removed, &e));
	CHECK(removed);
	FAILS(fs_unlink(root, "d", &removed, &e), "NotRegular");
}

static void
check_trusted(void)
{
	struct fs_root *r = NULL;
	char *data;
	size_t len;

	tree_put(tree("p.env"), "A=1\n", 0600);
	WORKS(fs_read_trusted(tree("p.env"), 077, 99, &data, &len, &e));
	CHECK_STR(data, "A=1\n");
	free(data);
	CHECK_INT(chmod(tree("p.env"), 0640), 0);
	FAILS(fs_read_trusted(tree("p.env"), 077, 99, &data, &len, &e),
	    "NotTrusted");
	WORKS(fs_read_trusted(tree("p.env"), 022, 99, &data, &len, &e));
	free(data);
	FAILS(fs_read_trusted(tree("p.env"), 022, 3, &data, &len, &e),
	    "TooLarge");
	FAILS(fs_read_trusted(tree("none"), 022, 3, &data, &len, &e),
	    "NotFound");
	FAILS(fs_read_trusted("p.env", 022, 3, &data, &len, &e), "BadPath");
	FAILS(fs_read_trusted(tree("base"), 022, 3, &data, &len, &e),
	    "NotRegular");
	if (geteuid() == 0) {
		CHECK_INT(chown(tree("p.env"), 12345, 0), 0);
		FAILS(fs_read_trusted(tree("p.env"), 022, 99, &data, &len,
		    &e), "NotTrusted");
		WORKS(fs_read_host(tree("p.env"), 99, &data, &len, &e));
		free(data);
	}
	WORKS(fs_root_open_trusted(tree("base"), &r, &e));
	fs_root_close(r);
	FAILS(fs_root_open_trusted(tree("p.env"), &r, &e), "NotDirectory");
	FAILS(fs_root_open_trusted(tree("none"), &r, &e), "NotFound");
	FAILS(fs_root_open_trusted("x", &r, &e), "BadPath");
}

static void
check_scratch(void)
{
	struct err err = ERR_INIT;
	char *dir = fs_scratch("colibri-scratch", &err), *sub;

	CHECK(dir != NULL);
	if (dir == NULL)
		return;
	CHECK_INT(tree_stat(dir).st_mode & 07777, 0700);
	CHECK(asprintf(&sub, "%s/a", dir) > 0);
	tree_dir(sub);
	CHECK_INT(chdir(sub), 0);
	tree_dir("b");
	tree_put("b/f", "x", 0);
	CHECK_INT(symlink(tree("outside"), "b/ln"), 0);
	CHECK_INT(mkfifo("b/fifo", 0600), 0);
	CHECK_INT(chmod("b", 0500), 0);
	CHECK_INT(chdir("/"), 0);
	FAILS(fs_remove_tree(tree("outside"), &e), "TargetEscapesRoot");
	FAILS(fs_remove_tree("/", &e), "TargetEscapesRoot");
	FAILS(fs_remove_tree("", &e), "TargetEscapesRoot");
	free(sub);
	CHECK(asprintf(&sub, "%s/../x", dir) > 0);
	FAILS(fs_remove_tree(sub, &e), "BadPath");
	free(sub);
	CHECK(asprintf(&sub, "%s/a/b/ln/.env", dir) > 0);
	FAILS(fs_remove_tree(sub, &e), "TargetEscapesRoot");
	free(sub);
	CHECK(asprintf(&sub, "%s/a/b/", dir) > 0);
	WORKS(fs_remove_tree(sub, &e));
	CHECK_INT(access(sub, F_OK), -1);
	FAILS(fs_remove_tree(sub, &e), "NotFound");
	free(sub);
	WORKS(fs_remove_tree(dir, &e));
	CHECK_INT(access(dir, F_OK), -1);
	FAILS(fs_remove_tree(dir, &e), "TargetEscapesRoot");
	free(dir);
	CHECK(fs_scratch("a/b", &err) == NULL);
	CHECK_STR(err.code, "BadPath");
	CHECK(fs_scratch("", &err) == NULL);
}

BOTH_WALKS(contain)
BOTH_WALKS(contain_links)
BOTH_WALKS(names)
BOTH_WALKS(read)
BOTH_WALKS(hostile_names)
BOTH_WALKS(mkdir_unlink_list)
BOTH_WALKS(trusted)
BOTH_WALKS(scratch)

CHECK_MAIN(RUN_BOTH(contain); RUN_BOTH(contain_links); RUN_BOTH(names); RUN_BOTH(read);
    RUN_BOTH(hostile_names); RUN_BOTH(mkdir_unlink_list); RUN_BOTH(trusted); RUN_BOTH(scratch))
