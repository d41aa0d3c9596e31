/* links: pattern bound bound_match bound_gsub bound_string bound_table bound_sort vm pool vm_load task task_op task_co task_limit task_trace lx loop log log_line mem err secret secret_redact conf conf_table conf_value platform fs fs_host fs_read fs_walk */
/*
 * The collector goes by generations while the heap is small and in steps when
 * it is large.
 */
#include <lauxlib.h>
#include <lua.h>

#include "check.h"
#include "conf.h"
#include "vm.h"

/* The collector's mode, which asking sets to MODE. */
static bool
by_generations(struct vm *vm, int mode)
{
	return lua_gc(vm_lua(vm), mode, 0, 0, 0) == LUA_GCGEN;
}

static void
run(struct vm *vm, const char *text)
{
	if (luaL_dostring(vm_lua(vm), text) != LUA_OK)
		CHECK_NOTE("%s: %s", text, lua_tostring(vm_lua(vm), -1));
}

TEST(the_mode_follows_the_size_of_the_heap)
{
	static char name[] = "vm_gc_test", *argv[] = { name, NULL };
	struct conf_errors errors = { 0 };
	struct err e = ERR_INIT;
	struct loop *loop = loop_new(NULL, &e);
	int argc = 1;
	struct conf *conf = conf_load(&argc, argv, NULL, &errors);
	struct vm *vm = vm_new(loop, NULL, conf, &e);

	CHECK(!by_generations(vm, LUA_GCINC));
	vm_adapt_gc(vm);
	CHECK(by_generations(vm, LUA_GCGEN));
	run(vm, "t = {} for i = 1, 100000 do t[i] = { i } end");
	vm_adapt_gc(vm);
	CHECK(!by_generations(vm, LUA_GCINC));
	run(vm, "t = nil collectgarbage()");
	vm_adapt_gc(vm);
	CHECK(by_generations(vm, LUA_GCGEN));
	vm_free(vm);
	conf_free(conf);
	loop_free(loop);
}

CHECK_MAIN(RUN(the_mode_follows_the_size_of_the_heap))
