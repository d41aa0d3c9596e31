#!/bin/sh
# spawn.sh - from a spawn to the agent's first event, and spawns per second, next
# to a bare posix_spawn of the same program and, where bwrap works, to a bare
# bwrap loop: interleaved rounds, medians. Aim: at p50 at most 3 ms more than the
# bare launcher.
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
SPAWNS=${SPAWNS:-100}
for helper in spawn first; do
	${CC:-cc} -std=c11 -O2 -Wall -Wextra -D_GNU_SOURCE -o "$BUILD/bench/$helper" \
	    "tests/bench/$helper.c" || exit 1
done
root=$jails/proof0/root
mkdir -p "$root/bin" "$root/proc" "$root/dev" "$root/tmp"
${CC:-cc} -O2 -static -o "$root/bin/first" tests/bench/first.c 2>/dev/null ||
	cp "$BUILD/bench/first" "$root/bin/first"
first=$BUILD/bench/first

serve "$BUILD/colibri-daemon" "$@"
host=$scratch/sock
ask "$host" '{"cmd":"status"}' >/dev/null || exit 1
bwrap=$(command -v bwrap)
if [ -n "$bwrap" ] && bwrap --unshare-pid --bind "$root" / --proc /proc --dev /dev \
    /bin/first >/dev/null 2>&1; then
	serve "$BUILD/colibri-daemon" --socket "$scratch/sock2" --db "$scratch/db2" \
	    --state-dir "$scratch/state2" --jail-root-base "$jails" \
	    --site-dir "$scratch/site" --vault file --vault-dir "$scratch/vault" \
	    --provider-env "$scratch/provider.env" --jail-backend bwrap --log-level warn
	ask "$scratch/sock2" '{"cmd":"status"}' >/dev/null || exit 1
else
	echo "without bwrap, which does not work here"
	bwrap=
fi
local='{"cmd":"spawn-local","model":"'$first'"}'
jailed='{"cmd":"spawn-local","model":"/bin/first","jail_name":"proof0"'
jailed=$jailed',"jail_root":"'$root'"}'
into='--unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try'
into="$into --hostname proof0 --bind $root / --proc /proc --dev /dev --tmpfs /tmp"
into="$into --ro-bind-try /proc/sys /proc/sys --ro-bind-try /proc/irq /proc/irq"
into="$into --ro-bind-try /proc/bus /proc/bus --ro-bind-try /proc/fs /proc/fs"
into="$into --new-session --die-with-parent --cap-drop ALL --chdir / --"

# round NAME ARGUMENT...: one measurement, appended to NAME.out
round() {
	name=$1
	shift
	# shellcheck disable=SC2086 # may be empty
	$on_load spawn "$@" >>"$scratch/$name.out" || exit 1
}

i=0
while [ $i -lt "$ROUNDS" ]; do
	round bare bare "$SPAWNS" "$first"
	round colibri colibri "$SPAWNS" "$host" "$local"
	round rate rate "$SPAWNS" 8 "$host" "$local"
	if [ -n "$bwrap" ]; then
		# shellcheck disable=SC2086 # a list of words
		round bwrap bare "$SPAWNS" "$bwrap" $into /bin/first
		round jailed colibri "$SPAWNS" "$scratch/sock2" "$jailed"
		round jrate rate "$SPAWNS" 8 "$scratch/sock2" "$jailed"
	fi
	i=$((i + 1))
done

# line WHAT NAME
line() {
	printf '  %-20s best %6s us  p50 %6s us  p90 %6s us  %7s /s\n' "$1" \
	    "$(median "$scratch/$2.out" 4)" "$(median "$scratch/$2.out" 1)" \
	    "$(median "$scratch/$2.out" 2)" "$(median "$scratch/$2.out" 3)"
}
# pair TITLE BARE COLIBRI RATE
pair() {
	echo "$1"
	line "bare loop" "$2"
	line "colibri, one by one" "$3"
	printf '  %-20s %58s /s\n' "colibri, 8 at once" "$(median "$scratch/$4.out" 3)"
	for column in 1 4; do
		awk -v a="$(median "$scratch/$3.out" $column)" \
		    -v b="$(median "$scratch/$2.out" $column)" -v c=$column \
		    'BEGIN { printf "  colibri adds %.2f ms %s\n", (a - b) / 1000,
			c == 1 ? "at p50 (aim: 3)" : "at best" }'
	done
}
echo "first event of a spawn; $ROUNDS rounds of $SPAWNS spawns, medians"
pair "posix_spawn, no jail" bare colibri rate
[ -z "$bwrap" ] || pair "bwrap" bwrap jailed jrate
