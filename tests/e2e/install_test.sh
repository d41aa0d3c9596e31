#!/bin/sh
# What `make install` installs works by itself: daemon, CLI, proof, library and
# header; `make uninstall` takes all of it away.
set -u
# shellcheck source=tests/e2e/tap.sh
. "$(dirname "$0")/tap.sh"

make=$(command -v gmake || command -v make) || skip_all "make is not installed"

scratch_make install
DEST=$scratch/dest
PREFIX=/usr/local
SHARE=$DEST$PREFIX/share/colibri
# DESTDIR is not where it will be, so the programs are told.
COLIBRI_SHARE_DIR=$SHARE
PATH=$DEST$PREFIX/bin:$DEST$PREFIX/sbin:$(printf %s "$PATH" | sed 's/^[^:]*://')
COLIBRI_DAEMON_SOCKET=$scratch/run/sock
export COLIBRI_SHARE_DIR PATH COLIBRI_DAEMON_SOCKET

# -o all: what is built is installed, and nothing is built beside other tests.
run_make() {
	run "$make" -C "$top" -o all "BUILD=$BUILD" "DESTDIR=$DEST" "PREFIX=$PREFIX" "$@"
	[ "$status" = 0 ] || diag "make $*: $out
$err"
}

# installed: all files with their modes, below DEST.
installed() {
	(cd "$DEST" && find . ! -type d -exec ls -ln {} + | awk '{ print $1, $NF }')
}

(umask 077 && mkdir "$DEST")
run_make install
is "make install" "$status" 0
all=$(installed)
is "the programs, the library and the header are there" "$(printf '%s\n' "$all" |
	grep -Ev ' \./usr/local/(share|lib/systemd|etc)/' | sort -k 2)" \
    "lrwxrwxrwx ../../libcolibri.so.0
-rwxr-xr-x ./usr/local/bin/colibri
-rwxr-xr-x ./usr/local/bin/colibri-run
-rwxr-xr-x ./usr/local/bin/colibri-test-agent
-rw-r--r-- ./usr/local/include/colibri.h
-rw-r--r-- ./usr/local/lib/libcolibri.a
-rw-r--r-- ./usr/local/lib/libcolibri.so.0
-rw-r--r-- ./usr/local/lib/pkgconfig/colibri.pc
-rwxr-xr-x ./usr/local/libexec/colibri/colibri-agent-shim
-rwxr-xr-x ./usr/local/sbin/colibri-daemon
lrwxrwxrwx libcolibri.so.0"
is "every script of the tree is there" \
    "$(cd "$SHARE" && find . -name '*.lua' | sort)" \
    "$(cd "$top" && find ./lua ./hooks ./scripts ./docs/api ./docs/api.lua -name '*.lua' | sort)"
like "the editor's settings name the installed types" "$(cat "$SHARE/luarc.json")" \
    '"workspace.library": \["/usr/local/share/colibri/lua/meta"\]'
is "nobody else may write to any of it" \
    "$(find "$DEST" \( -perm -020 -o -perm -002 \) ! -type l)" ""
is "all directories but DESTDIR are 0755" \
    "$(find "$DEST/usr" -type d ! -perm 755)" ""
like "a service file is there" "$all" \
    '^-r.* \./usr/local/(lib/systemd/system/colibri-daemon\.service|etc/rc\.d/colibri_daemon)$'
like "the jail bootstrap is a program" "$all" '^-rwxr-xr-x .*/scripts/agent-jail-bootstrap.sh$'
for page in "$top"/docs/man/*.[1-9]; do
	[ -f "$page" ] || continue
	like "man page ${page##*/}" "$all" "^-rw-r--r-- .*/share/man/man${page##*.}/${page##*/}$"
done
run_make install
is "again" "$status" 0
is "it is the same" "$(installed)" "$all"

# --- programs ---

for program in colibri-daemon colibri-run; do
	run $program --version
	like "$program --version" "$status|$out|$err" "^0\|$program [0-9]+\.[0-9]+\.[0-9]+\|$"
	run $program --help
	like "$program --help" "$status|$(printf '%s\n' "$out" | head -n 1)" "^0\|usage: $program "
	like "$program --help lists settings with variables" "$out" '^  --socket +COLIBRI_DAEMON_SOCKET '
	is "$program --help says nothing on stderr" "$err" ""
done
run colibri --version
like "colibri --version" "$status|$out|$err" '^0\|colibri [0-9.]+ .*\|$'
run colibri-daemon --frobnicate
is "colibri-daemon with an unknown flag: 2" "$status|$out" "2|"
like "it is named" "$err" '--frobnicate'
run colibri-daemon --log-level loud --max-requests none
like "all mistakes at once: one" "$status|$err" '^2\|.*log-level|^colibri-daemon: .*log-level'
like "the other" "$err" 'max-requests'

# --- the installed daemon ---

DAEMON=$DEST$PREFIX/sbin/colibri-daemon
export DAEMON
daemon_start "$scratch" --jail-backend none
run colibri scripts
unlike "all its scripts are installed ones" "$(printf '%s\n' "$out" | field path | grep -vF "$SHARE/")" .
# shellcheck disable=SC2046 # paths without blanks
run colibri-daemon $(daemon_argv "$scratch") --jail-backend none --check
is "colibri-daemon --check" "$status|$out" "0|"
run colibri spawn-local "$DEST$PREFIX/bin/colibri-test-agent" --arg --step-ms --arg 1
like "it finds the installed shim" "$status|$out" '^0\|.*"status":"running"'
is "and runs that one" "$(ps axww -o args= | S=$DEST awk 'index($1, ENVIRON["S"]) == 1 && /agent-shim/ { print $1 }')" \
    "$DEST$PREFIX/libexec/colibri/colibri-agent-shim"
ok "TERM ends it with 0" daemon_stop "$scratch"
unset DAEMON

# --- the installed proof ---

# Run as by somebody who has the installed tree alone.
proof() {
	run env -u COLIBRI_DAEMON_SOCKET TMPDIR="$scratch" colibri-run "$SHARE/scripts/proof.lua" \
	    --tenant proof0 --vault file "$@"
	[ "$status" = 0 ] || diag "$out
$err"
}

if bwrap --unshare-pid --bind / / --proc /proc --dev /dev true 2>/dev/null; then
	proof --jail-backend bwrap
	is "colibri-run proof.lua, jails by bwrap" "$status" 0
	is "all its steps pass" "$(printf '%s\n' "$out" | grep -c '^ok ')|$(printf '%s\n' "$out" | grep -c '^not ok ')" \
	    "$(printf '%s\n' "$out" | sed -n 's/^1\.\.//p')|0"
else
	skip "colibri-run proof.lua" "bwrap does not work here"
fi
proof --jail-backend none --agent "$DEST$PREFIX/bin/colibri-test-agent"
is "colibri-run proof.lua, without a jail" "$status" 0
run env TMPDIR="$scratch" colibri-run "$SHARE/scripts/proof.lua" --frobnicate
is "colibri-run proof.lua with an unknown option: 2" "$status|$out" "2|"
is "the proofs left nothing" "$(cd "$scratch" && find . -maxdepth 1 -name 'colibri*proof*')" ""

# --- the embedding example, against what is installed ---

lua=''
for name in lua5.4 lua-5.4 lua54; do
	pkg-config --exists $name 2>/dev/null && lua=$name && break
done
example=$top/docs/examples/embed.c
sanitize=''
! nm "$DEST$PREFIX/lib/libcolibri.a" 2>/dev/null | grep -q __asan_init ||
	sanitize=-fsanitize=address,undefined
if [ ! -f "$example" ] || [ -z "$lua" ] || ! command -v cc >/dev/null 2>&1; then
	skip "the embedding example" "no docs/examples/embed.c, compiler or pkg-config"
else
	# The static library; tests/e2e/embed_test.sh has the shared one.
	# shellcheck disable=SC2046,SC2086 # words
	run cc -std=c11 -Wall -Wextra -Werror $sanitize "-I$DEST$PREFIX/include" \
	    -o "$scratch/embed" "$example" "$DEST$PREFIX/lib/libcolibri.a" \
	    $(pkg-config --cflags --libs $lua libevent_core sqlite3) -lm
	is "the example compiles against header and library" "$status|$out$err" "0|"
	like "it is under 60 lines" "$(grep -c . "$example")" '^[1-5]?[0-9]$'
	run "$scratch/embed" "$top/docs/examples/hello.lua" you
	like "it runs a script on its own event base" "$status|$out" '^0\|colibri [0-9.]+: status 0$'
	like "the script says hello" "$err" 'hello .*name=you|hello .*"name":"you"'
	printf 'return { api = 1, run = function() error("broken") end }\n' >"$scratch/broken.lua"
	run "$scratch/embed" "$scratch/broken.lua"
	like "an error of the script is told with file and line" "$status|$err" \
	    '^1\|.*broken\.lua:1: .*broken|broken\.lua:1'
	run "$scratch/embed" "$scratch/none.lua"
	is "a script that is not there fails" "$status" 1
	printf '#include <colibri.h>\nint main(void) { return colibri_version() == 0; }\n' >"$scratch/main.c"
	run cc -std=c11 -Wall -Wextra -Werror -pedantic -c "-I$DEST$PREFIX/include" -o "$scratch/main.o" "$scratch/main.c"
	is "the header needs no other" "$status|$err" "0|"
	if command -v c++ >/dev/null 2>&1; then
		run c++ -fsyntax-only -x c++ "-I$DEST$PREFIX/include" "$scratch/main.c"
		is "C++ takes it" "$status|$err" "0|"
	fi
fi

# --- and away ---

run_make uninstall
is "make uninstall" "$status" 0
is "no file is left" "$(installed 2>/dev/null)" ""
run_make uninstall
is "again" "$status" 0
done_testing
