#!/bin/sh
# Installs the pinned Bitwarden CLIs that the tests drive, and npm's dotenv that
# reads what they led to, each checked against the integrity in its lock file
# (tests/tools/bw-VERSION, dotenv-VERSION), without running any install script.
#
#	install-bw.sh [DIRECTORY]	(default: build/bw of this tree)
#
# DIRECTORY/VERSION/node_modules/@bitwarden/cli/build/bw.js is then there for
# each version, and DIRECTORY/dotenv-VERSION/node_modules/dotenv. What is there
# already is kept, so this needs the network once.
# Exit status: 0 all there, 3 node or npm is missing, 1 anything else.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
dest=${1:-$top/build/bw}

say() {
	echo "install-bw: $*" >&2
}

# The stamp is the lock file that the installation was made from.
is_installed() {
	[ -d "$2/node_modules" ] && cmp -s "$1/package-lock.json" "$2/installed.lock"
}

# install_one PINNED_DIRECTORY TARGET: made aside and renamed, so that a
# reader never sees half of it and two runs at once do not disturb each other.
install_one() {
	tmp=$2.tmp.$$
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM
	mkdir -p "$tmp"
	cp "$1/package.json" "$1/package-lock.json" "$tmp/"
	if ! (cd "$tmp" && npm ci --ignore-scripts --no-audit --no-fund \
	    --prefer-offline --loglevel=error >npm.log 2>&1); then
		sed 's/^/install-bw: npm: /' "$tmp/npm.log" >&2
		say "npm ci failed for ${1##*/} (is the npm registry reachable?)"
		return 1
	fi
	rm -f "$tmp/npm.log"
	cp "$1/package-lock.json" "$tmp/installed.lock"
	if ! is_installed "$1" "$2"; then
		rm -rf "$2"
		mv "$tmp" "$2"
		# Somebody else was first: ours landed inside theirs.
		rm -rf "${2:?}/${tmp##*/}"
	fi
	rm -rf "$tmp"
	trap - EXIT HUP INT TERM
}

command -v node >/dev/null 2>&1 || {
	say "node is missing: install Node.js 20 or newer to run the real bw"
	exit 3
}
# install_pinned PINNED_DIRECTORY TARGET NAME
install_pinned() {
	is_installed "$1" "$2" && return 0
	command -v npm >/dev/null 2>&1 || {
		say "npm is missing: it is needed once to fetch $3"
		exit 3
	}
	mkdir -p "$dest"
	install_one "$1" "$2"
}
for pinned in "$top"/tests/tools/bw-[0-9]*; do
	version=${pinned##*/bw-}
	install_pinned "$pinned" "$dest/$version" "bw $version"
	echo "bw $version: $dest/$version/node_modules/@bitwarden/cli/build/bw.js"
done
for pinned in "$top"/tests/tools/dotenv-[0-9]*; do
	version=${pinned##*/dotenv-}
	install_pinned "$pinned" "$dest/dotenv-$version" "dotenv $version"
	echo "dotenv $version: $dest/dotenv-$version/node_modules/dotenv/lib/main.js"
done
