#!/bin/sh
# requests.sh - `status` over the socket next to a bare libevent line echo of
# the same reply, in interleaved rounds: rate, latency, CPU time of the server.
# The ratio of CPU time is steady on a noisy machine; the rates are not.
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"

request='{"cmd":"status"}'
serve "$BUILD/colibri-daemon" "$@"
daemon=$pid
reply=$(ask "$scratch/sock" "$request") || exit 1
serve "$BUILD/bench/echo" "$scratch/echo" "$reply"
echo=$pid
ask "$scratch/echo" x >/dev/null || exit 1

# line WHAT FILE: medians of the rounds
line() {
	printf '  %-9s %10s /s  p50 %8s us  p99 %8s us  CPU %6s us/request\n' \
	    "$1" "$(median "$2" 1)" "$(median "$2" 2)" "$(median "$2" 3)" \
	    "$(median "$2" 4)"
}

echo "status, a reply of ${#reply} bytes; $ROUNDS rounds of ${SECONDS_EACH} s, medians"
for shape in "1 1" "1 16" "50 1" "50 16"; do
	conns=${shape% *}
	pipeline=${shape#* }
	rm -f "$scratch/colibri.out" "$scratch/echo.out"
	round=0
	while [ $round -lt "$ROUNDS" ]; do
		run_load "$scratch/echo" "$conns" "$pipeline" "$SECONDS_EACH" \
		    "$echo" "$request" >>"$scratch/echo.out"
		run_load "$scratch/sock" "$conns" "$pipeline" "$SECONDS_EACH" \
		    "$daemon" "$request" >>"$scratch/colibri.out"
		round=$((round + 1))
	done
	echo "$conns connections, pipeline $pipeline"
	line echo "$scratch/echo.out"
	line colibri "$scratch/colibri.out"
	echo "  of the echo: rate $(ratio "$(median "$scratch/colibri.out" 1)" \
	    "$(median "$scratch/echo.out" 1)"), by CPU time $(ratio \
	    "$(median "$scratch/echo.out" 4)" "$(median "$scratch/colibri.out" 4)")"
done
