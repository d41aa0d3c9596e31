/* links: libcolibri */
/*
 * string.find, match, gmatch and gsub as scripts see them give what the stock
 * library gives, for any pattern and subject: same results or both an error.
 *
 * tests/unit/pattern_test.c runs the same check over random patterns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "conf.h"
#include "pattern.h"
#include "vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX	2000	/* of one attempt; the stock library has no end */

/* All that the four functions say about (s, p), as one text. */
static const char describe[] =
    "local s, p, r = ...\n"
    "local out = {}\n"
    "local function add(name, ok, ...)\n"
    "  out[#out + 1] = name .. tostring(ok)\n"
    "  for i = 1, ok and select('#', ...) or 0 do\n"
    "    out[#out + 1] = tostring((select(i, ...)))\n"
    "  end\n"
    "end\n"
    "add('find', pcall(string.find, s, p))\n"
    "add('plain', pcall(string.find, s, p, 1, true))\n"
    "add('from', pcall(string.find, s, p, 3))\n"
    "add('back', pcall(string.match, s, p, -2))\n"
    "add('match', pcall(string.match, s, p))\n"
    "add('gmatch', pcall(function()\n"
    "  local list = {}\n"
    "  for a, b, c in string.gmatch(s, p) do\n"
    "    list[#list + 1] = tostring(a) .. '|' .. tostring(b) .. '|' .. tostring(c)\n"
    "  end\n"
    "  return table.concat(list, ';')\n"
    "end))\n"
    "add('gsub', pcall(string.gsub, s, p, r))\n"
    "add('count', pcall(string.gsub, s, p, '<%0>', 2))\n"
    "add('call', pcall(string.gsub, s, p, function(a, b)\n"
    "  return b and '[' .. a .. b .. ']' or a ~= 'a' and a or nil end))\n"
    "add('table', pcall(string.gsub, s, p, { a = 'A', b = false, ab = 7 }))\n"
    "return table.concat(out, '\\n')\n";

static lua_State *
stock_state(void)
{
	static lua_State *L;

	if (L == NULL) {
		L = luaL_newstate();
		luaL_openlibs(L);
	}
	return L;
}

static lua_State *
our_state(void)
{
	static struct vm *vm;
	static char name[] = "pattern", *argv[] = { name, NULL };
	struct conf_errors errors = { 0 };
	struct err e = ERR_INIT;
	struct conf *conf;
	int argc = 1;

	if (vm == NULL) {
		conf = conf_load(&argc, argv, NULL, &errors);
		vm = conf != NULL ? vm_new(loop_new(NULL, &e), NULL, conf,
		    &e) : NULL;
		if (vm == NULL)
			abort();
	}
	return vm_lua(vm);
}

static const char *
run(lua_State *L, const char *s, size_t len, const char *p, size_t plen,
    const char *r, size_t rlen)
{
	lua_settop(L, 0);
	if (luaL_loadbufferx(L, describe, sizeof(describe) - 1, "=describe",
	    "t") != LUA_OK)
		abort();
	lua_pushlstring(L, s, len);
	lua_pushlstring(L, p, plen);
	lua_pushlstring(L, r, rlen);
	if (lua_pcall(L, 3, 1, 0) != LUA_OK)
		return "failed";
	return lua_tostring(L, -1);
}

/* Would the stock library come to an end soon, at each place? */
static bool
ends_soon(const char *s, size_t len, const char *p, size_t plen)
{
	struct pattern_choice stack[256];
	struct pattern m = { .text = (const unsigned char *)s,
	    .text_end = (const unsigned char *)s + len,
	    .pat = (const unsigned char *)p,
	    .pat_end = (const unsigned char *)p + plen, .stack = stack,
	    .stack_size = ARRAY_LEN(stack) };
	enum pattern_result r;
	size_t at;

	if (plen > 0 && p[0] == '^')
		m.pat++;
	for (at = 0; at <= len; at++) {
		m.fuel = STEPS_MAX;
		pattern_start(&m, m.text + at);
		r = pattern_run(&m);
		if (r == PATTERN_MORE || r == PATTERN_GROW)
			return false;
	}
	return true;
}

/* Returns whether it was compared. */
static bool
compare(const char *s, size_t len, const char *p, size_t plen, const char *r,
    size_t rlen)
{
	const char *theirs, *ours;

	if (!ends_soon(s, len, p, plen))
		return false;
	theirs = run(stock_state(), s, len, p, plen, r, rlen);
	ours = run(our_state(), s, len, p, plen, r, rlen);
	if (strcmp(theirs, ours) == 0)
		return true;
	fprintf(stderr, "subject '%.*s' pattern '%.*s' repl '%.*s'\n--- stock\n"
	    "%s\n--- ours\n%s\n", (int)len, s, (int)plen, p, (int)rlen, r,
	    theirs, ours);
	abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	size_t plen, rlen;

	if (size < 2 || size > 300)
		return 0;
	plen = data[0] % (size - 1);
	rlen = data[1] % (size - 1 - plen);
	text += 2;
	size -= 2;
	compare(text + plen + rlen, size - plen - rlen, text, plen,
	    text + plen, rlen);
	return 0;
}
