/*
 * spawn.h - run a program and collect what it says.
 *
 * The child gets: an absolute program (checked, no PATH search), exactly the
 * argv and environment given, descriptors 0-2 plus those listed and no others,
 * all signals at their default and unblocked, a session of its own (so that
 * its group can be killed), no controlling terminal, no core dumps. Started
 * with posix_spawn(3): no fork of a large parent, and exec's errno is reported.
 * stdout and stderr are drained by the loop with a cap each; the deadline ends
 * in TERM to the group, then KILL after `grace`.
 */
#ifndef COLIBRI_SPAWN_H
#define COLIBRI_SPAWN_H

#include <sys/types.h>

#include "core.h"
#include "err.h"
#include "loop.h"
#include "mem.h"
#include "reaper.h"
#include "secret.h"

struct spawn;

struct spawn_fd {
	int child;		/* descriptor number in the child, 3 to 63 */
	int parent;		/* descriptor here; borrowed */
};

struct spawn_spec {
	const char *const *argv;	/* argv[0] absolute; NULL-terminated */
	const char *const *envp;	/* NULL-terminated; NULL: empty */
	const char *cwd;		/* NULL: "/" */
	const void *input;		/* written to stdin, then closed; copied */
	size_t input_len;		/* input NULL: stdin is /dev/null */
	struct secret *input_secret;	/* instead of input; referenced */
	const struct spawn_fd *fds;
	size_t nfds;
	double timeout;			/* seconds; 0: no deadline */
	double grace;			/* TERM to KILL, seconds; 0: 2 */
	size_t max_stdout, max_stderr;	/* bytes kept; 0: 1 MiB, 64 KiB */
	bool kill_on_overflow;		/* more than the cap ends the child */
	bool secret_output;		/* stdout is kept in locked memory */
};

struct spawn_result {
	int exit_code;			/* -1 when ended by a signal */
	int signo;			/* 0 when it exited */
	bool timed_out, overflow;	/* overflow: a cap was reached */
	struct buf out;			/* stdout, unless secret_output */
	struct secret_buf secret_out;	/* stdout with secret_output */
	struct buf err;			/* stderr */
	double seconds;			/* wall clock */
};

/* Called once from the loop when the child is reaped and both pipes are at
 * their end (or 0.5 s after the reaping, should a grandchild hold them open:
 * the group is killed then). The callback may take the buffers out of the
 * result (and zero the struct's field); the rest is freed after it returns. */
typedef void spawn_done_cb(struct spawn *s, struct spawn_result *r, void *arg);

/*
 * Start a child. Borrows spec only for the call. Codes: ProgramNotFound,
 * ProgramNotTrusted (relative, not a regular executable, or it or a directory
 * above it is writable by others than root and the daemon's user), SpawnFailed.
 * On success *sp is owned by the caller until it calls spawn_free().
 */
int spawn_start(struct loop *l, struct reaper *r, const struct spawn_spec *spec,
    spawn_done_cb *cb, void *arg, struct spawn **sp, struct err *e);

pid_t spawn_pid(const struct spawn *s);

/* What the child has written to stderr up to now, all of it: what is still in
 * the pipe is read first. Valid until the loop's next turn. */
const struct buf *spawn_stderr(struct spawn *s);

/* Signal the whole process group; nothing once the child is reaped. */
void spawn_kill(struct spawn *s, int signo);

/* Idempotent end: no callback fires any more; a living child's group is killed
 * with KILL and reaped later. Frees s. NULL allowed, and so is the call from
 * the done callback. */
void spawn_free(struct spawn *s);

/* The trust check by itself (also for jail wrappers and agents' launchers). */
int spawn_check_program(const char *path, struct err *e);

/* The same; real (PATH_MAX bytes) is the path with links resolved. That is the
 * one to execute: what it names was checked, while a link on the way to it may
 * lie where others can change it. */
int spawn_resolve_program(const char *path, char *real, struct err *e);

/* Absolute path of a bare program name in the fixed list /usr/local/sbin,
 * /usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin; checked. A name with a
 * slash must be absolute and is only checked. */
int spawn_find_program(const char *name, char *path, size_t size,
    struct err *e);

#endif
