/*
 * shim_platform.h - how each system lets a process own its descendants.
 */
#ifndef COLIBRI_SHIM_PLATFORM_H
#define COLIBRI_SHIM_PLATFORM_H

#include <sys/types.h>

/* Become the parent of every orphan below this process. 0, or -1 with errno. */
int shim_own_descendants(void);

/* In a fresh child: be killed when the shim is. Best effort. */
void shim_die_with_parent(void);

/* Send a signal once to each descendant. `group` is the agent's process group,
 * signalled as one so that no member is missed by forking meanwhile. */
void shim_signal_all(pid_t group, int signo);

#endif
