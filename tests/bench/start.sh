#!/bin/sh
# start.sh - from exec to listening, and memory when idle, next to a bare
# libevent echo.
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
RUNS=${RUNS:-20}

started "$RUNS" "$scratch/echo" "$BUILD/bench/echo" "$scratch/echo" x \
    >"$scratch/echo.out" 2>>"$scratch/log" || exit 1
started "$RUNS" "$scratch/sock" "$BUILD/colibri-daemon" "$@" \
    >"$scratch/colibri.out" 2>>"$scratch/log" || exit 1

echo "start and idle memory; $RUNS starts"
for what in echo colibri; do
	read -r ms slow rss private <"$scratch/$what.out"
	printf '  %-9s listening after %6s ms (p90 %6s)  resident %5s KiB  private %5s KiB\n' \
	    $what "$ms" "$slow" "$rss" "$private"
done
