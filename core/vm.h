/*
 * vm.h - the Lua state: capped memory, chosen libraries, one protected call.
 *
 * A vm is one lua_State on one loop. Trusted library code (lua/colibri) and
 * site scripts share it; what a script can reach is decided by its environment
 * (overlay.h), how much it may use by its task (task.h).
 */
#ifndef COLIBRI_VM_H
#define COLIBRI_VM_H

#include <lua.h>

#include "core.h"
#include "conf.h"
#include "err.h"
#include "loop.h"
#include "reaper.h"

struct vm;

/* Borrows loop, reaper and conf for the vm's life. reaper may be NULL for
 * hosts that start no programs. Libraries: base (without dofile and loadfile,
 * and with a `load` that takes text chunks only), coroutine (wait-transparent,
 * see task.c), table, string, math, utf8, and a `require` that finds the C
 * bindings (core.*) and lua/<name>.lua below conf->share_dir, nothing else.
 * io, os, debug and package are absent. */
struct vm *vm_new(struct loop *loop, struct reaper *reaper,
    const struct conf *conf, struct err *e);
void vm_free(struct vm *vm);

/* A further directory in which require finds <name>.lua, after the shipped
 * library. Returns 0, or -1 when it is not absolute. */
int vm_add_path(struct vm *vm, const char *dir);
/* The i-th such directory, NULL past the last. */
const char *vm_path(struct vm *vm, size_t i);

lua_State *vm_lua(struct vm *vm);
struct loop *vm_loop(struct vm *vm);
struct reaper *vm_reaper(struct vm *vm);
const struct conf *vm_conf(struct vm *vm);

/* The vm of any of its lua_States, NULL for one of another program; O(1). */
struct vm *vm_of(lua_State *L);

/* A slot for each C service that keeps something per vm (db, agents, ...). The
 * binding that fills it gives the destructor, run by vm_free() after the Lua
 * state is closed, in reverse order of filling. */
enum vm_slot { VM_TASKS, VM_OVERLAY, VM_DB, VM_AGENTS, VM_SERVER, VM_VAULT,
    VM_SIGNALS, VM_SLOTS };
void *vm_slot(struct vm *vm, enum vm_slot slot);
void vm_set_slot(struct vm *vm, enum vm_slot slot, void *p,
    void (*destroy)(void *));

/* THE protected call: lua_pcall with a handler that turns whatever was raised
 * into an error object with `where` and `traceback`. Returns 0, or -1 with the
 * error object on the stack and its code and text in e (may be NULL). Not
 * yieldable; scripts run as tasks instead. */
int vm_call(lua_State *L, int nargs, int nresults, struct err *e);

/* The message handler of vm_call: one value -> error object. */
int vm_traceback(lua_State *L);

/* Turn the value on top of L into an error object and give it `where` and
 * `traceback` from the stack of L1 (from level on), unless it has them. */
void vm_complete_err(lua_State *L, lua_State *L1, int level);

/* Bytes the Lua state holds now. */
size_t vm_memory(struct vm *vm);

/* Choose how garbage is collected by the size of the heap: by generations while
 * it is small, which spares a fifth of a request's time, in steps when it is
 * large, so that the loop never stops for long (tests/bench). Cheap; not from
 * inside of Lua. */
void vm_adapt_gc(struct vm *vm);

/* Memory accounting for the running task: how many bytes it may still grow
 * (INT64_MAX: no cap). Set by task.c at each resume. */
void vm_set_allowance(struct vm *vm, int64_t bytes);
int64_t vm_allowance(struct vm *vm);

#endif
