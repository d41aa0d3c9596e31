/* links: libcolibri */
/*
 * Whatever a client sends as a request: no crash, no leak, an error with a
 * code; what was understood is the same after being written and read again; and
 * what the decoder of plain texts takes, the other one takes for the same value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "conf.h"
#include "lua_json.h"
#include "lua_json_priv.h"
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

/* Deeply equal, with the types of numbers and the metatables. */
static bool
same(lua_State *L, int a, int b)
{
	bool equal;

	FUZZ_CHECK(lua_checkstack(L, 10));
	if (lua_type(L, a) != lua_type(L, b) ||
	    lua_isinteger(L, a) != lua_isinteger(L, b))
		return false;
	if (!lua_istable(L, a))
		return lua_rawequal(L, a, b);
	if (lua_getmetatable(L, a) == 0)
		lua_pushnil(L);
	if (lua_getmetatable(L, b) == 0)
		lua_pushnil(L);
	equal = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	for (lua_pushnil(L); equal && lua_next(L, b) != 0; lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		equal = lua_rawget(L, a) != LUA_TNIL;
		lua_pop(L, 1);
	}
	if (!equal)
		return false;
	for (lua_pushnil(L); lua_next(L, a) != 0; lua_pop(L, 2)) {
		lua_pushvalue(L, -2);
		lua_rawget(L, b);
		if (!same(L, lua_gettop(L) - 1, lua_gettop(L)))
			return false;
	}
	return true;
}

static void
compare_decoders(lua_State *L, const char *text, size_t len)
{
	struct err e = ERR_INIT;
	int top = lua_gettop(L);

	if (lua_json_decode_plain(L, text, len)) {
		FUZZ_CHECK(lua_gettop(L) == top + 1);
		FUZZ_CHECK(lua_json_decode_any(L, text, len, &e) == 0);
		FUZZ_CHECK(same(L, top + 1, top + 2));
	} else {
		FUZZ_CHECK(lua_gettop(L) == top);
	}
	lua_settop(L, top);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	lua_State *L = vm_lua(the_vm());
	struct buf once = { 0 }, twice = { 0 };

	compare_decoders(L, (const char *)data, size);
	if (rewrite(L, (const char *)data, size, &once) == 0 && once.len > 0) {
		FUZZ_CHECK(rewrite(L, once.data, once.len, &twice) == 0);
		FUZZ_CHECK(once.len == twice.len);
		FUZZ_CHECK(memcmp(once.data, twice.data, once.len) == 0);
	}
	buf_free(&once);
	buf_free(&twice);
	return 0;
}
