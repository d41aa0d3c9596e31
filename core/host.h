/*
 * host.h - what the mains need of the host beyond colibri.h.
 */
#ifndef COLIBRI_HOST_H
#define COLIBRI_HOST_H

#include "colibri.h"
#include "conf.h"
#include "err.h"
#include "loop.h"
#include "vm.h"

/* Takes conf (also on failure). */
struct colibri *host_new(struct conf *conf, struct event_base *base,
    struct err *e);

/* Signals of what serves (server_lua.c): keep: no handlers are installed;
 * server_signal() is as if TERM, INT or HUP had come, -1 for others. */
void server_keep_signals(struct vm *vm);
int server_signal(struct vm *vm, int signo);

/* Bindings that live in the front; host_new() registers them. */
int luaopen_core_server(struct lua_State *L);
int luaopen_core_stdio(struct lua_State *L);

#endif
