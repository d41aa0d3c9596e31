/*
 * spawn_priv.h - starting a process, shared by spawn.c (collects its output)
 * and agent.c (talks to a shim). Nobody else includes it.
 */
#ifndef COLIBRI_SPAWN_PRIV_H
#define COLIBRI_SPAWN_PRIV_H

#include "spawn.h"

#define SPAWN_MAX_FD	63	/* highest descriptor number given to a child */

/* All borrowed. Children's descriptor numbers are distinct, 0 to SPAWN_MAX_FD;
 * what is not listed is closed in the child. */
struct spawn_image {
	const char *path;		/* from spawn_resolve_program() */
	const char *const *argv, *const *envp;	/* envp NULL: empty */
	const char *cwd;		/* NULL: "/" */
	const struct spawn_fd *fds;
	size_t nfds;
};

/* Start it in a session of its own with all signals at their default. Code:
 * SpawnFailed, with the errno of exec. */
int spawn_image(const struct spawn_image *image, pid_t *pid, struct err *e);

/* Put the descriptor in non-blocking mode; returns 0 or -1 with errno. */
int spawn_nonblock(int fd);

#endif
