/*
 * cgroup.h - the end of an agent's cgroup (v2): directories of a file system
 * that is not there on FreeBSD, where all of this does nothing.
 */
#ifndef COLIBRI_CGROUP_H
#define COLIBRI_CGROUP_H

#include <stdint.h>

/* Processes that were killed in it because memory.max was reached; 0 where that
 * is not counted. */
int64_t cgroup_oom_kills(const char *dir);

/* KILL every process in it and below; the kernel does it (Linux 5.14). */
void cgroup_kill(const char *dir);

/* Remove it with what is below: launchers (nspawn) and agents make some. Waits,
 * a fifth of a second at most, for those that have ended to be gone from it.
 * Whoever lives keeps it. */
void cgroup_remove(const char *dir);

#endif
