/*
 * lua_proc.c - core.proc: run programs and collect what they say.
 *
 * The thin Lua face of spawn.c. A process is a userdata that owns its child:
 * when it is closed or collected, the child's group is killed. proc.run() is a
 * process that lives as long as its wait.
 */
#include <sys/queue.h>

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua_open.h"
#include "lua_proc_priv.h"
#include "lx.h"
#include "spawn.h"
#include "task.h"
#include "vm.h"

#define PROCESS_CLASS	"colibri.process"
#define ARGS_MAX	16384

/* --- waiting for a process --- */

struct process;

struct wait_op {
	struct op op;
	LIST_ENTRY(wait_op) link;
	bool linked;
	bool owner;		/* proc.run(): the process ends with the wait */
	bool failed;		/* it did not start */
	struct err err;
	struct process *p;	/* kept alive by user value 1 */
};
LIST_HEAD(wait_list, wait_op);

struct process {
	struct spawn *spawn;	/* NULL before the start and after the end */
	bool done;		/* result is there */
	bool secret;
	struct spawn_result result;
	struct secret *secret_out;
	struct wait_list waiting;
};

static void
process_wake(struct process *p)
{
	struct wait_op *w;

	while ((w = LIST_FIRST(&p->waiting)) != NULL) {
		LIST_REMOVE(w, link);
		w->linked = false;
		op_wake(&w->op);
	}
}

static void
process_drop_result(struct process *p)
{
	buf_free(&p->result.out);
	buf_free(&p->result.err);
	secret_unref(p->secret_out);
	p->secret_out = NULL;
}

/* Idempotent end. */
static void
process_close(struct process *p)
{
	spawn_free(p->spawn);
	p->spawn = NULL;
	process_drop_result(p);
	process_wake(p);
}

static void
process_done_cb(struct spawn *s, struct spawn_result *r, void *arg)
{
	struct process *p = arg;

	p->result = *r;
	r->out = r->err = (struct buf){ 0 };
	if (p->secret)
		p->secret_out = secret_buf_take(&r->secret_out);
	p->done = true;
	p->spawn = NULL;
	spawn_free(s);
	process_wake(p);
}

static void
wait_stop(struct op *base)
{
	struct wait_op *w = (struct wait_op *)base;

	if (w->linked)
		LIST_REMOVE(w, link);
	w->linked = false;
	if (w->owner)
		process_close(w->p);
	w->owner = false;
}

static void
push_buf(lua_State *L, const struct buf *b)
{
	lua_pushlstring(L, b->len != 0 ? b->data : "", b->len);
}

/* Push the result as a table; the first time it is made, later the same. */
static void
process_push_result(lua_State *L, int idx, struct process *p)
{
	const struct spawn_result *r = &p->result;

	idx = lua_absindex(L, idx);
	if (lua_getiuservalue(L, idx, 1) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_createtable(L, 0, 7);
	lua_pushinteger(L, r->exit_code);
	lua_setfield(L, -2, "code");
	lua_pushinteger(L, r->signo);
	lua_setfield(L, -2, "signal");
	if (p->secret)
		lx_push_secret(L, secret_ref(p->secret_out));
	else
		push_buf(L, &r->out);
	lua_setfield(L, -2, "stdout");
	push_buf(L, &r->err);
	lua_setfield(L, -2, "stderr");
	lua_pushboolean(L, r->timed_out);
	lua_setfield(L, -2, "timed_out");
	lua_pushboolean(L, r->overflow);
	lua_setfield(L, -2, "overflow");
	lua_pushnumber(L, r->seconds);
	lua_setfield(L, -2, "seconds");
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, idx, 1);
	process_drop_result(p);
}

static int
wait_push(lua_State *L, struct op *base)
{
	struct wait_op *w = (struct wait_op *)base;

	if (!w->failed && !w->p->done)
		w->failed = err_set(&w->err, "Cancelled",
		    "the process was closed") != 0;
	if (w->failed)
		return lx_fail(L, &w->err);
	lua_getiuservalue(L, -1, 1);
	process_push_result(L, -1, w->p);
	return 1;
}

/* --- start --- */

/* A process that has not started, on top of the stack. */
static struct process *
process_new(lua_State *L)
{
	struct process *p = lua_newuserdatauv(L, sizeof(*p), 1);

	memset(p, 0, sizeof(*p));
	LIST_INIT(&p->waiting);
	luaL_setmetatable(L, PROCESS_CLASS);
	return p;
}

static void
check_input(lua_State *L, struct spawn_spec *spec)
{
	int type = lua_getfield(L, 1, "input");

	if (type == LUA_TSTRING)
		spec->input = lua_tolstring(L, -1, &spec->input_len);
	else if (type != LUA_TNIL &&
	    (spec->input_secret = lx_tosecret(L, -1)) == NULL)
		luaL_error(L, "field 'input' must be a string or a secret, "
		    "got %s", luaL_typename(L, -1));
	lua_pop(L, 1);
}

static size_t
check_size(lua_State *L, const char *name)
{
	lua_Integer n = lx_field_int(L, 1, name, 0);

	if (n < 0 || n > INT_MAX)
		luaL_error(L, "field '%s' is not a size in bytes", name);
	return (size_t)n;
}

/* What the table at 1 asks for. Leaves argv and environment on the stack. */
static struct lproc_env *
check_spec(lua_State *L, struct spawn_spec *spec, struct spawn_fd *fds,
    const char ***argv)
{
	static const char *const fields[] = { "env", "cwd", "input", "timeout",
	    "grace", "max_stdout", "max_stderr", "kill_on_overflow",
	    "secret_output", "fds", NULL };
	struct lproc_env *env;

	luaL_checktype(L, 1, LUA_TTABLE);
	lx_checknargs(L, 1);
	lx_checkfields(L, 1, fields);
	*spec = (struct spawn_spec){ .fds = fds };
	*argv = lx_checkstrlist(L, 1, ARGS_MAX);
	if ((*argv)[0] == NULL)
		luaL_error(L, "no program is given");
	spec->argv = *argv;
	env = lproc_checkenv(L, 1);
	spec->envp = lproc_envp(env);
	spec->cwd = lx_field_str(L, 1, "cwd", NULL);
	check_input(L, spec);
	spec->timeout = lproc_field_seconds(L, 1, "timeout");
	spec->grace = lproc_field_seconds(L, 1, "grace");
	spec->max_stdout = check_size(L, "max_stdout");
	spec->max_stderr = check_size(L, "max_stderr");
	spec->kill_on_overflow = lx_field_bool(L, 1, "kill_on_overflow", false);
	spec->secret_output = lx_field_bool(L, 1, "secret_output", false);
	spec->nfds = lproc_checkfds(L, 1, fds);
	return env;
}

/* Raises nothing. */
static int
process_start(struct vm *vm, struct process *p, const struct spawn_spec *spec,
    const char **argv, struct lproc_env *env, struct err *e)
{
	char path[PATH_MAX];
	int rc;

	p->secret = spec->secret_output;
	if (vm_reaper(vm) == NULL)
		rc = err_set(e, "SpawnFailed", "this host starts no programs");
	else
		rc = lproc_find(argv, path, e);
	if (rc == 0)
		rc = spawn_start(vm_loop(vm), vm_reaper(vm), spec,
		    process_done_cb, p, &p->spawn, e);
	lproc_env_drop(env);
	return rc;
}

/* A wait for the process at idx, on top of the stack. */
static struct wait_op *
process_wait(lua_State *L, int idx, struct process *p)
{
	struct wait_op *w;

	idx = lua_absindex(L, idx);
	w = op_new(L, sizeof(*w), wait_push, wait_stop);
	lua_pushvalue(L, idx);
	lua_setiuservalue(L, -2, 1);
	w->p = p;
	return w;
}

/* proc.run{ argv..., env=, cwd=, input=, timeout=, grace=, max_stdout=,
 * max_stderr=, kill_on_overflow=, secret_output=, fds= }
 * -> { code=, signal=, stdout=, stderr=, timed_out=, overflow=, seconds= }
 *  | nil, err. code is -1 after a death by signal, signal 0 after an exit.
 * Waits. */
static int
lproc_run(lua_State *L)
{
	struct spawn_fd fds[LPROC_FDS];
	struct spawn_spec spec;
	struct lproc_env *env;
	struct process *p;
	struct wait_op *w;
	const char **argv;

	env = check_spec(L, &spec, fds, &argv);
	p = process_new(L);
	w = process_wait(L, -1, p);
	w->owner = true;
	if (process_start(vm_of(L), p, &spec, argv, env, &w->err) != 0) {
		w->failed = true;
		op_wake(&w->op);
	} else {
		LIST_INSERT_HEAD(&p->waiting, w, link);
		w->linked = true;
	}
	return op_wait(L, &w->op);
}

/* proc.start{ as run } -> process | nil, err */
static int
lproc_start(lua_State *L)
{
	struct spawn_fd fds[LPROC_FDS];
	struct spawn_spec spec;
	struct lproc_env *env;
	struct err e = ERR_INIT;
	struct process *p;
	const char **argv;

	env = check_spec(L, &spec, fds, &argv);
	p = process_new(L);
	if (process_start(vm_of(L), p, &spec, argv, env, &e) != 0)
		return lx_fail(L, &e);
	return 1;
}

/* process:wait() -> result as of run | nil, err(Cancelled: it was closed).
 * May be called again. Waits. */
static int
lprocess_wait(lua_State *L)
{
	struct process *p = luaL_checkudata(L, 1, PROCESS_CLASS);
	struct wait_op *w;

	lx_checknargs(L, 1);
	if (p->done) {
		process_push_result(L, 1, p);
		return 1;
	}
	w = process_wait(L, 1, p);
	if (p->spawn == NULL) {
		op_wake(&w->op);
	} else {
		LIST_INSERT_HEAD(&p->waiting, w, link);
		w->linked = true;
	}
	return op_wait(L, &w->op);
}

/* process:kill([signal]) -> whether it was still there. TERM unless told. */
static int
lprocess_kill(lua_State *L)
{
	struct process *p = luaL_checkudata(L, 1, PROCESS_CLASS);
	int signo = lproc_optsignal(L, 2, SIGTERM);

	lx_checknargs(L, 2);
	if (p->spawn != NULL)
		spawn_kill(p->spawn, signo);
	lua_pushboolean(L, p->spawn != NULL);
	return 1;
}

/* process:pid() -> integer | nil once it ended */
static int
lprocess_pid(lua_State *L)
{
	struct process *p = luaL_checkudata(L, 1, PROCESS_CLASS);

	lx_checknargs(L, 1);
	if (p->spawn == NULL)
		lua_pushnil(L);
	else
		lua_pushinteger(L, spawn_pid(p->spawn));
	return 1;
}

/* process:stderr() -> string: what it has written there so far */
static int
lprocess_stderr(lua_State *L)
{
	struct process *p = luaL_checkudata(L, 1, PROCESS_CLASS);

	lx_checknargs(L, 1);
	if (p->spawn != NULL) {
		push_buf(L, spawn_stderr(p->spawn));
	} else if (p->done) {
		process_push_result(L, 1, p);
		lua_getfield(L, -1, "stderr");
	} else {
		lua_pushliteral(L, "");
	}
	return 1;
}

/* process:done() -> whether wait() would return at once */
static int
lprocess_done(lua_State *L)
{
	struct process *p = luaL_checkudata(L, 1, PROCESS_CLASS);

	lx_checknargs(L, 1);
	lua_pushboolean(L, p->spawn == NULL);
	return 1;
}

/* process:close(): kill the group, unless it ended. Idempotent. */
static int
lprocess_close(lua_State *L)
{
	struct process *p = luaL_checkudata(L, 1, PROCESS_CLASS);

	if (p->spawn != NULL)
		process_close(p);
	return 0;
}

/* As a method; the other is __close and __gc too, which get more. */
static int
lprocess_close_method(lua_State *L)
{
	lx_checknargs(L, 1);
	return lprocess_close(L);
}

static int
lprocess_gc(lua_State *L)
{
	process_close(luaL_checkudata(L, 1, PROCESS_CLASS));
	return 0;
}

/* proc.find(name) -> absolute path | nil, err */
static int
lproc_find_program(lua_State *L)
{
	const char *name = lx_checkstr(L, 1);
	struct err e = ERR_INIT;
	char path[PATH_MAX];

	lx_checknargs(L, 1);
	if (spawn_find_program(name, path, sizeof(path), &e) != 0)
		return lx_fail(L, &e);
	lua_pushstring(L, path);
	return 1;
}

/* proc.environ(name) -> string | nil. For colibri-run and the CLI; the daemon
 * passes what it needs by conf. */
static int
lproc_environ(lua_State *L)
{
	const char *name = lx_checkstr(L, 1);

	lx_checknargs(L, 1);
	lua_pushstring(L, getenv(name));
	return 1;
}

int
luaopen_core_proc(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "wait", lprocess_wait },
		{ "kill", lprocess_kill },
		{ "pid", lprocess_pid },
		{ "stderr", lprocess_stderr },
		{ "done", lprocess_done },
		{ "close", lprocess_close_method },
		{ NULL, NULL }
	};
	static const luaL_Reg meta[] = {
		{ "__gc", lprocess_gc },
		{ "__close", lprocess_close },
		{ NULL, NULL }
	};
	static const luaL_Reg funcs[] = {
		{ "run", lproc_run },
		{ "start", lproc_start },
		{ "find", lproc_find_program },
		{ "environ", lproc_environ },
		{ "fd_of", lproc_fd_of },
		{ NULL, NULL }
	};

	lx_newclass(L, PROCESS_CLASS, methods, meta);
	lproc_fd_setup(L);
	luaL_newlib(L, funcs);
	return 1;
}
