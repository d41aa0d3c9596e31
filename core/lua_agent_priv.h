/*
 * lua_agent_priv.h - between lua_agent.c (start, attach, stop), lua_agent_wait.c
 * (waiting for one agent), lua_agent_queue.c (what the agents report),
 * lua_agent_input.c (what they are sent), lua_agent_log.c (what they wrote) and
 * lua_agent_found.c (agents of an earlier daemon that have no link). Nobody else
 * includes it.
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
struct lagent_input;
LIST_HEAD(lagent_waits, lagent_wait);
LIST_HEAD(lagent_inputs, lagent_input);

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
	bool inside;			/* held inside its jail */
	bool ended, failed, lost;	/* at most one; then it is over */
	pid_t pid;
	struct agent_end end;		/* when ended */
	struct err err;			/* when failed or lost */
	struct lagent_waits waiting;
	struct lagent_inputs inputs;	/* not yet answered */
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

/* Set the fields of the table on top: code, signal and the rest of an end. */
void lagent_set_end(lua_State *L, const struct agent_end *end);

/* A handle of a new agent, on top of the stack. */
struct lagent *lagent_push_handle(lua_State *L, const char *id);

/* Has it failed, ended or been lost? */
bool lagent_over(const struct lagent *a);
/* It has changed: wake who waited for that. */
void lagent_wake(struct lagent *a);

/* An op for the agent of the handle at idx, on top of the stack; and the wait,
 * which ends the C function. */
enum lagent_wait_for { WAIT_START, WAIT_INSIDE, WAIT_GO, WAIT_END };
struct lagent_wait *lagent_wait_new(lua_State *L, int idx,
    enum lagent_wait_for what);
int lagent_wait_begin(lua_State *L, struct lagent_wait *w, struct lagent *a);

/* What its shim reports. */
agent_cb lagent_cb;

/* The agent of the handle at 1. */
struct lagent *lagent_check_handle(lua_State *L);

/* handle:send(text); the answer to it, and that none will come. */
int lagent_send(lua_State *L);
void lagent_answer(struct lagent *a, const struct agent_msg *msg);
void lagent_no_answer(struct lagent *a);

/* agent.read_log(), agent.log_range(), agent.log_tail() */
int lagent_read_log(lua_State *L);
int lagent_log_range(lua_State *L);
int lagent_log_tail(lua_State *L);

/* agent.next_event() */
int lagent_next_event(lua_State *L);

/* agent.attach(), agent.find(), agent.sweep(), agent.remove(),
 * agent.stop_found(), agent.wait_found() */
int lagent_attach(lua_State *L);
int lagent_find(lua_State *L);
int lagent_sweep(lua_State *L);
int lagent_remove(lua_State *L);
int lagent_stop_found(lua_State *L);
int lagent_wait_found(lua_State *L);

#endif
