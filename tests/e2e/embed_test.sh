#!/bin/sh
# Embedding: what libcolibri.so shows, the example programs against it, without
# a complaint of valgrind.
set -u
# shellcheck source=tests/e2e/tap.sh
. "$(dirname "$0")/tap.sh"

lua=''
for name in lua5.4 lua-5.4 lua54; do
	pkg-config --exists $name 2>/dev/null && lua=$name && break
done
[ -n "$lua" ] || skip_all "pkg-config knows no Lua"
command -v cc >/dev/null 2>&1 || skip_all "cc is not installed"
make=$(command -v gmake || command -v make) || skip_all "make is not installed"
scratch_make embed

sanitize=''
! nm "$BUILD/libcolibri.a" 2>/dev/null | grep -q __asan_init || sanitize=-fsanitize=address,undefined

# --- the library ---

is "libcolibri.so shows colibri.h and the Lua entry, nothing else" \
    "$(nm -D --defined-only "$BUILD/libcolibri.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort | xargs)" \
    "$({ sed -n 's/^[a-z].*[ *]\(colibri_[a-z_]*\)(.*/\1/p' "$top/core/colibri.h" | grep -v done_cb
	echo luaopen_colibri; } | sort | xargs)"
is "its soname" "$(objdump -p "$BUILD/libcolibri.so" | awk '/SONAME/ { print $2 }')" libcolibri.so.0

# --- programs against what is installed ---

DEST=$scratch/dest
PREFIX=/usr/local
(umask 022 && "$make" -s -C "$top" -o all "BUILD=$BUILD" "DESTDIR=$DEST" "PREFIX=$PREFIX" install >/dev/null) ||
	diag "make install failed"
# As it would be without DESTDIR.
mkdir "$scratch/pc"
sed "s,^prefix=.*,prefix=$DEST$PREFIX," "$DEST$PREFIX/lib/pkgconfig/colibri.pc" >"$scratch/pc/colibri.pc"
PKG_CONFIG_PATH=$scratch/pc
LD_LIBRARY_PATH=$DEST$PREFIX/lib
export PKG_CONFIG_PATH LD_LIBRARY_PATH
is "pkg-config knows the version" "$(pkg-config --modversion colibri)" "$(colibri --version | awk '{ print $2 }')"
like "and, for the static library, what that needs" "$(pkg-config --static --libs colibri)" '-lcolibri .*-levent_core .*-lsqlite3'

# build NAME MODULE...: docs/examples/NAME.c, with pkg-config alone.
build() {
	name=$1
	shift
	# shellcheck disable=SC2046,SC2086 # words
	run cc -std=c11 -g -Wall -Wextra -Werror $sanitize -o "$scratch/$name" "$top/docs/examples/$name.c" \
	    $(pkg-config --cflags --libs colibri "$@")
	is "$name.c builds with what pkg-config says" "$status|$out$err" "0|"
}

build embed libevent_core
run "$scratch/embed" "$top/docs/examples/hello.lua" you
like "it runs a script on its own base" "$status|$out" '^0\|colibri [0-9.]+: status 0$'
build serve "$lua" libevent_core

valgrind=''
if [ -n "$sanitize" ]; then
	skip "valgrind" "the sanitizers look already"
elif ! command -v valgrind >/dev/null 2>&1; then
	skip "valgrind" "valgrind is not installed"
else
	valgrind="valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,possible"
	valgrind="$valgrind --errors-for-leak-kinds=definite,possible"
	# shellcheck disable=SC2086 # words
	run $valgrind "$scratch/embed" "$top/docs/examples/hello.lua" you
	is "valgrind has no complaint about embed.c" "$status|$(printf '%s\n' "$err" | grep '^==')" "0|"
fi

# Hosts one after the other in one process, each ended in the middle of things.
cat >"$scratch/sleep.lua" <<'END'
return { api = 1, run = function(ctx)
  ctx.task.go(function() ctx.task.sleep(60) end)
  local p <close> = ctx.proc.start { "/bin/sleep", "60" }
  ctx.task.sleep(60)
end }
END
chmod go-w "$scratch/sleep.lua"
cat >"$scratch/ended.c" <<'END'
#include <stdio.h>
#include <event2/event.h>
#include <colibri.h>
static void done(int status, const char *message, void *arg)
{
	printf("%d %d %s\n", *(int *)arg, status, message);
}
int main(int argc, char **argv)
{
	char err[1024];
	for (int i = argc; i < 4; i++) {
		struct event_base *base = event_base_new();
		struct colibri_options options = { .base = base };
		struct colibri *host = colibri_new(&options, err, sizeof(err));
		colibri_run_script(host, argv[1], 0, NULL, done, &i);
		if (i == 3)
			event_base_loop(base, EVLOOP_ONCE);
		colibri_free(host);
		event_base_free(base);
	}
	return 0;
}
END
# shellcheck disable=SC2046,SC2086 # words
run cc -std=c11 -g -Wall -Wextra -Werror $sanitize -o "$scratch/ended" "$scratch/ended.c" \
    $(pkg-config --cflags --libs colibri libevent_core)
is "a program that ends hosts early builds" "$status|$err" "0|"
# shellcheck disable=SC2086 # words
run $valgrind "$scratch/ended" "$scratch/sleep.lua"
like "what ran in a host that is freed is told so, and nothing is lost" "$status|$(printf '%s\n' "$out" | xargs)" \
    '^0\|2 1 .*Cancelled: cancelled 3 1 .*Cancelled: cancelled$'

# A loop of the host's own, modules in Lua and C of the program's own.
mkdir -m 755 "$scratch/lua"
cat >"$scratch/lua/greeting.lua" <<'END'
local task = require "core.task"
local M = {}
function M.main(name, count)
  task.sleep(0.001)
  if name == "nobody" then
    return nil, { code = "NobodyThere", message = "no one to greet" }
  end
  return 10 * #require("words").hello + #name + math.tointeger(count)
end
return M
END
cat >"$scratch/own.c" <<'END'
#include <stdio.h>
#include <lauxlib.h>
#include <lua.h>
#include <colibri.h>
static int luaopen_words(lua_State *L)
{
	lua_newtable(L);
	lua_pushliteral(L, "hello");
	lua_setfield(L, -2, "hello");
	return 1;
}
static struct colibri *host;
static void done(int status, const char *message, void *arg)
{
	printf("%d %s\n", status, message);
	if (arg == NULL)
		colibri_stop(host, status);
}
int main(int argc, char **argv)
{
	char err[256], *you[] = { "you", "1" }, *nobody[] = { "nobody" };
	host = colibri_new(NULL, err, sizeof(err));
	printf("%d %d\n", colibri_add_path(host, "lua"), colibri_add_path(host, argv[argc - 1]));
	printf("%d %d\n", colibri_add_module(host, "core.fs", luaopen_words),
	    colibri_add_module(host, "words", luaopen_words));
	printf("%d\n", colibri_start(host, "nosuch", 0, NULL, done, err));
	colibri_start(host, "greeting", 2, you, done, NULL);
	printf("%d\n", colibri_run(host));
	colibri_start(host, "greeting", 1, nobody, done, NULL);
	printf("%d %d\n", colibri_run(host), colibri_signal(host, 9));
	colibri_free(host);
	return 0;
}
END
# shellcheck disable=SC2046,SC2086 # words
run cc -std=c11 -g -Wall -Wextra -Werror $sanitize -o "$scratch/own" "$scratch/own.c" \
    $(pkg-config --cflags --libs colibri "$lua")
is "a program with modules of its own builds" "$status|$err" "0|"
# shellcheck disable=SC2086 # words
run $valgrind "$scratch/own" "$scratch/lua"
is "its paths, modules, starts and statuses" "$status|$(printf '%s\n' "$out" | sed "s/: open .*/: .../")" "0|-1 0
-1 0
1 ScriptError: module 'nosuch': ...
-1
54 
54
1 NobodyThere: no one to greet
1 -1"

# --- a daemon in somebody else's program ---

mkdir -p "$scratch/site/commands" "$scratch/run" "$scratch/jails" "$scratch/vault"
cat >"$scratch/site/commands/count.lua" <<'END'
local counter = require "counter"
return { api = 1, summary = "how often", access = "read", run = function() return { n = counter.next() } end }
END
chmod -R go-w "$scratch"
# shellcheck disable=SC2046,SC2086 # words
$valgrind "$scratch/serve" $(daemon_argv "$scratch") --jail-backend none >"$scratch/serve.out" 2>"$scratch/serve.err" &
serve=$!
tries=0
until colibri --socket "$scratch/run/sock" status >/dev/null 2>&1 || [ $((tries += 1)) -gt 600 ]; do
	kill -0 $serve 2>/dev/null || break
	sleep 0.05
done
is "it serves, and scripts may require its module" \
    "$(colibri --socket "$scratch/run/sock" count; colibri --socket "$scratch/run/sock" count)" '{"n":1}
{"n":2}'
kill -HUP $serve
tries=0
until grep -q 'scripts loaded\|reload' "$scratch/serve.err" || [ $((tries += 1)) -gt 200 ]; do
	sleep 0.05
done
kill -INT $serve
wait $serve
is "its own handler of INT ends it in order" "$?|$(cat "$scratch/serve.out")" "0|asked 2 times, status 0"
is "nothing complained" "$(grep '^==' "$scratch/serve.err")" ""
ok "it left no socket" test ! -e "$scratch/run/sock"
run "$scratch/serve" --frobnicate
like "an unknown flag is an error that names it" "$status|$err" '^2\|serve: .*--frobnicate'
run "$scratch/serve" frobnicate
is "so is a word" "$status|$err" "2|serve: 'frobnicate' is no setting"

done_testing
