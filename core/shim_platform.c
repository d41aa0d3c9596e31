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

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
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

/* Whom the signal will reach, for the count; and whom it will not. A pid whose
 * owner we are not refuses the signal 0 already. */
static void
hits_collect(struct shim_hits *hits)
{
	struct procctl_reaper_status rs;
	struct procctl_reaper_pidinfo *pi;
	struct procctl_reaper_pids rp;
	struct shim_hit hit = { .name = "" };
	size_t i;

	hits->nrefused = 0;
	if (procctl(P_PID, getpid(), PROC_REAP_STATUS, &rs) != 0)
		return;
	rp.rp_count = rs.rs_descendants + 8;
	rp.rp_pids = pi = calloc(rp.rp_count, sizeof(*pi));
	if (pi == NULL || procctl(P_PID, getpid(), PROC_REAP_GETPIDS, &rp) != 0)
		rp.rp_count = 0;
	for (i = 0; i < rp.rp_count && (pi[i].pi_flags &
	    REAPER_PIDINFO_VALID) != 0; i++) {
		hit.pid = pi[i].pi_pid;
		if (kill(hit.pid, 0) == 0)
			shim_hits_add(hits, &hit);
		else if (errno == EPERM)
			shim_hits_refuse(hits, &hit);
	}
	free(pi);
}

/* FreeBSD's launchers become the agent, or pass signals on. */
void
shim_signal_all(pid_t group, int signo, bool inner, struct shim_hits *hits)
{
	struct procctl_reaper_kill rk = { .rk_sig = signo };

	(void)group;
	(void)inner;
	if (hits != NULL)
		hits_collect(hits);
	procctl(P_PID, getpid(), PROC_REAP_KILL, &rk);
}

#else /* Linux */

#include <sys/prctl.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
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

/* What of a process the signals need. */
struct proc_facts {
	char name[20];		/* of harmless bytes */
	bool dead;		/* a zombie */
	int depth;		/* of pid namespaces, 1: the outermost we see */
	bool first;		/* pid 1 of the innermost */
};

static void
facts_namespaces(struct proc_facts *f, const char *status)
{
	const char *at = strstr(status, "\nNSpid:");
	char *end;
	long pid = 0, last = 0;

	for (at = at != NULL ? at + 7 : ""; (pid = strtol(at, &end, 10)) > 0;
	    at = end) {
		f->depth++;
		last = pid;
	}
	f->first = f->depth > 1 && last == 1;
}

static struct proc_facts
facts_of(pid_t pid)
{
	struct proc_facts f = { .dead = true };
	char path[64], text[4096];
	const char *at;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	if (proc_read(path, text, sizeof(text)) <= 0)
		return f;
	at = strncmp(text, "Name:\t", 6) == 0 ? text + 6 : "";
	for (i = 0; i < sizeof(f.name) - 1 && at[i] != '\0' && at[i] != '\n';
	    i++)
		f.name[i] = isalnum((unsigned char)at[i]) ||
		    strchr("._+-", at[i]) != NULL ? at[i] : '?';
	at = strstr(text, "\nState:\t");
	f.dead = at == NULL || at[8] == 'Z' || at[8] == 'X';
	facts_namespaces(&f, text);
	return f;
}

static void
hits_signal(struct shim_hits *hits, pid_t pid, const char *name, int signo)
{
	struct shim_hit hit = { .pid = pid };

	memcpy(hit.name, name, sizeof(hit.name));
	if (kill(pid, signo) == 0)
		shim_hits_add(hits, &hit);
	else if (errno == EPERM)
		shim_hits_refuse(hits, &hit);
}

/* The least depth that is to be signalled: that of the processes in a pid
 * namespace that are not its first, if there are any. */
static int
inner_depth(const struct proc_facts *facts, size_t n, int own)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!facts[i].dead && !facts[i].first && facts[i].depth > own)
			return own + 1;
	}
	return 0;
}

void
shim_signal_all(pid_t group, int signo, bool inner, struct shim_hits *hits)
{
	struct shim_hits nobody = { 0 };
	struct pids found = { 0 };
	struct proc_facts *facts;
	bool in_group = false;
	int depth = 0;
	size_t i;

	if (hits == NULL)
		hits = &nobody;
	hits->nrefused = 0;
	pids_descendants(&found);
	facts = xcalloc(found.n + 1, sizeof(*facts));
	for (i = 0; i < found.n; i++)
		facts[i] = facts_of(found.list[i].pid);
	if (inner)
		depth = inner_depth(facts, found.n, facts_of(getpid()).depth);
	for (i = 0; i < found.n; i++) {
		if (facts[i].dead || (depth > 0 &&
		    (facts[i].depth < depth || facts[i].first)))
			continue;
		if (depth == 0 && getpgid(found.list[i].pid) == group) {
			in_group = true;
			hits_signal(hits, found.list[i].pid, facts[i].name, 0);
		} else {
			hits_signal(hits, found.list[i].pid, facts[i].name,
			    signo);
		}
	}
	/* A group without a member may be somebody else's by now. */
	if (in_group)
		kill(-group, signo);
	free(facts);
	free(found.list);
}

#endif
