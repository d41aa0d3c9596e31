#!/bin/sh
# check-freebsd.sh [--install | --installed] - does core/ compile on FreeBSD?
#
# Compiles each core/*.c for FreeBSD on any machine, with Zig's C compiler and
# the FreeBSD headers it brings (PyPI's `ziglang`, in a virtualenv in build/zig).
# The headers of Lua, SQLite and libevent are copied out of the system's include
# directories, so that no header of this system's libc is seen.
#
#	--install	only install the compiler
#	--installed	do not install it: skip when it is not there
#
# ZIG names another Zig, TARGET another target. Exits 0 when everything compiled,
# 77 when it had to be skipped, 1 when something did not compile.
set -eu
cd "$(dirname "$0")/.."
version=0.17.1
target=${TARGET:-x86_64-freebsd.14.1}
venv=build/zig
out=build/freebsd

skip() {
	echo "check-freebsd: skipped: $*"
	exit 77
}

install_zig() {
	[ ! -x $venv/bin/python ] || ! $venv/bin/python -m ziglang version \
	    >/dev/null 2>&1 || return 0
	command -v python3 >/dev/null 2>&1 || skip "there is no python3"
	mkdir -p build
	python3 -m venv $venv >/dev/null 2>&1 ||
		skip "python3 has no venv (package python3-venv)"
	$venv/bin/python -m pip install --quiet --disable-pip-version-check \
	    --retries 1 --timeout 20 "ziglang==$version" >/dev/null 2>&1 ||
		skip "PyPI's ziglang $version cannot be had"
}

# LIBRARY FILE...: copy its headers from where pkg-config says that they are.
take_headers() {
	library=$1
	shift
	for dir in $(pkg-config --cflags-only-I "$library" | sed 's/-I//g') \
	    "$(pkg-config --variable=includedir "$library")" /usr/include; do
		[ -e "$dir/$1" ] || continue
		for file in "$@"; do
			cp -R "$dir/$file" $out/include/
		done
		return 0
	done
	skip "the headers of $library are not installed"
}

# The same warnings as in the Makefile, as far as clang knows them.
compile() {
	$zig cc -target "$target" -std=c11 -O1 -Wall -Wextra -Werror -Wshadow \
	    -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	    -Wcast-qual -Wwrite-strings -Wundef -Wvla -iquote core \
	    -isystem $out/include -D_GNU_SOURCE \
	    -DCOLIBRI_PREFIX='"/usr/local"' \
	    -c -o "$out/$(basename "$1" .c).o" "$1"
}

zig=${ZIG:-"$venv/bin/python -m ziglang"}
case ${1:-} in
--install)
	install_zig
	exit 0
	;;
--installed) ;;
*) [ -n "${ZIG:-}" ] || install_zig ;;
esac
$zig version >/dev/null 2>&1 ||
	skip "no Zig compiler; sh scripts/check-freebsd.sh --install gets one"
command -v pkg-config >/dev/null 2>&1 || skip "there is no pkg-config"

# Nothing of Zig's is left in the home directory.
ZIG_GLOBAL_CACHE_DIR=$(pwd)/$venv/cache
ZIG_LOCAL_CACHE_DIR=$ZIG_GLOBAL_CACHE_DIR
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR
rm -rf $out
mkdir -p $out/include
lua=
for name in lua5.4 lua-5.4 lua54; do
	pkg-config --exists $name && lua=$name && break
done
take_headers "${lua:-lua}" lua.h luaconf.h lauxlib.h lualib.h
# Debian's luaconf.h wants the name of its library directory.
echo '#define DEB_HOST_MULTIARCH "freebsd"' >$out/include/lua5.4-deb-multiarch.h
take_headers sqlite3 sqlite3.h
take_headers libevent_core event2

total=0
failed=0
for file in core/*.c; do
	total=$((total + 1))
	compile "$file" || failed=$((failed + 1))
done
echo "check-freebsd: $target: $((total - failed)) of $total files compile"
rm -rf $out
[ "$failed" = 0 ]
