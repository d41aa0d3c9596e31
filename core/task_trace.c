/*
 * task_trace.c - which line of a script ran last: for `colibri explain`.
 *
 * The hook that counts (task_limit.c) sees lines too while a task is traced. A
 * line costs a hook call then, so it is for a look at one decision, not for
 * every request; one task at a time is traced.
 */
#include <stdio.h>
#include <string.h>

#include <lua.h>

#include "task_priv.h"

void
task_trace_line(lua_State *L, lua_Debug *ar)
{
	struct tasks *ts = task_all(vm_of(L));

	if (ts->running == NULL || ts->running->id != ts->traced)
		return;
	lua_getinfo(L, "Sl", ar);
	if (strncmp(ar->source, "@lua/", 5) == 0)
		return;
	snprintf(ts->trace_line, sizeof(ts->trace_line), "%s:%d",
	    ar->short_src, ar->currentline);
}

void
task_trace(lua_State *L)
{
	struct tasks *ts = task_all(vm_of(L));

	if (ts->running == NULL)
		return;
	if (lua_gethook(L) == NULL)
		task_set_hook(ts->running, L);
	ts->traced = ts->running->id;
	ts->trace_line[0] = '\0';
	lua_sethook(L, lua_gethook(L), LUA_MASKCOUNT | LUA_MASKLINE,
	    lua_gethookcount(L));
}

const char *
task_traced(lua_State *L)
{
	struct tasks *ts = task_all(vm_of(L));

	if (ts->running == NULL)
		return NULL;
	if (lua_gethook(L) != NULL)
		lua_sethook(L, lua_gethook(L), LUA_MASKCOUNT,
		    lua_gethookcount(L));
	if (ts->traced != ts->running->id)
		return NULL;
	ts->traced = 0;
	return ts->trace_line[0] != '\0' ? ts->trace_line : NULL;
}
