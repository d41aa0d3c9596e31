/*
 * task_co.c - the coroutine library of scripts, transparent to waits.
 *
 * A generator may wait: its wait yields the sentinel, which resume/wrap pass
 * outward instead of handing it to the script, until the task itself yields.
 * When the op is done the chain is resumed from the outside in. A `<close>`
 * guard on each frame of the chain (the coroutine itself; threads have a
 * __close here) closes the inner coroutine when the outer one is cancelled, so
 * its `<close>` variables run too.
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "task_priv.h"

#define TRACEBACK_MAX	16384	/* bytes; then nothing is added any more */

bool
task_co_waits(lua_State *co)
{
	return lua_status(co) == LUA_YIELD && lua_gettop(co) > 0 &&
	    lua_type(co, -1) == LUA_TLIGHTUSERDATA &&
	    lua_touserdata(co, -1) == TASK_SENTINEL;
}

/* Was co paused by the hook (not by a wait, not by the script)? */
static bool
co_is_paused(struct task *t, lua_State *co)
{
	return t != NULL && t->paused && t->inner == co;
}

/* __close of a thread: only acts while a wait or a pause passes through. */
static int
co_guard(lua_State *L)
{
	lua_State *co = lua_tothread(L, 1);
	struct task *t = task_running(vm_of(L));

	if (co != NULL && (task_co_waits(co) || co_is_paused(t, co)))
		lua_resetthread(co);
	return 0;
}

static lua_State *
co_check(lua_State *L, int idx)
{
	lua_State *co = lua_tothread(L, idx);

	luaL_argexpected(L, co != NULL, idx, "coroutine");
	return co;
}

/* Append the stack of L1, from level on, to the traceback of the error object on
 * top of L. */
static void
add_traceback(lua_State *L, lua_State *L1, int level)
{
	const char *text;

	/* Somebody may throw one object again and again. */
	if (lua_getfield(L, -1, "traceback") != LUA_TSTRING ||
	    lua_rawlen(L, -1) > TRACEBACK_MAX) {
		lua_pop(L, 1);
		return;
	}
	luaL_traceback(L, L1, NULL, level);
	text = strchr(lua_tostring(L, -1), '\n');
	lua_pushfstring(L, "%s\n\t-- resumed by%s", lua_tostring(L, -2),
	    text != NULL ? text : "");
	lua_setfield(L, -4, "traceback");
	lua_pop(L, 2);
}

/* --- coroutine.resume and wrap --- */

/* Turn an inner failure into what resume or wrap give their caller. */
static int
co_failed(lua_State *L, lua_State *co, bool wrap)
{
	struct task *t = task_running(vm_of(L));

	if (!lua_checkstack(co, 8) || !lua_checkstack(L, 8))
		return luaL_error(L, "stack overflow");
	if (wrap || (t != NULL && t->kill != NULL)) {
		if (lua_type(co, -1) == LUA_TSTRING ||
		    lua_type(co, -1) == LUA_TTABLE) {
			lua_xmove(co, L, 1);
			vm_complete_err(L, co, 0);
			add_traceback(L, L, 0);
		} else {
			lua_xmove(co, L, 1);
		}
		lua_resetthread(co);
		return lua_error(L);
	}
	lua_pushboolean(L, 0);
	lua_xmove(co, L, 1);
	return 2;
}

/* Whether the coroutine is stack index 1 (resume) or an upvalue copied there
 * (wrap) is told by ctx. */
static int
co_run(lua_State *L, lua_State *co, int nargs, bool wrap);

static int
co_continue(lua_State *L, int status, lua_KContext ctx)
{
	lua_State *co = lua_tothread(L, 1);
	struct task *t = task_running(vm_of(L));

	(void)status;
	lua_settop(L, 1);
	if (task_co_waits(co)) {
		lua_pop(co, 1);
	} else if (co_is_paused(t, co)) {
		t->inner = NULL;
		t->paused = false;
	}
	return co_run(L, co, 0, ctx != 0);
}

static int
co_run(lua_State *L, lua_State *co, int nargs, bool wrap)
{
	struct task *t = task_running(vm_of(L));
	bool outer_waits = t == NULL || lua_isyieldable(L);
	int nres = 0, status;

	if (lua_gethook(co) == NULL && lua_gethook(L) != NULL && t != NULL)
		task_set_hook(t, co);
	if (!outer_waits)
		t->nowait_calls++;
	task_all(vm_of(L))->current = co;
	status = lua_resume(co, L, nargs, &nres);
	task_all(vm_of(L))->current = L;
	if (!outer_waits)
		t->nowait_calls--;
	if (status == LUA_YIELD && (task_co_waits(co) ||
	    co_is_paused(t, co))) {
		lua_pushlightuserdata(L, TASK_SENTINEL);
		return lua_yieldk(L, 1, wrap, co_continue);
	}
	if (status != LUA_OK && status != LUA_YIELD)
		return co_failed(L, co, wrap);
	if (!lua_checkstack(L, nres + 1)) {
		lua_pop(co, nres);
		return luaL_error(L, "too many results to resume");
	}
	if (!wrap)
		lua_pushboolean(L, 1);
	lua_xmove(co, L, nres);
	return nres + (wrap ? 0 : 1);
}

/* Check co and move the arguments above index 1 to it. Returns how many, or
 * -1 with a message on L. */
static int
co_enter(lua_State *L, lua_State *co)
{
	int nargs = lua_gettop(L) - 1;

	if (co == L || task_co_waits(co) ||
	    co_is_paused(task_running(vm_of(L)), co)) {
		lua_pushliteral(L, "cannot resume a coroutine that waits");
		return -1;
	}
	if (lua_status(co) == LUA_OK && lua_gettop(co) == 0) {
		lua_pushliteral(L, "cannot resume dead coroutine");
		return -1;
	}
	if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD) {
		lua_pushliteral(L, "cannot resume dead coroutine");
		return -1;
	}
	if (!lua_checkstack(co, nargs)) {
		lua_pushliteral(L, "too many arguments to resume");
		return -1;
	}
	lua_xmove(L, co, nargs);
	lua_toclose(L, 1);
	return nargs;
}

/* coroutine.resume(co, ...) */
static int
lco_resume(lua_State *L)
{
	lua_State *co = co_check(L, 1);
	int nargs = co_enter(L, co);

	if (nargs < 0) {
		lua_pushboolean(L, 0);
		lua_insert(L, -2);
		return 2;
	}
	return co_run(L, co, nargs, false);
}

static int
co_wrapped(lua_State *L)
{
	lua_State *co = lua_tothread(L, lua_upvalueindex(1));
	int nargs;

	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	nargs = co_enter(L, co);
	if (nargs < 0)
		return luaL_error(L, "%s", lua_tostring(L, -1));
	return co_run(L, co, nargs, true);
}

/* coroutine.wrap(fn) */
static int
lco_wrap(lua_State *L)
{
	lua_State *co;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	co = lua_newthread(L);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	lua_pushcclosure(L, co_wrapped, 1);
	return 1;
}

/* The coroutine that L, which is suspended, has resumed; or NULL. */
static lua_State *
co_inside(lua_State *L)
{
	lua_State *co = NULL;
	lua_Debug ar;

	if (lua_getstack(L, 0, &ar) && lua_checkstack(L, 2) &&
	    lua_getinfo(L, "f", &ar)) {
		bool resumes = lua_tocfunction(L, -1) == co_wrapped ||
		    lua_tocfunction(L, -1) == lco_resume;

		lua_pop(L, 1);
		if (resumes && lua_getlocal(L, &ar, 1) != NULL) {
			co = lua_tothread(L, -1);
			lua_pop(L, 1);
		}
	}
	return co;
}

void
task_co_traceback(lua_State *L, lua_State *outer, lua_State *co)
{
	lua_State *L1, *inside;

	/* From the inside out; a chain is short, and this is an error's path. */
	while (co != outer) {
		for (L1 = outer; (inside = co_inside(L1)) != NULL &&
		    inside != co; L1 = inside)
			continue;
		if (inside == NULL)
			L1 = outer;
		add_traceback(L, L1, 0);
		co = L1;
	}
}

/* coroutine.yield(...): not from the task's own coroutine, where nobody would
 * resume it. */
static int
lco_yield(lua_State *L)
{
	struct task *t = task_running(vm_of(L));

	if (t != NULL && L == t->co)
		return luaL_error(L, "attempt to yield from outside a "
		    "coroutine");
	return lua_yield(L, lua_gettop(L));
}

/* coroutine.close(co) */
static int
lco_close(lua_State *L)
{
	lua_State *co = co_check(L, 1);
	lua_Debug ar;

	if (co == L || task_co_waits(co) ||
	    co_is_paused(task_running(vm_of(L)), co) ||
	    (lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar)))
		return luaL_error(L, "cannot close a coroutine that runs or "
		    "waits");
	if (lua_resetthread(co) == LUA_OK) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushboolean(L, 0);
	lua_xmove(co, L, 1);
	return 2;
}

/* --- xpcall --- */

/* The handler of a script's xpcall. Lua calls it before it unwinds, inside the
 * hook that killed the task, where no hook can run: not then. */
static int
xpcall_handler(lua_State *L)
{
	struct task *t = task_running(vm_of(L));

	if (t != NULL && t->kill != NULL)
		return 1;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

static int
xpcall_finish(lua_State *L, int status, lua_KContext extra)
{
	if (status != LUA_OK && status != LUA_YIELD) {
		lua_pushboolean(L, 0);
		lua_pushvalue(L, -2);
		return 2;
	}
	return lua_gettop(L) - (int)extra;
}

/* xpcall(fn, handler, ...), as lbaselib.c does it with its own handler. */
static int
lco_xpcall(lua_State *L)
{
	int n = lua_gettop(L);

	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, xpcall_handler, 1);
	lua_replace(L, 2);
	lua_pushboolean(L, 1);		/* first result */
	lua_pushvalue(L, 1);
	lua_rotate(L, 3, 2);		/* below fn's arguments */
	return xpcall_finish(L, lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2,
	    xpcall_finish), 2);
}

void
task_co_setup(lua_State *L)
{
	static const luaL_Reg patched[] = {
		{ "resume", lco_resume },
		{ "wrap", lco_wrap },
		{ "yield", lco_yield },
		{ "close", lco_close },
		{ NULL, NULL }
	};

	lua_getglobal(L, LUA_COLIBNAME);
	luaL_setfuncs(L, patched, 0);
	lua_pop(L, 1);
	lua_pushcfunction(L, lco_xpcall);
	lua_setglobal(L, "xpcall");
	/* All threads share one metatable: the close guard. */
	lua_pushthread(L);
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, co_guard);
	lua_setfield(L, -2, "__close");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}
