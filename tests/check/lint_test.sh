#!/bin/sh
# lint_test.sh - luacheck, shellcheck and cppcheck have nothing to say. A tool
# that is not installed is skipped.
set -u
cd "$(dirname "$0")/../.." || exit
n=0
failed=0

# lint PACKAGE COMMAND...: one test.
lint() {
	package=$1
	shift
	n=$((n + 1))
	if ! command -v "$1" >/dev/null 2>&1; then
		echo "ok $n - $1 # SKIP install package $package"
	elif report=$("$@" 2>&1); then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		echo "$report" | sed 's/^/# /'
		failed=1
	fi
}

case ${BUILD:-build} in
*/asan)
	echo "1..0 # SKIP the plain build's run has looked at the same files"
	exit 0
	;;
esac
lint lua-check luacheck --quiet --formatter plain lua hooks scripts tests docs
# Not rc.d: what it sets is read by FreeBSD's rc.subr.
# shellcheck disable=SC2046 # a list of files
lint shellcheck shellcheck --external-sources --severity=warning \
    $(find scripts tests docs .ci \( -name node_modules -o -name rc.d \) \
    -prune -o -type f -exec grep -lE '^#! ?(/usr)?/bin/(env )?(ba)?sh' {} +)
lint cppcheck cppcheck --quiet --std=c11 --enable=warning,portability \
    --inline-suppr --error-exitcode=1 --include=tests/check/cppcheck.h \
    -Icore core
echo "1..$n"
exit $failed
