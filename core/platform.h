/*
 * platform.h - process-wide switches that each system spells differently.
 */
#ifndef COLIBRI_PLATFORM_H
#define COLIBRI_PLATFORM_H

#include <sys/types.h>

#include "core.h"

/* Keep the process out of core dumps and away from debuggers of the same user
 * (PR_SET_DUMPABLE on Linux, PROC_TRACE_CTL on FreeBSD). Best effort. */
void platform_no_dump(void);

/* Absolute path of the running program. Returns 0, or -1. */
int platform_executable(char *path, size_t size);

/* Absolute path of the library (or program) that holds this code. Returns 0, or
 * -1. */
int platform_library(char *path, size_t size);

/* When a process started, in a unit of the system's own: with the pid it names
 * one process for good, as far as the machine is not restarted. 0: there is no
 * such process. */
uint64_t platform_start_time(pid_t pid);

/* Connect the socket fd to the Unix socket `name` in the directory dir, however
 * long its path is. Returns 0, or -1 with errno. */
int platform_connect_at(int fd, int dir, const char *name);

#endif
