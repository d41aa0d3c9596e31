#!/bin/sh
# script.sh - what a hook costs each request, and what a task costs. Five daemons
# answer `status` in turn: nothing in the site directory; one hook of `authorize`
# that does nothing; ten of them; one that waits once; and the first again, which
# tells how far two equal ones are apart. Beside the task: a bare Lua coroutine.
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"

request='{"cmd":"status"}'
empty='return { api = 1, summary = "empty", run = function() end }'
waits='return { api = 1, summary = "waits", run = function(ctx) ctx.task.sleep(0) end }'

# site NAME COUNT TEXT: a daemon with COUNT such hooks; its id in NAME.pid.
site() {
	hooks=$scratch/$1/site/hooks/authorize
	mkdir -p "$hooks"
	i=0
	while [ $i -lt "$2" ]; do
		printf '%s\n' "$3" >"$hooks/h$i.lua"
		i=$((i + 1))
	done
	serve "$BUILD/colibri-daemon" --socket "$scratch/$1/sock" \
	    --db "$scratch/$1/db" --state-dir "$scratch/$1/state" \
	    --jail-root-base "$jails" --site-dir "$scratch/$1/site" \
	    --vault file --vault-dir "$scratch/vault" --jail-backend none \
	    --log-level warn
	echo "$pid" >"$scratch/$1/pid"
	case $(ask "$scratch/$1/sock" "$request") in
	'{"ok":true,'*) ;;
	*) cat "$scratch/log"; exit 1 ;;
	esac
}

sites="none empty ten waits again"
site none 0 ""
site empty 1 "$empty"
site ten 10 "$empty"
site waits 1 "$waits"
site again 0 ""

round=0
while [ $round -lt "$ROUNDS" ]; do
	for name in $sites; do
		run_load "$scratch/$name/sock" 50 16 "$SECONDS_EACH" \
		    "$(cat "$scratch/$name/pid")" "$request" \
		    >>"$scratch/$name.out"
	done
	round=$((round + 1))
done

# cost NAME: CPU us/request
cost() {
	median "$scratch/$1.out" 4
}

# more NAME BASE BY: what one hook adds
more() {
	awk -v a="$(cost "$1")" -v b="$(cost "$2")" -v n="$3" \
	    'BEGIN { printf "%.2f", (a - b) / n }'
}

echo "hooks of authorize, 50 connections, pipeline 16; $ROUNDS rounds of" \
    "${SECONDS_EACH} s, medians, CPU us/request"
echo "  none $(cost none) (again: $(cost again)), one $(cost empty)," \
    "ten $(cost ten), one that waits $(cost waits)"
echo "  an empty hook: $(more ten empty 9) us; the first one:" \
    "$(more empty none 1) us; one that waits once: $(more waits none 1) us"

echo "tasks"
task >"$scratch/task.out" || exit 1
awk '{ v[$1] = $2 } END {
	printf "  suspended    %5d bytes  a bare coroutine %5d bytes\n", \
	    v["task-bytes"], v["coroutine-bytes"]
	printf "  start to end %5.2f us     a bare coroutine %5.2f us\n", \
	    v["task-us"], v["coroutine-us"]
}' "$scratch/task.out"
