/* links: fs fs_walk fs_read fs_write fs_scratch secret secret_redact log log_line err mem */
/*
 * A writer is killed: at 100 instants of a busy loop, and, where ptrace(2)
 * allows, before and after every single system call of one write. The file is
 * always the old or the new one, whole, 0600, and the next write clears up.
 */
#include <signal.h>
#ifdef __linux__
#include <sys/ptrace.h>
#endif

#include "fs_fixture.h"

#define KILLS		100
#define CONTENT_SIZE	20000

static char content[2][CONTENT_SIZE + 1];

static void
make_contents(void)
{
	memset(content[0], 'a', CONTENT_SIZE);
	memset(content[1], 'b', CONTENT_SIZE - 777);
}

static int
put_content(struct fs_root *r, int which, struct err *e)
{
	return fs_write(r, ".env", content[which], strlen(content[which]),
	    &spec600, NULL, e);
}

/* Exactly one of the two, or not there when that is still possible. */
static void
check_survivor(bool may_be_absent)
{
	const char *path = tree("base/t/root/.env"), *text;
	struct stat st;

	if (may_be_absent && access(path, F_OK) != 0)
		return;
	st = tree_stat(path);
	CHECK(S_ISREG(st.st_mode));
	CHECK_INT(st.st_mode & 07777, 0600);
	text = tree_get(path);
	CHECK(strcmp(text, content[0]) == 0 || strcmp(text, content[1]) == 0);
}

static void
check_cleared_up(void)
{
	WORKS(put_content(root, 0, &e));
	WORKS(put_content(root, 1, &e));
	CHECK_STR(tree_get(tree("base/t/root/.env")), content[1]);
	CHECK_INT(tree_stat(tree("base/t/root/.env")).st_nlink, 1);
	CHECK_INT(tree_count(tree("base/t/root"), ".colibri-"), 0);
}

/* Child: write for ever, after saying that it has begun. */
static void
busy_writer(int said)
{
	int i;

	alarm(60);
	for (i = 0;; i++) {
		if (put_content(root, i % 2, NULL) != 0)
			_exit(1);
		if (i == 0 && write(said, "x", 1) != 1)
			_exit(1);
	}
}

TEST(killed_in_a_loop)
{
	int i, said[2], status, strays = 0;
	struct timespec ts = { 0 };
	char c;
	pid_t pid;

	set_up();
	for (i = 0; i < KILLS; i++) {
		CHECK_INT(pipe(said), 0);
		pid = fork();
		if (pid == 0)
			busy_writer(said[1]);
		close(said[1]);
		CHECK_INT(read(said[0], &c, 1), 1);
		close(said[0]);
		ts.tv_nsec = i * 29989L;	/* spread over 3 ms */
		nanosleep(&ts, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		CHECK(WIFSIGNALED(status));
		check_survivor(false);
		if (tree_count(tree("base/t/root"), ".colibri-") != 0)
			strays++;
		if (i % 10 == 9)
			check_cleared_up();
	}
	printf("# %d of %d kills left a temp file for the next write\n",
	    strays, KILLS);
	check_cleared_up();
	tear_down();
}

#ifdef __linux__

#define OTHER_ID	12345	/* only root can give files to it */

/* A temp file that has a byte has its owner and mode already. */
static void
check_temp_owner(uid_t uid)
{
	const char *dir = tree("base/t/root");
	struct dirent *ent;
	DIR *d = opendir(dir);
	struct stat st;

	while (d != NULL && (ent = readdir(d)) != NULL) {
		if (strncmp(ent->d_name, ".colibri-", 9) != 0)
			continue;
		st = tree_stat(tree("base/t/root/%s", ent->d_name));
		CHECK_INT(st.st_mode & 07777, 0600);
		CHECK(st.st_size == 0 || st.st_uid == uid);
	}
	if (d != NULL)
		closedir(d);
}

/* Run one write in a child and kill it at its k-th stop at a system call.
 * Returns 1 when it ended before that, -1 when tracing is not allowed. */
static int
kill_at_stop(int k, bool exclusive)
{
	struct fs_write_spec spec = spec600;
	int status;
	pid_t pid;

	spec.exclusive = exclusive;
	if (geteuid() == 0)
		spec.uid = OTHER_ID;
	pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(99);
		raise(SIGSTOP);
		_exit(fs_write(root, ".env", content[1], strlen(content[1]),
		    &spec, NULL, NULL) != 0);
	}
	waitpid(pid, &status, 0);
	while (WIFSTOPPED(status) && k-- > 0) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) != 0)
			break;
		waitpid(pid, &status, 0);
	}
	if (WIFEXITED(status)) {
		CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 99);
		return WEXITSTATUS(status) == 99 ? -1 : 1;
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return 0;
}

static void
kill_everywhere(const char *what, bool exclusive)
{
	int k, rc, old = 0, new = 0, strays = 0;

	for (k = 1; k < 1000; k++) {
		unlink(tree("base/t/root/.env"));
		if (!exclusive)
			WORKS(put_content(root, 0, &e));
		rc = kill_at_stop(k, exclusive);
		if (rc != 0)
			break;
		check_survivor(exclusive);
		check_temp_owner(geteuid() == 0 ? OTHER_ID : geteuid());
		if (strcmp(tree_get(tree("base/t/root/.env")),
		    content[1]) == 0)
			new++;
		else
			old++;
		if (tree_count(tree("base/t/root"), ".colibri-") != 0)
			strays++;
		check_cleared_up();
	}
	if (rc < 0) {
		printf("# tracing is not allowed here\n");
		return;
	}
	printf("# %s: killed at %d stops: old %d, new %d, temp files %d\n",
	    what, k - 1, old, new, strays);
	CHECK(old > 0 && new > 0 && strays > 0);
}

TEST(killed_at_every_system_call)
{
	set_up();
	kill_everywhere("replace", false);
	kill_everywhere("exclusive", true);
	tear_down();
}

#else

TEST(killed_at_every_system_call)
{
	printf("# needs Linux's ptrace\n");
}

#endif

CHECK_MAIN(make_contents(); RUN(killed_in_a_loop);
    RUN(killed_at_every_system_call))
