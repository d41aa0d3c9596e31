/*
 * lua_agent_priv.h - between lua_agent.c (start, stop, wait), lua_agent_queue.c
 * (what the agents report) and lua_agent_found.c (agents of an earlier daemon).
 * Nobody else includes it.
 */
#ifndef COLIBRI_LUA_AGENT_PRIV_H
#define COLIBRI_LUA_AGENT_PRIV_H

#include <sys/queue.h>

#include <lua.h>

#include "agent.h"
#include "vm.h"

/* Per agent; the oldest events are dropped beyond these. */
#define LAGENT_EVENTS_MAX	1000
#define LAGENT_BYTES_MAX	(1024 * 1024)

struct lagent_wait;
struct lagent_report;
TAILQ_HEAD(lagent_reports, lagent_report);
LIST_HEAD(lagent_waits, lagent_wait);

/* All agents of a vm: VM_AGENTS. */
struct lagents {
	LIST_HEAD(lagent_list, lagent) list;
	struct lagent_reports queue;	/* not yet fetched, in order */
	TAILQ_HEAD(lagent_nexts, lagent_next) waiting;	/* for a report */
};

/* One agent. It lives while it runs, has a handle or unfetched reports. */
struct lagent {
	struct lagents *all;
	LIST_ENTRY(lagent) link;
	char *id;
	struct agent *agent;		/* NULL once it is over */
	bool handle;
	bool silent;			/* its start was cancelled */
	bool held, started;		/* held: and not released */
	bool ended, failed, lost;	/* at most one; then it is over */
	pid_t pid;
	int code, signo;		/* when ended */
	struct err err;			/* when failed or lost */
	struct lagent_waits waiting;
	struct lagent_reports events;	/* its own in all->queue, the events */
	size_t nreports, nevents, bytes;	/* of it in all->queue */
	int64_t dropped;		/* not yet told */
};

struct lagents *lagents_of(struct vm *vm);

/* Free it if nothing needs it any more. */
void lagent_check(struct lagent *a);

/* Queue a report: a line (an event), or the end when line is NULL. */
void lagent_report(struct lagent *a, const char *line, size_t len);
void lagent_drop_reports(struct lagents *all);

/* agent.next_event() */
int lagent_next_event(lua_State *L);

/* agent.find(), agent.stop_found(), agent.wait_found() */
int lagent_find(lua_State *L);
int lagent_stop_found(lua_State *L);
int lagent_wait_found(lua_State *L);

#endif
