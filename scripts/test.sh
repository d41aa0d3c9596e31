#!/bin/sh
# test.sh - every test: installs what tests need, builds, runs the tests, then
# all of them again under AddressSanitizer and UndefinedBehaviorSanitizer, and
# beside both five minutes of chaos. The last lines of prove tell how many ran.
# Repeats without harm; as root, or as a user with sudo.
set -eu
cd "$(dirname "$0")/.."
# Nothing runs from files that others could write to, as a clone made under
# umask 002 would have them.
umask 022
chmod go-w . 2>/dev/null || :
chmod -R go-w lua hooks scripts tests 2>/dev/null || :

make="make"
[ "$(uname -s)" != FreeBSD ] || make="gmake"
if [ -e build ] && [ ! -w build ]; then
	echo "colibri: build/ belongs to somebody else; remove it (as its owner) and try again" >&2
	exit 1
fi

echo "==> what tests need"
sh scripts/deps.sh build jail test extra
echo "==> build"
$make -s -j2 all
# A compiler with FreeBSD's headers, for tests/check/freebsd_test.sh; 77: it
# cannot be had, and the reason was printed.
sh scripts/check-freebsd.sh --install || [ $? = 77 ]
$make -s -j2 BUILD=build/asan SAN=address,undefined all

echo "==> five minutes of chaos, under sanitizers, beside the rest"
$make -s check-chaos >build/chaos.log 2>&1 &
chaos=$!
trap 'kill "$chaos" 2>/dev/null || :' EXIT
echo "==> tests"
$make -j2 check
echo "==> tests, under sanitizers"
$make -j2 check-asan
echo "==> chaos"
wait "$chaos" || failed=$?
trap - EXIT
cat build/chaos.log
exit "${failed:-0}"
