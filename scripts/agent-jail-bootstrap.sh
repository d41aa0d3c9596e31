#!/bin/sh
# agent-jail-bootstrap.sh JAIL [OPTIONS] - put what an agent needs into a jail.
#
#	--root DIR	the jail's root as the host sees it
#			(default: BASE/JAIL/root, BASE as COLIBRI_JAIL_ROOT_BASE says)
#	--bin DIR	where colibri-test-agent is (default: build/, then the usual places)
#	--binary FILE	a further program for the jail's /usr/local/bin; may be repeated
#	--pkg NAME	a further package (FreeBSD); may be repeated
#	--binaries-only	no packages, only programs
#
# On FreeBSD packages go in through `pkg -j`, pinned to the versions the host
# has installed, so that jails and host cannot drift apart. Elsewhere programs
# are copied, nothing else. Repeats without harm. Run it on a jail that is not
# running anything hostile: paths are checked for symlinks, but not guarded
# against somebody who swaps them meanwhile.
set -eu

packages="ca_root_nss"

say() {
	echo "agent-jail-bootstrap: $*" >&2
}

fail() {
	say "$*"
	exit 1
}

usage() {
	echo "usage: agent-jail-bootstrap.sh JAIL [--root DIR] [--bin DIR]" \
	    "[--binary FILE]... [--pkg NAME]... [--binaries-only]" >&2
	exit 2
}

jail='' root='' bin='' binaries='' with_packages=yes
while [ $# -gt 0 ]; do
	case $1 in
	--root | --bin | --binary | --pkg)
		[ $# -ge 2 ] || usage
		case $1 in
		--root) root=$2 ;;
		--bin) bin=$2 ;;
		--binary) binaries="$binaries$2
" ;;
		--pkg) packages="$packages $2" ;;
		esac
		shift
		;;
	--binaries-only) with_packages=no ;;
	-*) usage ;;
	*)
		[ -z "$jail" ] || usage
		jail=$1
		;;
	esac
	shift
done

case $jail in
'') usage ;;
*[!A-Za-z0-9_-]* | -*) fail "'$jail' is not a jail's name ([A-Za-z0-9_-]+)" ;;
esac
system=$(uname -s)
if [ -z "$root" ]; then
	base=/var/lib/machines
	[ "$system" != FreeBSD ] || base=/usr/local/bastille/jails
	root=${COLIBRI_JAIL_ROOT_BASE:-$base}/$jail/root
fi
case $root in
/*) ;;
*) fail "the root must be an absolute path, not '$root'" ;;
esac
root=${root%/}
[ -n "$root" ] || fail "the root cannot be / itself"
[ -d "$root" ] || fail "there is no jail root $root; make the jail first"

# make_dir NAME MODE: a directory of the jail. A symlink there would lead us
# out of the jail.
make_dir() {
	if [ -L "$root/$1" ]; then
		fail "$root/$1 is a symlink; refusing to follow it"
	fi
	if [ ! -d "$root/$1" ]; then
		mkdir "$root/$1"
		chmod "$2" "$root/$1"
	fi
}

# put FILE: one program into the jail, by a new file that is renamed.
put() {
	name=${1##*/}
	if [ -L "$root/usr/local/bin/$name" ]; then
		fail "$root/usr/local/bin/$name is a symlink; refusing to follow it"
	fi
	temp=$root/usr/local/bin/.$name.$$
	trap 'rm -f "$temp"' EXIT
	trap 'exit 1' HUP INT TERM
	install -m 755 "$1" "$temp"
	mv -f "$temp" "$root/usr/local/bin/$name"
	trap - EXIT HUP INT TERM
	echo "$name -> $root/usr/local/bin/$name"
}

# Each package in the version that the host has.
install_packages() {
	command -v pkg >/dev/null 2>&1 || fail "pkg is missing"
	set --
	for name in $packages; do
		version=$(pkg query %v "$name") || version=
		[ -n "$version" ] ||
			fail "the host has no package '$name' to take the version from: pkg install $name"
		set -- "$@" "$name-$version"
	done
	echo "packages: $*"
	# -U: the catalogue that the host installed from, offline when cached
	pkg -j "$jail" install -y -U "$@" ||
		fail "pkg could not install $* in the jail (is it running? is the host's cache cold? pkg fetch $*)"
}

find_bin() {
	here=$(cd "$(dirname "$0")/.." && pwd)
	for dir in "$here/build" /usr/local/bin /usr/bin; do
		if [ -x "$dir/colibri-test-agent" ]; then
			echo "$dir"
			return
		fi
	done
	fail "colibri-test-agent is not built; name its directory with --bin"
}

[ -n "$bin" ] || bin=$(find_bin)
[ -f "$bin/colibri-test-agent" ] || fail "there is no $bin/colibri-test-agent"
if [ "$system" = FreeBSD ] && [ $with_packages = yes ]; then
	install_packages
fi
for dir in usr usr/local usr/local/bin; do
	make_dir $dir 755
done
# Mount points of the launchers, which an ordinary user could not make.
for dir in proc dev; do
	make_dir $dir 755
done
[ -e "$root/tmp" ] || make_dir tmp 1777
put "$bin/colibri-test-agent"
printf %s "$binaries" | while IFS= read -r file; do
	[ -f "$file" ] || fail "there is no program $file"
	put "$file"
done
