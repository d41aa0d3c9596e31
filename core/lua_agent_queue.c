/*
 * lua_agent_queue.c - one bounded queue of what all agents report.
 *
 * A report is handed to the op that waits for it; if that is cancelled before
 * it was pushed, the report goes back to the front. Ends are never dropped.
 */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_agent_priv.h"
#include "lx.h"
#include "mem.h"
#include "task.h"

enum report_type { REPORT_EVENT, REPORT_ENDED, REPORT_LOST };

struct lagent_report {
	struct lagent *agent;
	TAILQ_ENTRY(lagent_report) link;	/* all->queue */
	TAILQ_ENTRY(lagent_report) own;		/* agent->events */
	enum report_type type;
	size_t len;
	char line[];
};

struct lagent_next {
	struct op op;
	TAILQ_ENTRY(lagent_next) link;
	struct lagents *all;
	bool linked;
	struct lagent_report *report;
};

/* Take a report out of the queue. It still counts as the agent's. */
static void
report_take(struct lagent_report *r)
{
	struct lagent *a = r->agent;

	TAILQ_REMOVE(&a->all->queue, r, link);
	if (r->type == REPORT_EVENT) {
		TAILQ_REMOVE(&a->events, r, own);
		a->nevents--;
		a->bytes -= r->len;
	}
}

/* Put it in, at the front when it was taken before. */
static void
report_put(struct lagent_report *r, bool front)
{
	struct lagent *a = r->agent;

	if (front)
		TAILQ_INSERT_HEAD(&a->all->queue, r, link);
	else
		TAILQ_INSERT_TAIL(&a->all->queue, r, link);
	if (r->type != REPORT_EVENT)
		return;
	if (front)
		TAILQ_INSERT_HEAD(&a->events, r, own);
	else
		TAILQ_INSERT_TAIL(&a->events, r, own);
	a->nevents++;
	a->bytes += r->len;
}

static void
report_free(struct lagent_report *r)
{
	struct lagent *a = r->agent;

	a->nreports--;
	free(r);
	lagent_check(a);
}

/* Give what is queued to who waits. */
static void
queue_deliver(struct lagents *all)
{
	struct lagent_report *r;
	struct lagent_next *n;

	while ((n = TAILQ_FIRST(&all->waiting)) != NULL &&
	    (r = TAILQ_FIRST(&all->queue)) != NULL) {
		TAILQ_REMOVE(&all->waiting, n, link);
		n->linked = false;
		report_take(r);
		n->report = r;
		op_wake(&n->op);
	}
}

void
lagent_report(struct lagent *a, const char *line, size_t len)
{
	struct lagent_report *r, *oldest;

	while (line != NULL && (oldest = TAILQ_FIRST(&a->events)) != NULL &&
	    (a->nevents >= LAGENT_EVENTS_MAX ||
	    a->bytes + len > LAGENT_BYTES_MAX)) {
		report_take(oldest);
		a->dropped++;
		a->nreports--;
		free(oldest);
	}
	r = xmalloc(sizeof(*r) + len);
	r->agent = a;
	r->len = len;
	if (line != NULL) {
		r->type = REPORT_EVENT;
		memcpy(r->line, line, len);
	} else
		r->type = a->ended ? REPORT_ENDED : REPORT_LOST;
	a->nreports++;
	report_put(r, false);
	queue_deliver(a->all);
}

void
lagent_drop_reports(struct lagents *all)
{
	struct lagent_report *r;

	while ((r = TAILQ_FIRST(&all->queue)) != NULL) {
		report_take(r);
		r->agent->nreports--;
		free(r);
	}
}

static void
next_stop(struct op *base)
{
	struct lagent_next *n = (struct lagent_next *)base;

	if (n->linked)
		TAILQ_REMOVE(&n->all->waiting, n, link);
	n->linked = false;
	if (n->report != NULL) {
		report_put(n->report, true);
		n->report = NULL;
		queue_deliver(n->all);
	}
}

void
lagent_set_end(lua_State *L, const struct agent_end *end)
{
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {
		{ "code", end->code }, { "signal", end->signo },
		{ "ended_at", end->ended_at }, { "user_usec", end->user_usec },
		{ "sys_usec", end->sys_usec },
		{ "max_rss_kb", end->max_rss_kb },
		{ "signalled", end->signalled }, { "killed", end->killed },
		{ "log_lost", end->log_lost },
		{ "oom_killed", end->oom_killed },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(numbers); i++) {
		lua_pushinteger(L, (lua_Integer)numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
	lua_pushstring(L, end->victims);
	lua_setfield(L, -2, "victims");
}

/* { id=, type="event", line= } | { id=, type="ended", code=, signal=, ...
 * as handle:wait() } | { id=, type="lost" }; dropped= when events before it were. */
static int
next_push(lua_State *L, struct op *base)
{
	static const char *const types[] = { "event", "ended", "lost" };
	struct lagent_next *n = (struct lagent_next *)base;
	struct lagent_report *r = n->report;
	struct lagent *a = r->agent;

	lua_createtable(L, 0, 4);
	lua_pushstring(L, a->id);
	lua_setfield(L, -2, "id");
	lua_pushstring(L, types[r->type]);
	lua_setfield(L, -2, "type");
	if (r->type == REPORT_EVENT) {
		lua_pushlstring(L, r->line, r->len);
		lua_setfield(L, -2, "line");
	} else if (r->type == REPORT_ENDED) {
		lagent_set_end(L, &a->end);
	}
	if (a->dropped > 0) {
		lua_pushinteger(L, (lua_Integer)a->dropped);
		lua_setfield(L, -2, "dropped");
	}
	/* Nothing raises from here on. */
	a->dropped = 0;
	n->report = NULL;
	report_free(r);
	return 1;
}

/* agent.next_event() -> report. One queue for all agents. Waits. */
int
lagent_next_event(lua_State *L)
{
	struct lagents *all = lagents_of(vm_of(L));
	struct lagent_next *n;

	lx_checknargs(L, 0);
	n = op_new(L, sizeof(*n), next_push, next_stop);
	n->all = all;
	TAILQ_INSERT_TAIL(&all->waiting, n, link);
	n->linked = true;
	queue_deliver(all);
	return op_wait(L, &n->op);
}
