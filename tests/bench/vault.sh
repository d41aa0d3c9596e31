#!/bin/sh
# vault.sh - what a provision costs: with the real bw cold, warm and for many
# tenants at once, next to the naive chain of one process a call in the same
# run; and with the stand-in, which takes no time of its own worth mentioning,
# what colibri adds.
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
TENANTS=${TENANTS:-50}		# at least 10
cache=${COLIBRI_BW_DIR:-$top/build/bw}
ROUNDS=${VAULT_ROUNDS:-3}
control="node $top/tests/vault-server/ctl.js"

now() {
	date +%s.%N
}
since() {
	awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.3f\n", b - a }'
}

# start DIR BW FLAG...: a daemon of its own with the tenants t0, t1, ...; $pid.
start() {
	dir=$1 program=$2
	shift 2
	mkdir -p "$dir/site" "$dir/jails"
	"$BUILD/colibri-daemon" --socket "$dir/sock" --db "$dir/db" \
	    --state-dir "$dir/state" --jail-root-base "$dir/jails" \
	    --site-dir "$dir/site" --provider-env "$scratch/provider.env" \
	    --jail-backend none --log-level warn --vault bw --bw "$program" \
	    --max-connections 256 --max-requests 256 "$@" 2>>"$scratch/log" &
	pid=$!
	pids="$pids $pid"
	tries=0
	until ask "$dir/sock" '{"cmd":"status"}' >/dev/null 2>&1 || [ $tries -ge 500 ]; do
		sleep 0.02
		tries=$((tries + 1))
	done
	i=0
	while [ $i -lt "$TENANTS" ]; do
		mkdir -p "$dir/jails/t$i/root"
		ask "$dir/sock" "{\"cmd\":\"register-tenant\",\"tenant_id\":\"t$i\",\"collection_id\":\"t$i\",\"jail_root_path\":\"$dir/jails/t$i/root\"}" >/dev/null
		i=$((i + 1))
	done
}
stop() {
	kill "$pid"
	wait "$pid"
}
# ticks: CPU time of the daemon.
ticks() {
	awk '{ print $14 + $15 }' "/proc/$pid/stat"
}
# provision DIR N: seconds.
provision() {
	"$BUILD/colibri-run" --log-level error tests/bench/vault.lua "$1/sock" "$2" t || {
		tail -n 5 "$scratch/log" >&2
		exit 1
	}
}

# --- the stand-in ---

standin() {
	cat >"$scratch/provider.env" <<-'END'
		BW_SERVER=https://vault.example.com
		BW_CLIENTID=user.0
		BW_CLIENTSECRET=s
		BW_PASSWORD=p
	END
	chmod 600 "$scratch/provider.env"
	start "$scratch/s" "$top/tests/tools/bw-standin" --vault-idle 600
	provision_error=$("$BUILD/colibri-run" --log-level error \
	    tests/bench/vault.lua "$scratch/s/sock" 1 t 2>&1)
	data=$(echo "$scratch"/s/state/bw/*)
	[ -d "$data" ] || { echo "bench: $provision_error"; exit 1; }
	stop
	mkdir -p "$data/standin"
	: >"$data/standin/serve"
	awk -v n="$TENANTS" -v C="$data/standin/collections.json" \
	    -v I="$data/standin/items.json" 'BEGIN {
		printf "[" >C; printf "[" >I
		for (i = 0; i < n; i++) {
			printf "%s{\"id\":\"c-%x\",\"name\":\"t%d\"}", i ? "," : "", i, i >C
			for (j = 0; j < 10; j++)
				printf "%s{\"id\":\"a-%x-%x\",\"type\":1,\"name\":\"KEY_%d\",\"collectionIds\":[\"c-%x\"],\"login\":{\"password\":\"value %d of %d\"}}", i + j ? "," : "", i, j, j, i, j, i >I
		}
		printf "]" >C; printf "]" >I
	}'
	start "$scratch/s" "$top/tests/tools/bw-standin" --vault-idle 600
	provision "$scratch/s" 1 >/dev/null
	round=0
	before=$(ticks)
	while [ $round -lt 5 ]; do
		# Every one is written anew.
		rm -f "$scratch"/s/jails/*/root/.env
		provision "$scratch/s" 1 >>"$scratch/s.one"
		rm -f "$scratch"/s/jails/*/root/.env
		provision "$scratch/s" "$TENANTS" >>"$scratch/s.many"
		round=$((round + 1))
	done
	after=$(ticks)
	stop
	awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" -v one="$(median "$scratch/s.one" 1)" \
	    -v many="$(median "$scratch/s.many" 1)" -v n="$TENANTS" 'BEGIN {
		printf "stand-in, session open, 10 items a tenant: 1 tenant %.1f ms, %d at once %.1f ms\n", one * 1000, n, many * 1000
		printf "  colibri adds %.2f ms a further tenant, fsyncs included (aim 5); CPU of the daemon %.2f ms\n",
		    (many - one) * 1000 / (n - 1), ticks * 1000 / hz / (5 * (n + 1))
	}'
}

# --- the real bw ---

seed() {
	node -e 'const n = +process.argv[1]; console.log(JSON.stringify({
	  accounts: [{ email: "b@example.test", password: "bench password", clientSecret: "bench-secret" }],
	  organizations: [{ name: "T", collections: Array.from({ length: n }, (_, i) => ({
	    name: `t${i}`, items: [{ name: "KEY_{n}", password: `value {n} of ${i}`, count: 5 }] })) }] }))' "$TENANTS"
}
# bw ARGUMENT...: as a person's script would run it, in its own directory.
bw() {
	env -i PATH=/usr/bin:/bin HOME="$scratch/naive" LANG=C.UTF-8 \
	    BITWARDENCLI_APPDATA_DIR="$scratch/naive" BW_NOINTERACTION=true \
	    NODE_EXTRA_CA_CERTS="$ca" BW_CLIENTID="$id" \
	    BW_CLIENTSECRET=bench-secret BW_PASSWORD="bench password" \
	    BW_SESSION="${session:-}" "$BW" "$@"
}
naive() {
	rm -rf "$scratch/naive"
	mkdir -p "$scratch/naive"
	bw config server "$url" >/dev/null 2>&1 &&
	bw login --apikey >/dev/null &&
	session=$(bw unlock --passwordenv BW_PASSWORD --raw) &&
	collection=$(bw list collections | sed 's/.*"id":"\([^"]*\)","organizationId":"[^"]*","name":"t0".*/\1/') &&
	bw list items --collectionid "$collection" >/dev/null &&
	bw logout >/dev/null
	session=
}

real() {
	seed >"$scratch/seed.json"
	mkfifo "$scratch/in"
	node tests/vault-server/server.js --seed "$scratch/seed.json" \
	    --dir "$scratch/server" <"$scratch/in" >"$scratch/out" &
	pids="$pids $!"		# it would wait for the end of our stdin, we for its
	exec 9>"$scratch/in"
	tries=0
	until [ -s "$scratch/out" ] || [ $tries -ge 1500 ]; do
		sleep 0.02
		tries=$((tries + 1))
	done
	url=$(sed 's/.*"url":"\([^"]*\)".*/\1/' "$scratch/out")
	ca=$(sed 's/.*"ca":"\([^"]*\)".*/\1/' "$scratch/out")
	socket=$(sed 's/.*"control":"\([^"]*\)".*/\1/' "$scratch/out")
	id=$($control "$socket" state | sed 's/.*"clientId":"\([^"]*\)".*/\1/')
	printf 'BW_SERVER=%s\nBW_CLIENTID=%s\nBW_CLIENTSECRET=bench-secret\nBW_PASSWORD=bench password\nNODE_EXTRA_CA_CERTS=%s\n' \
	    "$url" "$id" "$ca" >"$scratch/provider.env"
	chmod 600 "$scratch/provider.env"
	round=0
	while [ $round -lt "$ROUNDS" ]; do
		began=$(now)
		naive || exit 1
		since "$began" >>"$scratch/naive.out"
		for n in 1 10 "$TENANTS"; do
			start "$scratch/r$round-$n" "$BW" --vault-idle 600
			provision "$scratch/r$round-$n" "$n" >>"$scratch/cold$n.out"
			if [ "$n" = "$TENANTS" ]; then
				for _ in 1 2 3; do
					provision "$scratch/r$round-$n" 1 >>"$scratch/warm.out"
				done
				$control "$socket" items '{"collection":"t0","add":[{"name":"NEW_'$round'","password":"x"}]}' >/dev/null
				provision "$scratch/r$round-$n" 1 >>"$scratch/changed.out"
			fi
			# A second session of the same daemon.
			if [ "$n" = 1 ]; then
				stop
				start "$scratch/r$round-$n" "$BW" --vault-idle 0
				for again in '' "$scratch/kept.out"; do
					provision "$scratch/r$round-$n" 1 >>"${again:-/dev/null}"
					until ask "$scratch/r$round-$n/sock" '{"cmd":"status","full":true}' |
					    grep -q '"open":false'; do
						sleep 0.1
					done
				done
			fi
			stop
		done
		round=$((round + 1))
	done
	base=$(median "$scratch/naive.out" 1)
	echo "real bw 2026.8.0; $ROUNDS rounds, medians, seconds until .env is written"
	printf '  %-44s %8.2f\n' "naive chain, 6 processes, 1 tenant" "$base"
	report "colibri, first session ever" cold1
	report "colibri, a later session (aim 0.40)" kept
	report "colibri, session open, no change (aim 0.05)" warm
	report "colibri, session open, vault changed" changed
	report "colibri, first session, 10 tenants at once" cold10
	report "colibri, first session, $TENANTS tenants at once" "cold$TENANTS"
	echo "  $TENANTS at once are $(ratio "$(median "$scratch/cold$TENANTS.out" 1)" \
	    "$(median "$scratch/cold1.out" 1)") times one (aim 1.5)"
}
# report WHAT FILE
report() {
	seconds=$(median "$scratch/$2.out" 1)
	printf '  %-44s %8.2f  %s of naive\n' "$1" "$seconds" "$(ratio "$seconds" "$base")"
}

standin
BW=$cache/2026.8.0/node_modules/@bitwarden/cli/build/bw.js
if sh scripts/install-bw.sh "$cache" >/dev/null 2>&1; then
	real
else
	echo "real bw: skipped: $(sh scripts/install-bw.sh "$cache" 2>&1 | tail -n 1)"
fi
