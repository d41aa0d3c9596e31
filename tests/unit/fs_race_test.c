/* links: fs fs_walk fs_read fs_write fs_scratch secret secret_redact log log_line err mem */
/*
 * A hostile neighbour swaps the jail root, its parent, `.env` and the temp
 * file for symlinks to a place outside the base, as fast as it can, while we
 * open and write. Whatever happens, nothing outside changes, a root that
 * opens is the real one, and every failure has a documented code.
 *
 *	base/t/root	the jail root		base/t/evil	-> outside/t/root
 *	base/t		its parent		base/evil	-> outside/t
 *	outside/t/root/.env			the canary
 */
#include <signal.h>
#include <sys/syscall.h>

#include "fs_fixture.h"
#include "fs_priv.h"

#define ROUNDS		20000
#define SECONDS		5.0	/* per walk, on a machine that is slow */
#define SECONDS_CAP	30.0	/* when one of the outcomes is still missing */

struct tally {
	int rounds, written, unchanged, refused_open, refused_walk, refused_write;
	int bad_code, wrong_root;
	char bad[128];
};

/* Swap two names; where the kernel cannot, in three steps. */
static void
swap(const char *a, const char *b)
{
#if defined(__linux__) && defined(SYS_renameat2)
	if (syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2) == 0 ||
	    (errno != ENOSYS && errno != EINVAL))
		return;
#endif
	const char *spare = tree("base/spare");

	if (rename(a, spare) == 0) {
		if (rename(b, a) != 0 || rename(spare, b) != 0)
			rename(spare, access(a, F_OK) == 0 ? b : a);
	}
}

/* Put a symlink in the place of the newest temp file. */
static void
hijack_temp(int dirfd, const char *canary)
{
	struct dirent *ent;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	while (d != NULL && (ent = readdir(d)) != NULL) {
		if (strncmp(ent->d_name, ".colibri-", 9) == 0) {
			unlinkat(dirfd, ent->d_name, 0);
			(void)!symlinkat(canary, dirfd, ent->d_name);
		}
	}
	if (d != NULL)
		closedir(d);
}

/* Most swaps are undone at once; now and then the other side gets to run while
 * things are swapped, or are not, also on a single processor. */
static void
dwell(unsigned i)
{
	struct timespec ts = { .tv_nsec = 20000 };

	if (i % 8 == 0)
		nanosleep(&ts, NULL);
}

/* Never returns. dirfd is the real root, wherever its name is by now. */
static void
neighbour(int dirfd)
{
	/* Copies: tree() takes its results back after a while. */
	const char *root_name = strdup(tree("base/t/root"));
	const char *evil_root = strdup(tree("base/t/evil"));
	const char *parent = strdup(tree("base/t"));
	const char *evil_parent = strdup(tree("base/evil"));
	const char *canary = strdup(tree("outside/t/root/.env"));
	unsigned i;

	alarm(120);		/* should the test itself be killed */
	for (i = 0;; i++) {
		swap(root_name, evil_root);
		dwell(i);
		swap(root_name, evil_root);
		dwell(i + 2);
		swap(parent, evil_parent);
		dwell(i + 4);
		swap(parent, evil_parent);
		dwell(i + 6);
		unlinkat(dirfd, "x", 0);
		(void)!symlinkat(canary, dirfd, "x");
#if defined(__linux__) && defined(SYS_renameat2)
		syscall(SYS_renameat2, dirfd, "x", dirfd, ".env", 2);
		syscall(SYS_renameat2, dirfd, "x", dirfd, ".env", 2);
#else
		renameat(dirfd, "x", dirfd, ".env");
		unlinkat(dirfd, ".env", 0);
#endif
		if (i % 16 == 0)
			hijack_temp(dirfd, canary);
		if (i % 4 == 0)		/* a planted symlink may have stuck */
			unlinkat(dirfd, ".env", 0);
	}
}

static bool
code_known(const char *code)
{
	static const char *const known[] = { "TargetEscapesRoot",
	    "TargetMissing", "NotFound", "NotRegular", "NotDirectory",
	    "WriteFailed" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(code, known[i]) == 0)
			return true;
	}
	return false;
}

static void
note_code(struct tally *t, const struct err *e)
{
	if (!code_known(e->code)) {
		t->bad_code++;
		snprintf(t->bad, sizeof(t->bad), "%s: %.100s", e->code,
		    e->text);
	}
}

/* Every other round skips realpath(3), so that the walk itself meets more of
 * the swaps. */
static struct fs_root *
open_root(struct tally *t, int basefd)
{
	struct err e = ERR_INIT;
	struct fs_root *r = NULL;
	int fd;

	if (t->rounds % 2 == 0) {
		if (fs_root_open(tree("base"), tree("base/t/root"), &r,
		    &e) != 0) {
			t->refused_open++;
			note_code(t, &e);
		}
		return r;
	}
	fd = fs_walk_dir(basefd, "t/root", FS_WANT_DIR);
	if (fd >= 0)
		return fs_root_new(fd, "walked");
	t->refused_walk++;
	if (errno != ELOOP && errno != ENOENT && errno != ENOTDIR) {
		t->bad_code++;
		snprintf(t->bad, sizeof(t->bad), "walk: %s", strerror(errno));
	}
	return NULL;
}

static void
one_round(struct tally *t, int basefd, ino_t real)
{
	enum fs_change change = FS_UNCHANGED;
	struct err e = ERR_INIT;
	struct fs_root *r;
	char text[64];
	struct stat st;
	int len;

	t->rounds++;
	r = open_root(t, basefd);
	if (r == NULL)
		return;
	if (fstat(fs_root_fd(r), &st) != 0 || st.st_ino != real)
		t->wrong_root++;
	len = snprintf(text, sizeof(text), "SECRET=%d\n", t->rounds / 2);
	if (fs_write(r, ".env", text, (size_t)len, &spec600, &change,
	    &e) != 0) {
		t->refused_write++;
		note_code(t, &e);
	} else if (change == FS_CHANGED)
		t->written++;
	else
		t->unchanged++;
	fs_root_close(r);
}

static bool
both_seen(const struct tally *t)
{
	return t->written > 0 && t->refused_open > 0 && t->refused_walk > 0;
}

/* Says what is wrong, if something is. */
static bool
outside_is_intact(const struct stat *before)
{
	struct stat now = tree_stat(tree("outside/t/root/.env"));
	int failed = check_failed;

	CHECK_INT(now.st_ino, before->st_ino);
	CHECK_INT(now.st_mtim.tv_sec, before->st_mtim.tv_sec);
	CHECK_INT(now.st_mtim.tv_nsec, before->st_mtim.tv_nsec);
	CHECK_INT(now.st_mode, before->st_mode);
	CHECK_INT(now.st_uid, before->st_uid);
	CHECK_INT(now.st_nlink, 1);
	CHECK_STR(tree_get(tree("outside/t/root/.env")), "canary");
	CHECK_INT(tree_count(tree("outside/t/root"), ""), 1);
	CHECK_INT(tree_count(tree("outside/t"), ""), 1);
	CHECK_INT(tree_count(tree("outside"), ""), 1);
	CHECK_INT(tree_count(tree_top, ""), 2);
	return check_failed == failed;
}

static void
race_set_up(void)
{
	tree_begin(true);
	tree_dir(tree("base"));
	tree_dir(tree("base/t"));
	tree_dir(tree("base/t/root"));
	tree_dir(tree("outside"));
	tree_dir(tree("outside/t"));
	tree_dir(tree("outside/t/root"));
	tree_put(tree("outside/t/root/.env"), "canary", 0644);
	CHECK_INT(symlink(tree("outside/t/root"), tree("base/t/evil")), 0);
	CHECK_INT(symlink(tree("outside/t"), tree("base/evil")), 0);
}

static void
race(const char *walk)
{
	struct tally t = { 0 };
	struct stat before, st;
	int dirfd, basefd, strays = 0;
	double began;
	pid_t pid;

	race_set_up();
	before = tree_stat(tree("outside/t/root/.env"));
	dirfd = open(tree("base/t/root"), O_RDONLY | O_DIRECTORY);
	basefd = open(tree("base"), O_RDONLY | O_DIRECTORY);
	st = tree_stat(tree("base/t/root"));
	pid = fork();
	if (pid == 0)
		neighbour(dirfd);
	began = tree_now();
	while ((t.rounds < ROUNDS && tree_now() - began < SECONDS) ||
	    (!both_seen(&t) && tree_now() - began < SECONDS_CAP)) {
		one_round(&t, basefd, st.st_ino);
		if (t.rounds % 100 == 0 && !outside_is_intact(&before))
			break;
	}
	printf("# %s: %d rounds in %.1f s: written %d, unchanged %d, refused "
	    "by open %d, by walk %d, by write %d\n", walk, t.rounds,
	    tree_now() - began, t.written, t.unchanged, t.refused_open,
	    t.refused_walk, t.refused_write);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(outside_is_intact(&before));
	CHECK(both_seen(&t));
	CHECK_INT(t.wrong_root, 0);
	if (t.bad_code != 0)
		CHECK_NOTE("%d undocumented failures, such as %s", t.bad_code,
		    t.bad);
	/* Now that it is quiet: one more write leaves only .env (and x). */
	{
		struct fs_root *r = fs_root_new(dup(dirfd), "quiet");

		unlinkat(dirfd, ".env", 0);
		WORKS(fs_write(r, ".env", "A=1\n", 4, &spec600, NULL, &e));
		CHECK_INT(fchdir(dirfd), 0);
		strays = tree_count(".", ".colibri-");
		CHECK_STR(tree_get(".env"), "A=1\n");
		CHECK_INT(chdir("/"), 0);
		fs_root_close(r);
	}
	/* What the neighbour planted itself it may keep. */
	printf("# %s: %d planted names left\n", walk, strays);
	close(dirfd);
	close(basefd);
	tree_end();
}

TEST(race_best)
{
	fs_set_walk(FS_WALK_BEST);
	race("best");
}

TEST(race_portable)
{
	fs_set_walk(FS_WALK_PORTABLE);
	race("portable");
}

CHECK_MAIN(RUN(race_best); RUN(race_portable))
