/*
 * lua_open.c - the one list of bindings; see lua_open.h.
 */
#include "lua_open.h"
#include "vm_load.h"

void
lua_open_all(lua_State *L)
{
	vm_preload(L, "core.agent", luaopen_core_agent);
	vm_preload(L, "core.bw", luaopen_core_bw);
	vm_preload(L, "core.client", luaopen_core_client);
	vm_preload(L, "core.clock", luaopen_core_clock);
	vm_preload(L, "core.db", luaopen_core_db);
	vm_preload(L, "core.fingerprint", luaopen_core_fingerprint);
	vm_preload(L, "core.fs", luaopen_core_fs);
	vm_preload(L, "core.http1", luaopen_core_http1);
	vm_preload(L, "core.json", luaopen_core_json);
	vm_preload(L, "core.log", luaopen_core_log);
	vm_preload(L, "core.proc", luaopen_core_proc);
	vm_preload(L, "core.script", luaopen_core_script);
	vm_preload(L, "core.sys", luaopen_core_sys);
	vm_preload(L, "core.task", luaopen_core_task);
}
