# shellcheck shell=sh
# common.sh - what the measurements share: a scratch directory on the file
# system of the build, helpers built, a daemon in it, pinning, medians.
cd "$(dirname "$0")/../.." || exit
top=$(pwd)
BUILD=${BUILD:-$top/build}
ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-1}

if [ "$(uname -s)" != Linux ]; then
	echo "bench: skipped: the measurements read /proc and use epoll"
	exit 0
fi
lua=
for name in lua5.4 lua-5.4 lua54; do
	pkg-config --exists $name && lua=$name && break
done
lib=$BUILD/libcolibri.a
for helper in ask load echo commit started task; do
	[ -x "$BUILD/bench/$helper" ] && [ -z "$(find "tests/bench/$helper.c" \
	    "$lib" -newer "$BUILD/bench/$helper")" ] && continue
	mkdir -p "$BUILD/bench"
	# shellcheck disable=SC2046 # lists of flags
	${CC:-cc} -std=c11 -O2 -Wall -Wextra -D_GNU_SOURCE -iquote core \
	    $(pkg-config --cflags "$lua" libevent_core sqlite3) \
	    -o "$BUILD/bench/$helper" "tests/bench/$helper.c" "$lib" \
	    $(pkg-config --libs "$lua" libevent_core sqlite3) -lm || exit 1
done
PATH=$BUILD/bench:$PATH

scratch=$(mktemp -d "$BUILD/bench/run.XXXXXX") || exit 1
pids=
# shellcheck disable=SC2317 # called by the trap
finish() {
	# shellcheck disable=SC2086 # a list of process ids
	[ -z "$pids" ] || kill $pids 2>/dev/null
	wait
	rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# The server has one core, the load the other.
if command -v taskset >/dev/null 2>&1 && [ "$(nproc)" -gt 1 ]; then
	on_server="taskset -c 1"
	on_load="taskset -c 0"
else
	on_server=
	on_load=
fi

jails=$scratch/jails
mkdir -p "$jails/proof0/root" "$scratch/vault" "$scratch/site"
set -- --socket "$scratch/sock" --db "$scratch/db" \
    --state-dir "$scratch/state" --jail-root-base "$jails" \
    --site-dir "$scratch/site" --vault file --vault-dir "$scratch/vault" \
    --provider-env "$scratch/provider.env" --jail-backend none \
    --log-level warn

# serve PROGRAM ARGUMENT...: start a server on its core; its id in $pid.
serve() {
	# shellcheck disable=SC2086 # may be empty
	$on_server "$@" 2>>"$scratch/log" &
	pid=$!
	pids="$pids $pid"
}

# run_load ARGUMENT...: the load generator on the other core.
run_load() {
	# shellcheck disable=SC2086 # may be empty
	$on_load load "$@" || exit 1
}

# median FILE COLUMN
median() {
	awk -v c="$2" '{ print $c }' "$1" | sort -n |
		awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# ratio A B
ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0 ? a / b : 0) }'
}
