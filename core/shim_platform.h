/*
 * shim_platform.h - how each system lets a process own its descendants.
 */
#ifndef COLIBRI_SHIM_PLATFORM_H
#define COLIBRI_SHIM_PLATFORM_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

/* Become the parent of every orphan below this process. 0, or -1 with errno. */
int shim_own_descendants(void);

/* In a fresh child: be killed when the shim is. Best effort. */
void shim_die_with_parent(void);

/* Processes that were signalled, each counted once. */
#define SHIM_HITS_MAX	32		/* of which more than the number is kept */
struct shim_hit {
	pid_t pid;
	char name[20];			/* of harmless bytes; may be "" */
};
struct shim_hits {
	size_t n;
	struct shim_hit list[SHIM_HITS_MAX];
	size_t nrefused;		/* of the last round: not ours to signal */
	struct shim_hit refused[SHIM_HITS_MAX];
};

/* Count a process once; it may be one of hits->refused. */
void shim_hits_add(struct shim_hits *hits, const struct shim_hit *hit);
/* One that refused the signal. */
void shim_hits_refuse(struct shim_hits *hits, const struct shim_hit *hit);

/*
 * Send a signal once to each descendant; count them in hits (may be NULL).
 * `group` is the agent's process group, signalled as one so that no member is
 * missed by forking meanwhile. With `inner`, where a launcher has put the agent
 * into a pid namespace, only those in there: the launcher ends by itself when
 * they do, and would take them along at once if it was signalled.
 */
void shim_signal_all(pid_t group, int signo, bool inner,
    struct shim_hits *hits);

#endif
