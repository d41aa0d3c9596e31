/*
 * shim_platform.c - own, find and signal descendants; see shim_platform.h.
 *
 * FreeBSD's kernel does it. On Linux the shim is a subreaper and looks for its
 * descendants in /proc: by the lists of children where the kernel keeps them,
 * else by the parents of all processes. Either may miss what forks meanwhile;
 * the shim therefore repeats KILL until wait says that nobody is left.
 */
#include <sys/types.h>

#ifdef __FreeBSD__

#include <sys/procctl.h>

#include <signal.h>
#include <unistd.h>

#include "shim_platform.h"

int
shim_own_descendants(void)
{
	return procctl(P_PID, getpid(), PROC_REAP_ACQUIRE, NULL);
}

void
shim_die_with_parent(void)
{
	int signo = SIGKILL;

	procctl(P_PID, getpid(), PROC_PDEATHSIG_CTL, &signo);
}

void
shim_signal_all(pid_t group, int signo)
{
	struct procctl_reaper_kill rk = { .rk_sig = signo };

	(void)group;
	procctl(P_PID, getpid(), PROC_REAP_KILL, &rk);
}

#else /* Linux */

#include <sys/prctl.h>

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "shim_platform.h"

#define PIDS_MAX	65536

struct pids {
	struct pid_pair {
		pid_t pid, parent;
	} *list;
	size_t n, cap;
};

int
shim_own_descendants(void)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

void
shim_die_with_parent(void)
{
	pid_t parent = getppid();

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* It may have died before the line above. */
	if (getppid() != parent)
		_exit(125);
}

static void
pids_add(struct pids *p, pid_t pid, pid_t parent)
{
	if (p->n == p->cap) {
		p->cap = p->cap != 0 ? p->cap * 2 : 64;
		p->list = xreallocarray(p->list, p->cap, sizeof(*p->list));
	}
	p->list[p->n].pid = pid;
	p->list[p->n++].parent = parent;
}

/* Bytes read from a small file of /proc, NUL-terminated; -1: no such file. */
static ssize_t
proc_read(const char *path, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while (len < size - 1 &&
	    (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	return (ssize_t)len;
}

/* Each thread has its own children. Returns -1 when the kernel keeps no lists
 * (or the process is gone). A list cut off at the buffer's end loses what the
 * next round finds. */
static int
pids_children(struct pids *p, pid_t parent)
{
	char path[96], text[16384], *at, *end;
	struct dirent *de;
	int found = -1;
	long pid;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%ld/task", (long)parent);
	d = opendir(path);
	if (d == NULL)
		return -1;
	while ((de = readdir(d)) != NULL) {
		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%ld/task/%.20s/children",
		    (long)parent, de->d_name);
		if (proc_read(path, text, sizeof(text)) < 0)
			continue;
		found = 0;
		for (at = text; (pid = strtol(at, &end, 10)) > 0 &&
		    *end == ' '; at = end)
			pids_add(p, (pid_t)pid, parent);
	}
	closedir(d);
	return found;
}

/* Without lists of children: who has which parent, for all processes. The
 * command's name in `stat` may hold anything, so look behind its last ')'. */
static void
pids_everybody(struct pids *p)
{
	char path[64], text[1024], *at;
	struct dirent *de;
	long parent;
	DIR *d = opendir("/proc");

	if (d == NULL)
		return;
	while ((de = readdir(d)) != NULL) {
		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/stat", de->d_name);
		if (proc_read(path, text, sizeof(text)) <= 0)
			continue;
		at = strrchr(text, ')');
		if (at != NULL && sscanf(at + 1, " %*c %ld", &parent) == 1)
			pids_add(p, (pid_t)strtol(de->d_name, NULL, 10),
			    (pid_t)parent);
	}
	closedir(d);
}

/* Append to `found` those of `all` whose parent is `parent`. */
static void
pids_select(struct pids *found, const struct pids *all, pid_t parent)
{
	size_t i;

	for (i = 0; i < all->n; i++) {
		if (all->list[i].parent == parent)
			pids_add(found, all->list[i].pid, parent);
	}
}

static void
pids_descendants(struct pids *found)
{
	struct pids all = { 0 };
	bool lists = pids_children(found, getpid()) == 0;
	size_t i;

	if (!lists) {
		pids_everybody(&all);
		pids_select(found, &all, getpid());
	}
	/* The tree changes while it is read: a limit ends what might not. */
	for (i = 0; i < found->n && found->n < PIDS_MAX; i++) {
		if (lists)
			pids_children(found, found->list[i].pid);
		else
			pids_select(found, &all, found->list[i].pid);
	}
	free(all.list);
}

void
shim_signal_all(pid_t group, int signo)
{
	struct pids found = { 0 };
	bool in_group = false;
	size_t i;

	pids_descendants(&found);
	for (i = 0; i < found.n; i++) {
		if (getpgid(found.list[i].pid) == group)
			in_group = true;
		else
			kill(found.list[i].pid, signo);
	}
	/* A group without a member may be somebody else's by now. */
	if (in_group)
		kill(-group, signo);
	free(found.list);
}

#endif
