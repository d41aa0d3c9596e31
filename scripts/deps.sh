#!/bin/sh
# deps.sh GROUP... - install what is missing: build, jail, test, extra.
#
# What is there already is recognised by what it is good for (a program, a
# library that pkg-config knows, a file), not by its package, so nothing is
# installed twice. Uses apt-get or pkg, as root or through sudo. `extra` is
# nice to have: what cannot be installed is left out with a note.
set -eu

say() {
	echo "colibri: $*" >&2
}

# have WHAT: cmd:PROGRAM, pc:MODULE,MODULE (any of them), file:PATH,PATH (globs)
have() {
	kind=${1%%:*}
	old_ifs=$IFS
	IFS=,
	# shellcheck disable=SC2086 # splitting and globbing are meant
	set -- ${1#*:}
	IFS=$old_ifs
	for what in "$@"; do
		case $kind in
		cmd) command -v "$what" >/dev/null 2>&1 && return 0 ;;
		pc) pkg-config --exists "$what" 2>/dev/null && return 0 ;;
		file) [ -e "$what" ] && return 0 ;;
		esac
	done
	return 1
}

cjson="file:/usr/lib/*/lua/5.4/cjson.so,/usr/lib/lua/5.4/cjson.so,/usr/local/lib/lua/5.4/cjson.so"

# Lines of: what we need, the package that has it.
list_debian() {
	case $1 in
	build) cat <<-END ;;
		cmd:cc gcc
		file:/usr/include/stdio.h libc6-dev
		cmd:make make
		cmd:pkg-config pkg-config
		pc:lua5.4,lua-5.4,lua54 liblua5.4-dev
		pc:libevent_core libevent-dev
		pc:sqlite3 libsqlite3-dev
		$cjson lua-cjson
		END
	jail) echo "cmd:bwrap bubblewrap" ;;
	test) cat <<-END ;;
		cmd:prove perl
		cmd:bash bash
		cmd:luacheck lua-check
		cmd:shellcheck shellcheck
		cmd:sqlite3 sqlite3
		cmd:strace strace
		cmd:gdb gdb
		cmd:ps procps
		cmd:unshare util-linux
		cmd:node nodejs
		cmd:npm npm
		END
	extra) cat <<-END ;;
		cmd:zsh zsh
		cmd:fish fish
		cmd:cppcheck cppcheck
		cmd:clang clang
		file:/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a libclang-rt-dev
		cmd:openssl openssl
		cmd:valgrind valgrind
		cmd:lua5.4 lua5.4
		cmd:sudo sudo
		cmd:systemd-nspawn systemd-container
		END
	*) say "deps.sh: unknown group '$1'"; exit 2 ;;
	esac
}

list_freebsd() {
	case $1 in
	build) cat <<-END ;;
		cmd:cc llvm
		cmd:gmake gmake
		cmd:pkg-config pkgconf
		pc:lua-5.4,lua54 lua54
		pc:libevent_core libevent
		pc:sqlite3 sqlite3
		$cjson lua54-cjson
		END
	jail) ;;
	test) cat <<-END ;;
		cmd:prove perl5
		cmd:bash bash
		cmd:luacheck lua54-luacheck
		cmd:shellcheck hs-ShellCheck
		cmd:sqlite3 sqlite3
		cmd:node node
		cmd:npm npm
		END
	extra) cat <<-END ;;
		cmd:zsh zsh
		cmd:fish fish
		cmd:valgrind valgrind
		END
	*) say "deps.sh: unknown group '$1'"; exit 2 ;;
	esac
}

# Packages of one group that are missing, on one line.
missing_in() {
	"list_$family" "$1" | while read -r need package; do
		have "$need" || printf '%s ' "$package"
	done
}

# Run as root.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

install_packages() {
	if [ "$family" = freebsd ]; then
		as_root env ASSUME_ALWAYS_YES=yes pkg install -y "$@"
	else
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		    --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
	fi
}

refresh_lists() {
	[ "$family" = debian ] || return 0
	[ -z "${refreshed:-}" ] || return 0
	as_root apt-get update -q -o DPkg::Lock::Timeout=120 ||
		say "apt-get update failed; going on with the package lists at hand"
	refreshed=yes
}

if [ "$(uname -s)" = FreeBSD ]; then
	family=freebsd tool=pkg
else
	family=debian tool=apt-get
fi
[ $# -gt 0 ] || set -- build
for group in "$@"; do
	# The heredocs end the function's words, hence a variable.
	missing=$(missing_in "$group")
	[ -n "$missing" ] || continue
	how="$tool install ${missing% }"
	if ! command -v $tool >/dev/null 2>&1; then
		problem="there is no $tool here"
	elif [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
		problem="you are not root and there is no sudo"
	else
		problem=
	fi
	if [ -z "$problem" ]; then
		say "installing for '$group': $missing"
		refresh_lists
		# shellcheck disable=SC2086 # a list of packages
		install_packages $missing >&2 || problem="$tool failed"
	fi
	missing=$(missing_in "$group")
	if [ -n "$missing" ]; then
		if [ "$group" = extra ]; then
			say "going on without $missing(${problem:-$tool left it out})"
			continue
		fi
		say "missing: $missing- ${problem:-still not found after the installation}; as root: $how"
		exit 1
	fi
done
