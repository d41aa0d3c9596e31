#!/bin/sh
# agents.sh - many live agents: latency of `status`, memory; one that writes
# flat out, next to cat. AGENTS, FLAT_MB, STATUS_REQUESTS.
cd "$(dirname "$0")/../.." || exit
BUILD=${BUILD:-$(pwd)/build}
if [ "$(uname -s)" != Linux ]; then
	echo "bench: skipped: the measurements read /proc"
	exit 0
fi
mkdir -p "$BUILD/bench"
${CC:-cc} -std=c11 -O2 -Wall -Wextra -D_GNU_SOURCE -static \
    -o "$BUILD/bench/ticker" tests/bench/ticker.c || exit 1
export BUILD
exec "$BUILD/colibri-run" --log-level error test tests/bench/agents.lua
