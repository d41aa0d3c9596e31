#!/bin/sh
# gc_test.sh - the Lua tests and the main job with a full collection at every
# wait (COLIBRI_TEST_GC): what a waiting frame needs must be reachable.
# BUILD names the programs; under make check-asan they are the sanitizers'.
set -u
cd "$(dirname "$0")/../.." || exit
BUILD=${BUILD:-$(pwd)/build}
COLIBRI_TEST_GC=1
export BUILD COLIBRI_TEST_GC
n=0
failed=0
for file in tests/lua/*_test.lua tests/e2e/main_job_test.lua; do
	n=$((n + 1))
	if report=$(sh tests/exec.sh "$file" 2>&1); then
		echo "ok $n - $file"
	else
		echo "not ok $n - $file"
		echo "$report" | grep -v '^ok ' | tail -n 60 | sed 's/^/# /'
		failed=1
	fi
done
echo "1..$n"
exit $failed
