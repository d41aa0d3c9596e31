#!/bin/sh
# The test server of tests/vault-server, driven by the real bw in both pinned
# versions (TAP). Skipped without node or npm, except where CI is set.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
cache=${COLIBRI_BW_DIR:-$top/build/bw}

# Nothing of it is ours in C.
case ${BUILD:-} in
*/asan*)
	echo "1..0 # SKIP the plain build's run has the same programs"
	exit 0 ;;
esac

# Not installed is a reason to skip on a desk, and a failure in CI.
missing() {
	if [ -n "${CI:-}" ]; then
		echo "1..1"
		echo "not ok 1 - the real bw is needed in CI: $1"
		exit 1
	fi
	echo "1..0 # SKIP $1"
	exit 0
}

versions=$(sh "$top/scripts/install-bw.sh" "$cache" 2>&1)
case $? in
0)	;;
3)	missing "$versions" ;;
*)	echo "$versions" | sed 's/^/# /'
	echo "Bail out! bw could not be installed"
	exit 1 ;;
esac

scratch=$(mktemp -d "${TMPDIR:-/tmp}/vault-server.XXXXXX") || exit 1
node_pid=
# The server ends with the driver, which holds its stdin.
cleanup() {
	if [ -n "$node_pid" ]; then
		kill "$node_pid" 2>/dev/null
		wait "$node_pid" 2>/dev/null
	fi
	rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

set --
for pinned in "$top"/tests/tools/bw-[0-9]*; do
	version=${pinned##*/bw-}
	set -- "$@" \
	    "$version=$cache/$version/node_modules/@bitwarden/cli/build/bw.js"
done
node "$top/tests/vault-server/selftest.js" "$scratch" "$@" &
node_pid=$!
wait "$node_pid"
status=$?
node_pid=
exit "$status"
