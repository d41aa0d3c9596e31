/*
 * lua_agent.c - core.agent: agents and their ends.
 *
 * The thin Lua face of agent.c. What C knows of an agent (struct lagent)
 * belongs to the vm, not to the handle: an agent goes on, and its reports come,
 * when a script lets go of the handle. Only one that is held and then let go
 * of is ended, because nobody could release it any more.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_agent_priv.h"
#include "lua_open.h"
#include "lua_proc_priv.h"
#include "lx.h"
#include "mem.h"
#include "task.h"

#define AGENT_CLASS	"colibri.agent"
#define ARGS_MAX	16384

/* --- agents of a vm --- */

/* After the Lua state is closed. The agents live on without us. */
static void
lagents_destroy(void *arg)
{
	struct lagents *all = arg;
	struct lagent *a;

	lagent_drop_reports(all);
	while ((a = LIST_FIRST(&all->list)) != NULL) {
		agent_free(a->agent);
		a->agent = NULL;
		a->handle = false;
		lagent_check(a);
	}
	free(all);
}

struct lagents *
lagents_of(struct vm *vm)
{
	struct lagents *all = vm_slot(vm, VM_AGENTS);

	if (all == NULL) {
		all = xcalloc(1, sizeof(*all));
		LIST_INIT(&all->list);
		TAILQ_INIT(&all->queue);
		TAILQ_INIT(&all->waiting);
		vm_set_slot(vm, VM_AGENTS, all, lagents_destroy);
	}
	return all;
}

void
lagent_check(struct lagent *a)
{
	if (a->handle || a->agent != NULL || a->nreports > 0)
		return;
	LIST_REMOVE(a, link);
	free(a->id);
	free(a);
}

static struct lagent *
lagent_new(struct lagents *all, const char *id)
{
	struct lagent *a = xcalloc(1, sizeof(*a));

	a->all = all;
	a->id = xstrdup(id);
	LIST_INIT(&a->waiting);
	LIST_INIT(&a->inputs);
	TAILQ_INIT(&a->events);
	LIST_INSERT_HEAD(&all->list, a, link);
	return a;
}

void
lagent_cb(struct agent *agent, const struct agent_msg *msg, void *arg)
{
	struct lagent *a = arg;
	bool known = (a->held || a->started) && !a->silent;

	switch (msg->what) {
	case AGENT_HELD:
	case AGENT_STARTED:
		a->held = msg->what == AGENT_HELD;
		a->started = !a->held;
		a->pid = msg->pid;
		break;
	case AGENT_INSIDE_JAIL:
		a->inside = true;
		break;
	case AGENT_EVENT:
		if (!a->silent)
			lagent_report(a, msg->text, msg->len);
		return;
	case AGENT_DROPPED:
		a->dropped += msg->code;
		return;
	case AGENT_INPUT:
		lagent_answer(a, msg);
		return;
	case AGENT_FAILED:
		a->failed = true;
		err_set(&a->err, "ExecFailed", "%.*s", (int)msg->len,
		    msg->text);
		a->err.sys = msg->code;
		break;
	case AGENT_ENDED:
		a->ended = true;
		a->end = *msg->end;
		break;
	case AGENT_LOST:
		a->lost = true;
		err_set(&a->err, "AgentLost", "the shim of agent %s went away",
		    a->id);
		break;
	}
	if (lagent_over(a)) {
		agent_free(agent);
		a->agent = NULL;
		lagent_no_answer(a);
		if (known && !a->failed)
			lagent_report(a, NULL, 0);
	}
	lagent_wake(a);
	lagent_check(a);
}

/* --- handles --- */

struct handle {
	struct lagent *a;
};

struct lagent *
lagent_check_handle(lua_State *L)
{
	struct handle *h = luaL_checkudata(L, 1, AGENT_CLASS);

	luaL_argcheck(L, h->a != NULL, 1, "agent did not start");
	return h->a;
}

struct lagent *
lagent_push_handle(lua_State *L, const char *id)
{
	struct handle *h = lua_newuserdatauv(L, sizeof(*h), 0);

	h->a = NULL;
	luaL_setmetatable(L, AGENT_CLASS);
	h->a = lagent_new(lagents_of(vm_of(L)), id);
	h->a->handle = true;
	return h->a;
}

static int
lhandle_gc(lua_State *L)
{
	struct handle *h = luaL_checkudata(L, 1, AGENT_CLASS);
	struct lagent *a = h->a;

	h->a = NULL;
	if (a == NULL)
		return 0;
	a->handle = false;
	if (a->held && a->agent != NULL)
		agent_stop(a->agent, SIGKILL, 0);
	lagent_check(a);
	return 0;
}

/* handle:inside() -> true | nil, err(JailNotEntered, ExecFailed, AgentLost): one of
 * gate "jail" waits in there. Waits. */
static int
lhandle_inside(lua_State *L)
{
	struct lagent *a = lagent_check_handle(L);

	lx_checknargs(L, 1);
	return lagent_wait_begin(L, lagent_wait_new(L, 1, WAIT_INSIDE), a);
}

/* handle:go() -> pid | nil, err: let a held agent run. Waits for its exec. */
static int
lhandle_go(lua_State *L)
{
	struct lagent *a = lagent_check_handle(L);
	struct lagent_wait *w;

	lx_checknargs(L, 1);
	w = lagent_wait_new(L, 1, WAIT_GO);
	if (a->held && a->agent != NULL)
		agent_go(a->agent);
	return lagent_wait_begin(L, w, a);
}

/* handle:stop([signal [, grace]]) -> end | nil, err: signal to
 * all of it (TERM), KILL after the grace; nothing is left when it returns.
 * Waits. */
static int
lhandle_stop(lua_State *L)
{
	struct lagent *a = lagent_check_handle(L);
	int signo = lproc_optsignal(L, 2, SIGTERM);
	double grace = luaL_optnumber(L, 3, -1);
	struct lagent_wait *w;

	lx_checknargs(L, 3);
	luaL_argcheck(L, lua_isnoneornil(L, 3) || (grace >= 0 && grace <= 1e7),
	    3, "not a time in seconds");
	w = lagent_wait_new(L, 1, WAIT_END);
	if (a->agent != NULL)
		agent_stop(a->agent, signo, grace);
	return lagent_wait_begin(L, w, a);
}

/* handle:wait() -> { code=, signal=, ended_at=, user_usec=, sys_usec=,
 * max_rss_kb=, signalled=, killed=, victims=, log_lost= } | nil, err(ExecFailed,
 * AgentLost). Waits. */
static int
lhandle_wait(lua_State *L)
{
	struct lagent *a = lagent_check_handle(L);

	lx_checknargs(L, 1);
	return lagent_wait_begin(L, lagent_wait_new(L, 1, WAIT_END), a);
}

/* handle:signal(signal): to all of it, not as a stop */
static int
lhandle_signal(lua_State *L)
{
	struct lagent *a = lagent_check_handle(L);
	int signo = lproc_optsignal(L, 2, SIGTERM);

	lx_checknargs(L, 2);
	if (a->agent != NULL)
		agent_signal(a->agent, signo);
	return 0;
}

/* handle:pid() -> integer, of the agent's first process */
static int
lhandle_pid(lua_State *L)
{
	lua_pushinteger(L, lagent_check_handle(L)->pid);
	return 1;
}

/* handle:id() -> string */
static int
lhandle_id(lua_State *L)
{
	lua_pushstring(L, lagent_check_handle(L)->id);
	return 1;
}

/* --- start --- */

static const char *
check_field(lua_State *L, const char *name)
{
	const char *s = lx_field_str(L, 1, name, NULL);

	if (s == NULL)
		luaL_error(L, "field '%s' is missing", name);
	return s;
}

static enum agent_gate
check_gate(lua_State *L)
{
	static const char *const names[] = { "none", "exec", "jail", NULL };
	static const enum agent_gate gates[] = { AGENT_GATE_NONE,
	    AGENT_GATE_EXEC, AGENT_GATE_JAIL };
	int i;

	lua_getfield(L, 1, "gate");
	i = luaL_checkoption(L, -1, "none", names);
	lua_pop(L, 1);
	return gates[i];
}

/* What the table at 1 asks for. Leaves argv and environment on the stack. */
static struct lproc_env *
check_spec(lua_State *L, struct agent_spec *spec)
{
	static const char *const fields[] = { "id", "dir", "shim", "argv",
	    "env", "cwd", "gate", "grace", "stdin", "log_size", "log_keep",
	    "kill", "limits", "ready", NULL };
	struct lproc_env *env;

	luaL_checktype(L, 1, LUA_TTABLE);
	lx_checknargs(L, 1);
	lx_checkfields(L, 1, fields);
	*spec = (struct agent_spec){ .id = check_field(L, "id"),
	    .dir = check_field(L, "dir"), .shim = check_field(L, "shim") };
	if (lua_getfield(L, 1, "argv") != LUA_TTABLE)
		luaL_error(L, "field 'argv' must be a list of strings");
	spec->argv = lx_checkstrlist(L, -1, ARGS_MAX);
	if (spec->argv[0] == NULL)
		luaL_error(L, "field 'argv' names no program");
	env = lproc_checkenv(L, 1);
	spec->envp = lproc_envp(env);
	spec->cwd = lx_field_str(L, 1, "cwd", NULL);
	spec->gate = check_gate(L);
	spec->input = lx_field_bool(L, 1, "stdin", false);
	spec->grace = lproc_field_seconds(L, 1, "grace");
	spec->log_size = lx_field_int(L, 1, "log_size", 0);
	spec->log_keep = lx_field_int(L, 1, "log_keep", 0);
	spec->ready = lx_field_bool(L, 1, "ready", false);
	if (lua_getfield(L, 1, "kill") == LUA_TTABLE)
		spec->kill = lx_checkstrlist(L, -1, ARGS_MAX);
	if (lua_getfield(L, 1, "limits") == LUA_TTABLE)
		spec->limits = lx_checkstrlist(L, -1, ARGS_MAX);
	return env;
}

/* agent.start{ id=, dir=, shim=, argv=, env=, cwd=, gate=, grace=, stdin=,
 * log_size=, log_keep=, kill=, limits=, ready= } -> handle | nil, err. Waits
 * until it is held (gate: "exec", in front of that of argv, or "jail", by what
 * argv runs inside) or its exec has succeeded; a failed one is ExecFailed.
 * Cancelled meanwhile, it is killed. */
static int
lagent_start(lua_State *L)
{
	struct vm *vm = vm_of(L);
	struct agent_spec spec;
	struct err e = ERR_INIT;
	struct lagent_wait *w;
	struct lproc_env *env;
	struct lagent *a;
	int rc;

	env = check_spec(L, &spec);
	a = lagent_push_handle(L, spec.id);
	w = lagent_wait_new(L, -1, WAIT_START);
	if (vm_reaper(vm) == NULL)
		rc = err_set(&e, "SpawnFailed", "this host starts no programs");
	else
		rc = agent_start(vm_loop(vm), vm_reaper(vm), &spec, lagent_cb,
		    a, &a->agent, &e);
	lproc_env_drop(env);
	if (rc != 0) {
		a->failed = true;
		a->err = e;
	}
	return lagent_wait_begin(L, w, a);
}

int
luaopen_core_agent(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "inside", lhandle_inside },
		{ "go", lhandle_go },
		{ "stop", lhandle_stop },
		{ "signal", lhandle_signal },
		{ "send", lagent_send },
		{ "wait", lhandle_wait },
		{ "pid", lhandle_pid },
		{ "id", lhandle_id },
		{ NULL, NULL }
	};
	static const luaL_Reg meta[] = {
		{ "__gc", lhandle_gc },
		{ NULL, NULL }
	};
	static const luaL_Reg funcs[] = {
		{ "start", lagent_start },
		{ "attach", lagent_attach },
		{ "find", lagent_find },
		{ "sweep", lagent_sweep },
		{ "remove", lagent_remove },
		{ "read_log", lagent_read_log },
		{ "log_range", lagent_log_range },
		{ "log_tail", lagent_log_tail },
		{ "next_event", lagent_next_event },
		{ "stop_found", lagent_stop_found },
		{ "wait_found", lagent_wait_found },
		{ NULL, NULL }
	};

	lx_newclass(L, AGENT_CLASS, methods, meta);
	luaL_newlib(L, funcs);
	return 1;
}
