/*
 * agent_sweep.c - what a killed shim has left behind; see agent.h.
 *
 * With its shim an agent's processes lose whoever knew them all. They are
 * looked for by what they cannot lose by accident: the session that the agent
 * led, and the agent's id in the environment they were started with.
 */
#include <sys/types.h>

#ifdef __FreeBSD__
#include <sys/param.h>
#include <sys/sysctl.h>
#include <sys/user.h>
#endif

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "log.h"
#include "platform.h"

#define ROUNDS	20	/* whoever forks meanwhile is found by the next */

struct sweep {
	const char *id;
	const struct agent_record *rec;
	bool session;		/* is the number of its session still its own? */
	char mark[192];		/* COLIBRI_AGENT_ID=<id> */
	int found;		/* of the round */
};

/* When this machine was started, in UNIX seconds. */
static int64_t
boot_time(void)
{
#ifdef CLOCK_BOOTTIME
	const clockid_t id = CLOCK_BOOTTIME;	/* goes on in a suspend */
#else
	const clockid_t id = CLOCK_MONOTONIC;
#endif
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(id, &up);
	return (int64_t)now.tv_sec - (int64_t)up.tv_sec;
}

/* A session keeps its number for as long as somebody is in it, with its first
 * process or without. Somebody else may have it when that one is another now, or
 * when all pids are: the machine (or container: its first process) was
 * restarted since. */
static bool
session_is_ours(const struct agent_record *rec)
{
	uint64_t first;

	if (rec->pid <= 1 || rec->pid_start == 0 ||
	    rec->started_at < boot_time() ||
	    rec->pid_start < platform_start_time(1))
		return false;
	first = platform_start_time(rec->pid);
	return first == 0 || first == rec->pid_start;
}

/* One process: its session and its environment (NUL-terminated words). */
static void
sweep_process(struct sweep *s, pid_t pid, pid_t session, uint64_t start,
    const char *env, size_t len)
{
	const char *at;
	size_t n = strlen(s->mark) + 1;
	bool mine = s->session && session == s->rec->pid &&
	    start >= s->rec->pid_start;

	for (at = env; !mine && len >= n; len--, at++)
		mine = (at == env || at[-1] == '\0') &&
		    memcmp(at, s->mark, n) == 0;
	if (mine && pid > 1 && pid != getpid() && kill(pid, SIGKILL) == 0)
		s->found++;
}

#ifdef __FreeBSD__

static void
sweep_round(struct sweep *s)
{
	int all[] = { CTL_KERN, KERN_PROC, KERN_PROC_PROC };
	int env[] = { CTL_KERN, KERN_PROC, KERN_PROC_ENV, 0 };
	static char text[256 * 1024];
	struct kinfo_proc *kp;
	size_t size = 0, len, i;

	if (sysctl(all, 3, NULL, &size, NULL, 0) != 0)
		return;
	size += size / 8;
	kp = xmalloc(size);
	if (sysctl(all, 3, kp, &size, NULL, 0) != 0)
		size = 0;
	for (i = 0; i < size / sizeof(*kp); i++) {
		if (kp[i].ki_stat == SZOMB)
			continue;
		env[3] = (int)kp[i].ki_pid;
		len = sizeof(text);
		if (sysctl(env, 4, text, &len, NULL, 0) != 0)
			len = 0;
		sweep_process(s, kp[i].ki_pid, kp[i].ki_sid,
		    (uint64_t)kp[i].ki_start.tv_sec * 1000000 +
		    (uint64_t)kp[i].ki_start.tv_usec, text, len);
	}
	free(kp);
}

#else

static size_t
read_file(const char *pid, const char *name, char *text, size_t size)
{
	char path[64];
	size_t len = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	while (len < size && (n = read(fd, text + len, size - len)) > 0)
		len += (size_t)n;
	close(fd);
	return len;
}

static void
sweep_round(struct sweep *s)
{
	static char env[256 * 1024];
	char stat[1024], *at, state;
	struct dirent *de;
	long session;
	size_t len;
	DIR *d = opendir("/proc");

	while (d != NULL && (de = readdir(d)) != NULL) {
		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		len = read_file(de->d_name, "stat", stat, sizeof(stat) - 1);
		stat[len] = '\0';
		at = strrchr(stat, ')');
		if (at == NULL || sscanf(at + 1, " %c %*d %*d %ld", &state,
		    &session) != 2 || state == 'Z' || state == 'X')
			continue;
		len = read_file(de->d_name, "environ", env, sizeof(env));
		sweep_process(s, (pid_t)strtol(de->d_name, NULL, 10),
		    (pid_t)session, platform_start_time((pid_t)strtol(
		    de->d_name, NULL, 10)), env, len);
	}
	if (d != NULL)
		closedir(d);
}

#endif

int
agent_sweep(const char *id, const struct agent_record *rec)
{
	struct sweep s = { .id = id, .rec = rec };
	int round, total = 0;

	snprintf(s.mark, sizeof(s.mark), "COLIBRI_AGENT_ID=%.150s", id);
	for (round = 0; round < ROUNDS; round++) {
		s.found = 0;
		s.session = session_is_ours(rec);
		sweep_round(&s);
		if (s.found == 0)
			break;
		total += s.found;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	if (total > 0)
		log_warn("agent", "agent %s: its shim was killed; %d signals to"
		    " what it left behind", id, total);
	return total;
}
