/*
 * vm.c - the Lua state: capped memory, chosen libraries, one protected call.
 *
 * vm_new() builds the state that library code and scripts share; vm_load.c
 * decides which text may become a function. vm_of() knows a state of ours by its
 * allocator, which another program's state (lua_stock.c) does not have.
 */
#include <stdlib.h>
#include <string.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "bound.h"
#include "log.h"
#include "lx.h"
#include "mem.h"
#include "pool.h"
#include "task.h"
#include "vm.h"
#include "vm_load.h"

#define GENERATIONS_BELOW ((size_t)4 * 1024 * 1024)	/* see vm_adapt_gc() */
#define STEPS_ABOVE	((size_t)8 * 1024 * 1024)
#define KILL_SLACK	(256 * 1024)	/* bytes */
#define BIG_STRING	(16 * 1024)	/* bytes; see task_big_string() */

struct vm {
	lua_State *L;
	struct loop *loop;
	struct reaper *reaper;
	const struct conf *conf;
	struct pool pool;
	bool by_generations;		/* see vm_adapt_gc() */
	size_t used, cap;
	int64_t allowance;		/* of the running task; INT64_MAX: none */
	bool refused;			/* the last growth was refused */
	char **paths;			/* further library directories */
	size_t npaths;
	struct {
		void *p;
		void (*destroy)(void *);
		int order;
	} slots[VM_SLOTS];
	int nfilled;
};

/* May the state grow by `more` bytes? Lua answers a refusal with a full
 * collection and a second try; the second refusal ends the running task. */
static bool
vm_may_grow(struct vm *vm, size_t more)
{
	if (more <= vm->cap && vm->used <= vm->cap - more &&
	    (vm->allowance == INT64_MAX || vm->allowance >= (int64_t)more)) {
		vm->refused = false;
		return true;
	}
	task_out_of_memory(vm, vm->refused);
	/* Until the kill takes effect, small requests are granted: each one
	 * refused would cost a full collection. */
	if (vm->refused && vm->allowance < KILL_SLACK)
		vm->allowance = KILL_SLACK;
	vm->refused = !vm->refused;
	return false;
}

/* lua_Alloc with a cap for the state and one for the running task. */
static void *
vm_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
	struct vm *vm = ud;
	size_t old = ptr != NULL ? osize : 0;
	void *p;

	if (nsize == 0) {
		pool_realloc(&vm->pool, ptr, old, 0);
		vm->used -= old;
		if (vm->allowance != INT64_MAX)
			vm->allowance += (int64_t)old;
		return NULL;
	}
	if (nsize > old && !vm_may_grow(vm, nsize - old))
		return NULL;
	/* ptr NULL: osize is the type of a new object. */
	if (nsize > BIG_STRING && ptr == NULL && osize == LUA_TSTRING)
		task_big_string(vm, nsize);
	p = pool_realloc(&vm->pool, ptr, old, nsize);
	if (p == NULL)
		return NULL;
	vm->used += nsize - old;
	if (vm->allowance != INT64_MAX)
		vm->allowance -= (int64_t)nsize - (int64_t)old;
	return p;
}

/* An error outside every protected call is a bug of ours, never a script's. */
static int
vm_panic(lua_State *L)
{
	const char *text = lua_tostring(L, -1);

	log_fatal("vm", "unprotected error: %s", text != NULL ? text : "?");
	return 0;
}

static void
vm_warn(void *ud, const char *msg, int tocont)
{
	(void)ud;
	(void)tocont;
	log_warn("vm", "%s", msg);
}

/* `load` for text only; the environment stays the caller's to give. */
static int
lvm_load(lua_State *L)
{
	const char *name = luaL_optstring(L, 2, "=(load)");
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);
	int env = 0;

	if (!lua_isnoneornil(L, 3))
		luaL_argcheck(L, strcmp(luaL_checkstring(L, 3), "t") == 0, 3,
		    "only text chunks are loaded");
	if (!lua_isnone(L, 4))
		env = 4;
	struct err e = ERR_INIT;
	if (vm_load(L, text, len, name, env, &e) != 0)
		return lx_fail(L, &e);
	return 1;
}

/* The chosen standard libraries, and string's metatable out of reach. */
static void
vm_open_libs(lua_State *L)
{
	static const luaL_Reg libs[] = {
		{ LUA_GNAME, luaopen_base },
		{ LUA_COLIBNAME, luaopen_coroutine },
		{ LUA_TABLIBNAME, luaopen_table },
		{ LUA_STRLIBNAME, luaopen_string },
		{ LUA_MATHLIBNAME, luaopen_math },
		{ LUA_UTF8LIBNAME, luaopen_utf8 },
	};
	static const char *const removed[] = { "dofile", "loadfile" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(libs); i++) {
		luaL_requiref(L, libs[i].name, libs[i].func, 1);
		lua_pop(L, 1);
	}
	for (i = 0; i < ARRAY_LEN(removed); i++) {
		lua_pushnil(L);
		lua_setglobal(L, removed[i]);
	}
	bound_open(L);
	lua_pushcfunction(L, lvm_load);
	lua_setglobal(L, "load");
	lua_getglobal(L, "string");
	lua_pushnil(L);
	lua_setfield(L, -2, "dump");
	lua_pop(L, 1);
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 2);
}

static int
vm_setup(lua_State *L)
{
	struct vm *vm = lua_touserdata(L, 1);

	vm_open_libs(L);
	vm_load_setup(L);
	task_setup(vm);
	return 0;
}

struct vm *
vm_new(struct loop *loop, struct reaper *reaper, const struct conf *conf,
    struct err *e)
{
	struct vm *vm = xcalloc(1, sizeof(*vm));

	vm->loop = loop;
	vm->reaper = reaper;
	vm->conf = conf;
	vm->cap = (size_t)conf->lua_memory;
	vm->allowance = INT64_MAX;
	vm->L = lua_newstate(vm_alloc, vm);
	if (vm->L == NULL) {
		pool_free(&vm->pool);
		free(vm);
		err_set(e, "OutOfMemory", "lua state: memory cap is too low");
		return NULL;
	}
	lua_atpanic(vm->L, vm_panic);
	lua_setwarnf(vm->L, vm_warn, vm);
	lua_pushcfunction(vm->L, vm_setup);
	lua_pushlightuserdata(vm->L, vm);
	if (vm_call(vm->L, 1, 0, e) != 0) {
		vm_free(vm);
		return NULL;
	}
	return vm;
}

void
vm_free(struct vm *vm)
{
	int i, order;
	size_t path;

	if (vm == NULL)
		return;
	task_stop_all(vm);
	lua_close(vm->L);
	for (order = vm->nfilled; order > 0; order--) {
		for (i = 0; i < VM_SLOTS; i++) {
			if (vm->slots[i].order == order &&
			    vm->slots[i].destroy != NULL)
				vm->slots[i].destroy(vm->slots[i].p);
		}
	}
	pool_free(&vm->pool);
	for (path = 0; path < vm->npaths; path++)
		free(vm->paths[path]);
	free(vm->paths);
	free(vm);
}

int
vm_add_path(struct vm *vm, const char *dir)
{
	if (dir[0] != '/')
		return -1;
	vm->paths = xreallocarray(vm->paths, vm->npaths + 1,
	    sizeof(*vm->paths));
	vm->paths[vm->npaths++] = xstrdup(dir);
	return 0;
}

const char *
vm_path(struct vm *vm, size_t i)
{
	return i < vm->npaths ? vm->paths[i] : NULL;
}

struct vm *
vm_of(lua_State *L)
{
	void *vm;

	return lua_getallocf(L, &vm) == vm_alloc ? vm : NULL;
}

lua_State *
vm_lua(struct vm *vm)
{
	return vm->L;
}

struct loop *
vm_loop(struct vm *vm)
{
	return vm->loop;
}

struct reaper *
vm_reaper(struct vm *vm)
{
	return vm->reaper;
}

const struct conf *
vm_conf(struct vm *vm)
{
	return vm->conf;
}

size_t
vm_memory(struct vm *vm)
{
	return vm->used;
}

void
vm_adapt_gc(struct vm *vm)
{
	if (!vm->by_generations && vm->used < GENERATIONS_BELOW) {
		vm->by_generations = true;
		lua_gc(vm->L, LUA_GCGEN, 0, 0);
	} else if (vm->by_generations && vm->used > STEPS_ABOVE) {
		vm->by_generations = false;
		lua_gc(vm->L, LUA_GCINC, 0, 0, 0);
	}
}

void
vm_set_allowance(struct vm *vm, int64_t bytes)
{
	vm->allowance = bytes;
}

int64_t
vm_allowance(struct vm *vm)
{
	return vm->allowance;
}

void *
vm_slot(struct vm *vm, enum vm_slot slot)
{
	return vm->slots[slot].p;
}

void
vm_set_slot(struct vm *vm, enum vm_slot slot, void *p, void (*destroy)(void *))
{
	if (vm->slots[slot].order == 0)
		vm->slots[slot].order = ++vm->nfilled;
	vm->slots[slot].p = p;
	vm->slots[slot].destroy = destroy;
}

/* --- the protected call --- */

/* Length of a leading "file:line: ", 0 when there is none. */
static size_t
vm_where_len(const char *s)
{
	const char *p = strchr(s, ':');

	for (; p != NULL; p = strchr(p + 1, ':')) {
		size_t digits = strspn(p + 1, "0123456789");

		if (digits > 0 && p[1 + digits] == ':' &&
		    p[2 + digits] == ' ')
			return (size_t)(p - s) + digits + 3;
	}
	return 0;
}

/* Push "file:line" of the innermost Lua function of L1 from level on; false
 * (and nothing) when there is none. */
static bool
vm_push_where(lua_State *L, lua_State *L1, int level)
{
	lua_Debug ar;

	for (; lua_getstack(L1, level, &ar); level++) {
		lua_getinfo(L1, "Sl", &ar);
		if (ar.currentline > 0) {
			lua_pushfstring(L, "%s:%d", ar.short_src,
			    ar.currentline);
			return true;
		}
	}
	return false;
}

/* The value on top becomes a table with code and message. */
static void
vm_objectify(lua_State *L)
{
	struct err e = ERR_INIT;
	const char *text;
	size_t skip;

	if (lua_istable(L, -1)) {
		lua_pushliteral(L, "code");
		lua_rawget(L, -2);
		lua_pushliteral(L, "message");
		lua_rawget(L, -3);
		skip = lua_isstring(L, -1) && lua_isstring(L, -2);
		lua_pop(L, 2);
		if (skip)
			return;
	}
	text = luaL_tolstring(L, -1, NULL);
	skip = vm_where_len(text);
	err_set(&e, strcmp(text + skip, "not enough memory") == 0 ?
	    "MemoryExceeded" : "ScriptError", "%s", text + skip);
	lx_push_err(L, &e);
	if (skip > 2) {
		lua_pushlstring(L, text, skip - 2);
		lua_setfield(L, -2, "where");
	}
	lua_replace(L, -3);
	lua_pop(L, 1);
}

void
vm_complete_err(lua_State *L, lua_State *L1, int level)
{
	vm_objectify(L);
	lua_pushliteral(L, "where");
	if (lua_rawget(L, -2) == LUA_TNIL && vm_push_where(L, L1, level))
		lua_setfield(L, -3, "where");
	lua_pop(L, 1);
	lua_pushliteral(L, "traceback");
	if (lua_rawget(L, -2) == LUA_TNIL) {
		luaL_traceback(L, L1, NULL, level);
		lua_setfield(L, -3, "traceback");
	}
	lua_pop(L, 1);
}

int
vm_traceback(lua_State *L)
{
	vm_complete_err(L, L, 1);
	return 1;
}

int
vm_call(lua_State *L, int nargs, int nresults, struct err *e)
{
	int handler = lua_gettop(L) - nargs, status;

	lua_pushcfunction(L, vm_traceback);
	lua_insert(L, handler);
	status = lua_pcall(L, nargs, nresults, handler);
	lua_remove(L, handler);
	if (status == LUA_OK)
		return 0;
	/* Out of memory reaches us as a plain string. */
	if (e != NULL)
		lx_to_err(L, -1, e);
	return -1;
}
