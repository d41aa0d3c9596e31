/*
 * spawn_image.c - start a process, and nothing more; see spawn_priv.h.
 *
 * posix_spawn(3) does all of it where it can make a session (glibc). FreeBSD's
 * cannot, so there vfork(2) is called directly, as its posix_spawn does.
 *
 * A child's descriptors are first moved above every number a child may get:
 * then no dup2 in the child overwrites a source that is still needed, and none
 * has source and target equal (which would keep close-on-exec).
 */
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

#include "spawn_priv.h"

#if defined(POSIX_SPAWN_SETSID) && !defined(SPAWN_IMAGE_VFORK)
#define HAVE_SPAWN_SETSID
#endif

static char *const image_no_env[] = { NULL };

/* exec(3) and posix_spawn(3) take pointers to char but do not write. */
static char *const *
image_words(const char *const *words)
{
	return words != NULL ? (char *const *)(uintptr_t)words : image_no_env;
}

int
spawn_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* exec resets handlers but keeps what is ignored. */
static void
image_ignored(sigset_t *set)
{
	struct sigaction sa;
	int signo;

	sigemptyset(set);
	for (signo = 1; signo < NSIG; signo++) {
		if (sigaction(signo, NULL, &sa) == 0 &&
		    (sa.sa_flags & SA_SIGINFO) == 0 &&
		    sa.sa_handler == SIG_IGN)
			sigaddset(set, signo);
	}
}

#ifdef HAVE_SPAWN_SETSID

static int
image_attr(posix_spawnattr_t *attr)
{
	sigset_t ignored, none;
	int rc;

	image_ignored(&ignored);
	sigemptyset(&none);
	rc = posix_spawnattr_setsigdefault(attr, &ignored);
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(attr, &none);
	if (rc == 0)
		rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID |
		    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	return rc;
}

static int
image_actions(posix_spawn_file_actions_t *acts, const struct spawn_image *im,
    const int *source)
{
	bool used[SPAWN_MAX_FD + 1] = { false };
	int fd, max = -1, rc = 0;
	size_t i;

	for (i = 0; i < im->nfds && rc == 0; i++) {
		used[im->fds[i].child] = true;
		if (max < im->fds[i].child)
			max = im->fds[i].child;
		rc = posix_spawn_file_actions_adddup2(acts, source[i],
		    im->fds[i].child);
	}
	for (fd = 0; fd < max && rc == 0; fd++) {
		if (!used[fd])
			rc = posix_spawn_file_actions_addclose(acts, fd);
	}
#if !defined(__GLIBC__) || __GLIBC_PREREQ(2, 34)
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(acts, max + 1);
#endif
	if (rc == 0)
		rc = posix_spawn_file_actions_addchdir_np(acts,
		    im->cwd != NULL ? im->cwd : "/");
	return rc;
}

static int
image_start(const struct spawn_image *im, const int *source, pid_t *pid)
{
	posix_spawn_file_actions_t acts;
	posix_spawnattr_t attr;
	int rc;

	rc = posix_spawnattr_init(&attr);
	if (rc != 0)
		return rc;
	rc = posix_spawn_file_actions_init(&acts);
	if (rc == 0) {
		rc = image_attr(&attr);
		if (rc == 0)
			rc = image_actions(&acts, im, source);
		if (rc == 0)
			rc = posix_spawn(pid, im->path, &acts, &attr,
			    image_words(im->argv), image_words(im->envp));
		posix_spawn_file_actions_destroy(&acts);
	}
	posix_spawnattr_destroy(&attr);
	return rc;
}

#else /* no session from posix_spawn */

/* In the child, on the parent's memory: system calls and locals only. Handlers
 * are left to exec: to reset them here could change what the C library notes of
 * them for the parent. Nobody can signal the child yet, so none runs here. */
static int
image_child(const struct spawn_image *im, const int *source,
    const sigset_t *ignored)
{
	struct sigaction dfl;
	bool used[SPAWN_MAX_FD + 1];
	sigset_t none;
	int signo, fd, max = -1;
	size_t i;

	memset(&dfl, 0, sizeof(dfl));
	memset(used, 0, sizeof(used));
	dfl.sa_handler = SIG_DFL;
	for (signo = 1; signo < NSIG; signo++) {
		if (sigismember(ignored, signo) == 1)
			sigaction(signo, &dfl, NULL);
	}
	if (setsid() < 0)
		return errno;
	for (i = 0; i < im->nfds; i++) {
		used[im->fds[i].child] = true;
		if (max < im->fds[i].child)
			max = im->fds[i].child;
		if (dup2(source[i], im->fds[i].child) < 0)
			return errno;
	}
	for (fd = 0; fd < max; fd++) {
		if (!used[fd])
			close(fd);
	}
	closefrom(max + 1);
	if (chdir(im->cwd != NULL ? im->cwd : "/") != 0)
		return errno;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(im->path, image_words(im->argv), image_words(im->envp));
	return errno;
}

static int
image_start(const struct spawn_image *im, const int *source, pid_t *pid)
{
	volatile int failed = 0, rc = 0;	/* failed: written by the child */
	sigset_t all, old, ignored;
	pid_t child;

	image_ignored(&ignored);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	child = vfork();
	if (child == 0) {
		failed = image_child(im, source, &ignored);
		_exit(127);
	}
	if (child < 0)
		rc = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failed != 0) {
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
		rc = failed;
	}
	*pid = child;
	return rc;
}

#endif

int
spawn_image(const struct spawn_image *im, pid_t *pid, struct err *e)
{
	int source[SPAWN_MAX_FD + 1] = { 0 }, rc = 0;
	size_t i, n = 0;

	for (i = 0; i < im->nfds; i++) {
		if (i > SPAWN_MAX_FD || im->fds[i].child < 0 ||
		    im->fds[i].child > SPAWN_MAX_FD)
			rc = EBADF;
	}
	for (; n < im->nfds && rc == 0; n++) {
		source[n] = fcntl(im->fds[n].parent, F_DUPFD_CLOEXEC,
		    SPAWN_MAX_FD + 1);
		if (source[n] < 0) {
			rc = errno;
			break;
		}
	}
	if (rc == 0)
		rc = image_start(im, source, pid);
	while (n > 0)
		close(source[--n]);
	if (rc == 0)
		return 0;
	errno = rc;
	return err_sys(e, "SpawnFailed", "start '%s' in '%s'", im->argv[0],
	    im->cwd != NULL ? im->cwd : "/");
}
