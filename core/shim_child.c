/*
 * shim_child.c - the agent's process; see shim_priv.h.
 *
 * fork, not posix_spawn: the shim is small, and a held child must wait in
 * between. The child says why it could not exec through a pipe that exec
 * closes.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim_priv.h"

#define FAILED	"SpawnFailed"
#define OUT_PIPE	(256 * 1024)

enum stage { STAGE_SETUP, STAGE_LIMIT, STAGE_CHDIR, STAGE_EXEC };

struct failure {		/* what goes through the pipe */
	enum stage stage;
	int sys;
	int limit;		/* which one */
};

/* The child's descriptors behind stderr: READY_FD is the agent's, the others
 * stay open until exec. */
enum { READY_FD = 3, EXEC_FD, GATE_FD, FDS };

/* --- in the child --- */

static void
child_signals(void)
{
	struct sigaction sa;
	sigset_t none;
	int signo;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	for (signo = 1; signo < NSIG; signo++)
		sigaction(signo, &sa, NULL);	/* KILL and STOP refuse */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
child_descriptors(int f[FDS])
{
	int i;

	/* Above what is overwritten. */
	for (i = 0; i < FDS; i++) {
		if (f[i] >= 0 && (f[i] = fcntl(f[i], F_DUPFD_CLOEXEC, FDS)) < 0)
			return -1;
	}
	for (i = 0; i < FDS; i++) {
		if (f[i] < 0)
			close(i);
		else if (dup2(f[i], i) < 0 ||
		    (i >= EXEC_FD && fcntl(i, F_SETFD, FD_CLOEXEC) != 0))
			return -1;
	}
	closefrom(FDS);
	return 0;
}

/* Wait for the gate's first byte. The daemon or the shim may go away instead. */
static void
child_hold(void)
{
	ssize_t n;
	char c;

	do {
		n = read(GATE_FD, &c, 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(125);
	close(GATE_FD);
}

static void ATTR_NORETURN
child_fail(int fd, enum stage stage, int limit)
{
	struct failure f = { .stage = stage, .sys = errno, .limit = limit };

	if (write(fd, &f, sizeof(f)) < 0)
		_exit(126);
	_exit(127);
}

static void ATTR_NORETURN
child_run(const struct shim_spec *spec, int f[FDS])
{
	bool held = f[GATE_FD] >= 0;
	int exec = f[EXEC_FD], limit;

	child_signals();
	shim_die_with_parent();
	if (setsid() < 0 || child_descriptors(f) != 0)
		child_fail(exec, STAGE_SETUP, 0);
	umask(022);
	if (chdir(spec->cwd) != 0)
		child_fail(EXEC_FD, STAGE_CHDIR, 0);
	if ((limit = shim_limits_apply(spec)) >= 0)
		child_fail(EXEC_FD, STAGE_LIMIT, limit);
	if (held)
		child_hold();
	execve(spec->exe, spec->argv, spec->envp);
	child_fail(EXEC_FD, STAGE_EXEC, 0);
}

/* --- in the shim --- */

/* All the descriptors of a start; -1 where there is none. */
struct plumbing {
	int in[2], out[2], err[2], ready[2], exec[2], gate[2];
};

static void
plumb_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int
plumb(struct plumbing *p, const struct shim_spec *spec)
{
	if (spec->input || spec->inside ? pipe2(p->in, O_CLOEXEC) != 0 :
	    (p->in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
		return -1;
	if (pipe2(p->out, O_CLOEXEC) != 0 || pipe2(p->err, O_CLOEXEC) != 0 ||
	    pipe2(p->exec, O_CLOEXEC) != 0 ||
	    (spec->ready && pipe2(p->ready, O_CLOEXEC) != 0) ||
	    (spec->gate && !spec->inside && pipe2(p->gate, O_CLOEXEC) != 0))
		return -1;
	if (p->in[1] >= 0)
		fcntl(p->in[1], F_SETFL, O_NONBLOCK);
	if (spec->ready)
		fcntl(p->ready[0], F_SETFL, O_NONBLOCK);
#ifdef F_SETPIPE_SZ		/* fewer turns for one that writes a lot */
	fcntl(p->out[1], F_SETPIPE_SZ, OUT_PIPE);
#endif
	fcntl(p->out[0], F_SETFL, O_NONBLOCK);
	fcntl(p->err[0], F_SETFL, O_NONBLOCK);
	fcntl(p->exec[0], F_SETFL, O_NONBLOCK);
	return 0;
}

int
shim_child_start(const struct shim_spec *spec, struct shim_child *c,
    struct err *e)
{
	struct plumbing p = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 },
	    { -1, -1 }, { -1, -1 } };
	int rc = 0;

	*c = (struct shim_child){ .pid = -1, .in = -1, .out = -1, .err = -1,
	    .ready = -1, .exec = -1, .gate = -1 };
	if (plumb(&p, spec) != 0)
		rc = err_sys(e, FAILED, "make pipes");
	if (rc == 0 && (c->pid = fork()) < 0)
		rc = err_sys(e, FAILED, "fork");
	if (rc == 0 && c->pid == 0)
		child_run(spec, (int[FDS]){ p.in[0], p.out[1], p.err[1],
		    p.ready[1], p.exec[1], p.gate[0] });
	plumb_close(&p.in[0]);
	plumb_close(&p.out[1]);
	plumb_close(&p.err[1]);
	plumb_close(&p.ready[1]);
	plumb_close(&p.exec[1]);
	plumb_close(&p.gate[0]);
	c->in = spec->inside ? -1 : p.in[1];
	c->out = p.out[0];
	c->err = p.err[0];
	c->ready = p.ready[0];
	c->exec = p.exec[0];
	c->gate = spec->inside ? p.in[1] : p.gate[1];
	return rc;
}

void
shim_child_release(const struct shim_spec *spec, struct shim_child *c)
{
	/* SIGPIPE is ignored; a child that died tells so by its status. */
	while (write(c->gate, SHIM_GO, strlen(SHIM_GO)) < 0 &&
	    errno == EINTR)
		;
	if (spec->inside && spec->input) {
		c->in = c->gate;
		c->gate = -1;
	}
	plumb_close(&c->gate);
}

int
shim_child_result(const struct shim_spec *spec, struct shim_child *c,
    struct err *e)
{
	struct failure f;
	ssize_t n = read(c->exec, &f, sizeof(f));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	plumb_close(&c->exec);
	if (n != (ssize_t)sizeof(f))
		return 0;
	errno = f.sys;
	if (f.stage == STAGE_SETUP)
		err_sys(e, FAILED, "prepare '%s'", spec->exe);
	else if (f.stage == STAGE_LIMIT)
		err_sys(e, FAILED, "set limit '%s'", f.limit >= 0 &&
		    (size_t)f.limit < spec->nlimits ? spec->limits[f.limit] :
		    "?");
	else if (f.stage == STAGE_CHDIR)
		err_sys(e, FAILED, "change to directory '%s'", spec->cwd);
	else
		err_sys(e, FAILED, "exec '%s'", spec->exe);
	return 1;
}
