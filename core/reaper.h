/*
 * reaper.h - the one place that waits for children.
 *
 * One SIGCHLD handler per loop. Watched pids get their callback from the loop;
 * children nobody watches are left alone (an embedding program may own them),
 * so every child that colibri starts must be watched. Never blocks.
 */
#ifndef COLIBRI_REAPER_H
#define COLIBRI_REAPER_H

#include <sys/types.h>

#include "core.h"
#include "err.h"
#include "loop.h"

struct reaper;

/* status is that of waitpid(2). Called once; the watch is gone by then. When
 * somebody else took the status, the child counts as exited with 255. */
typedef void reaper_cb(pid_t pid, int status, void *arg);

struct reaper *reaper_new(struct loop *l, struct err *e);
void reaper_free(struct reaper *r);

/* The child may already be dead: then the callback comes on the next turn. */
void reaper_watch(struct reaper *r, pid_t pid, reaper_cb *cb, void *arg);

/* Forget the callback but still reap the child when it ends. */
void reaper_abandon(struct reaper *r, pid_t pid);

/* How many children are watched or still to be reaped. */
size_t reaper_count(const struct reaper *r);

#endif
