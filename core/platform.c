/*
 * platform.c - process-wide facts and switches; see platform.h.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifdef __FreeBSD__
#include <sys/procctl.h>
#include <sys/sysctl.h>
#include <sys/user.h>
#else
#include <sys/prctl.h>
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform.h"

int
platform_library(char *path, size_t size)
{
	static const char here;
	char full[PATH_MAX];
	Dl_info info;

	if (dladdr(&here, &info) == 0 || info.dli_fname == NULL ||
	    realpath(info.dli_fname, full) == NULL || strlen(full) >= size)
		return -1;
	strcpy(path, full);
	return 0;
}

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

uint64_t
platform_start_time(pid_t pid)
{
	int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_PID, (int)pid };
	struct kinfo_proc kp;
	size_t size = sizeof(kp);

	if (sysctl(mib, ARRAY_LEN(mib), &kp, &size, NULL, 0) != 0 ||
	    size < sizeof(kp))
		return 0;
	return (uint64_t)kp.ki_start.tv_sec * 1000000 +
	    (uint64_t)kp.ki_start.tv_usec;
}

int
platform_connect_at(int fd, int dir, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	strncpy(sun.sun_path, name, sizeof(sun.sun_path) - 1);
	return connectat(dir, fd, (struct sockaddr *)&sun, sizeof(sun));
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

/* Ticks since the machine's start: the 22nd field of `stat`. The command's name
 * may hold anything, so look behind its last ')'. */
uint64_t
platform_start_time(pid_t pid)
{
	unsigned long long start = 0;
	char path[64], text[1024], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')');
	if (at == NULL || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u"
	    " %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start) != 1)
		return 0;
	return start;
}

int
platform_connect_at(int fd, int dir, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/%.60s",
	    dir, name);
	return connect(fd, (struct sockaddr *)&sun, sizeof(sun));
}

#endif
