/*
 * platform.h - process-wide switches that each system spells differently.
 */
#ifndef COLIBRI_PLATFORM_H
#define COLIBRI_PLATFORM_H

#include "core.h"

/* Keep the process out of core dumps and away from debuggers of the same user
 * (PR_SET_DUMPABLE on Linux, PROC_TRACE_CTL on FreeBSD). Best effort. */
void platform_no_dump(void);

/* Absolute path of the running program. Returns 0, or -1. */
int platform_executable(char *path, size_t size);

#endif
