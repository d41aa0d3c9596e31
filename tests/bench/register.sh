#!/bin/sh
# register.sh - register-tenant at full durability: 64 connections at once (one
# commit carries what came in one turn), one connection, and next to them one
# upsert a COMMIT in plain C on the same file system.
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"

# Both become the load generator's one number.
# shellcheck disable=SC2016 # no shell variables
request='{"cmd":"register-tenant","tenant_id":"t%1$d","collection_id":"t%1$d"'
request="$request,\"jail_root_path\":\"$jails/proof0/root\"}"
serve "$BUILD/colibri-daemon" "$@"
daemon=$pid
ask "$scratch/sock" '{"cmd":"status"}' >/dev/null || exit 1

round=0
while [ $round -lt "$ROUNDS" ]; do
	# shellcheck disable=SC2086 # may be empty
	$on_server commit "$scratch/baseline" "$SECONDS_EACH" \
	    >>"$scratch/commit.out" || exit 1
	for conns in 64 1; do
		run_load "$scratch/sock" $conns 1 "$SECONDS_EACH" "$daemon" \
		    "$request" >>"$scratch/$conns.out"
	done
	round=$((round + 1))
done

# line WHAT FILE
line() {
	printf '  %-30s %8s rows/s  p50 %8s us  p99 %8s us' \
	    "$1" "$(median "$2" 1)" "$(median "$2" 2)" "$(median "$2" 3)"
}

echo "register-tenant, synchronous=FULL; $ROUNDS rounds of ${SECONDS_EACH} s, medians"
line "one row a COMMIT, plain C" "$scratch/commit.out"
echo
line "colibri, 1 connection" "$scratch/1.out"
echo "  CPU $(median "$scratch/1.out" 4) us/request"
line "colibri, 64 connections" "$scratch/64.out"
echo "  CPU $(median "$scratch/64.out" 4) us/request"
echo "  64 connections: $(ratio "$(median "$scratch/64.out" 1)" \
    "$(median "$scratch/commit.out" 1)") times plain C's single commits," \
    "$(ratio "$(median "$scratch/64.out" 1)" "$(median "$scratch/1.out" 1)")" \
    "times 1 connection"
