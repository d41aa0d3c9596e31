/*
 * platform.c - process-wide facts and switches; see platform.h.
 */
#include <sys/types.h>

#ifdef __FreeBSD__
#include <sys/procctl.h>
#include <sys/sysctl.h>
#else
#include <sys/prctl.h>
#endif
#include <unistd.h>

#include "platform.h"

#ifdef __FreeBSD__

void
platform_no_dump(void)
{
	int off = PROC_TRACE_CTL_DISABLE;

	procctl(P_PID, getpid(), PROC_TRACE_CTL, &off);
}

int
platform_executable(char *path, size_t size)
{
	int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, -1 };

	return sysctl(mib, ARRAY_LEN(mib), path, &size, NULL, 0) == 0 ? 0 : -1;
}

#else

void
platform_no_dump(void)
{
#ifndef __SANITIZE_ADDRESS__		/* its leak check needs ptrace */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

int
platform_executable(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);

	if (n < 0 || (size_t)n >= size - 1)
		return -1;
	path[n] = '\0';
	return 0;
}

#endif
