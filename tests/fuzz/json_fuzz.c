/* links: libcolibri */
/*
 * Whatever a client sends as a request: no crash, no leak, an error with a
 * code; and what was understood is the same after being written and read again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "conf.h"
#include "lua_json.h"
#include "lua_open.h"
#include "vm.h"
#include "vm_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "json_fuzz: expected %s\n", #cond);	\
		abort();						\
	}								\
} while (0)

static int
load_json(lua_State *L)
{
	lua_open_all(L);
	vm_require(L, "core.json");
	return 0;
}

/* One state for all inputs. */
static struct vm *
the_vm(void)
{
	static struct vm *vm;
	static struct conf *conf;
	static struct loop *loop;
	static char name[] = "json_fuzz", *argv[] = { name, NULL };
	struct conf_errors errors = { 0 };
	struct err e = ERR_INIT;
	int argc = 1;

	if (vm != NULL)
		return vm;
	conf = conf_load(&argc, argv, NULL, &errors);
	FUZZ_CHECK(conf != NULL);
	loop = loop_new(NULL, &e);
	vm = vm_new(loop, NULL, conf, &e);
	FUZZ_CHECK(vm != NULL);
	lua_pushcfunction(vm_lua(vm), load_json);
	FUZZ_CHECK(lua_pcall(vm_lua(vm), 0, 0, 0) == LUA_OK);
	return vm;
}

/* Decode text and encode the value again; returns -1 when it is refused. */
static int
rewrite(lua_State *L, const char *text, size_t len, struct buf *out)
{
	struct err e = ERR_INIT;
	int top = lua_gettop(L);

	if (lua_json_decode(L, text, len, &e) != 0) {
		FUZZ_CHECK(e.code != NULL && strcmp(e.code, "BadJson") == 0);
		FUZZ_CHECK(lua_gettop(L) == top);
		return -1;
	}
	FUZZ_CHECK(lua_gettop(L) == top + 1);
	if (lua_json_encode(L, -1, out, &e) != 0)
		FUZZ_CHECK(strcmp(e.code, "BadValue") == 0 && out->len == 0);
	lua_settop(L, top);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	lua_State *L = vm_lua(the_vm());
	struct buf once = { 0 }, twice = { 0 };

	if (rewrite(L, (const char *)data, size, &once) == 0 && once.len > 0) {
		FUZZ_CHECK(rewrite(L, once.data, once.len, &twice) == 0);
		FUZZ_CHECK(once.len == twice.len);
		FUZZ_CHECK(memcmp(once.data, twice.data, once.len) == 0);
	}
	buf_free(&once);
	buf_free(&twice);
	return 0;
}
