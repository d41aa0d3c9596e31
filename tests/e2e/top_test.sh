#!/bin/sh
# `colibri top` on a terminal of its own: keys act, and on every way out the
# terminal is as it was.
set -u
# shellcheck source=tests/e2e/tap.sh
. "$(dirname "$0")/tap.sh"

scratch_make top
COLIBRI_DAEMON_SOCKET=$scratch/run/sock
export COLIBRI_DAEMON_SOCKET
daemon_start "$scratch" --jail-backend none

run colibri top
is "without a terminal: one look, as text" "$status|$(printf '%s\n' "$out" | sed -n '4p')" "0|no agents"
run colibri top nope
like "the interval is a number" "$status|$err" '^2\|colibri: top: Usage'

if [ "$(script -qec 'test -t 1 && echo yes' /dev/null </dev/null 2>/dev/null | tr -d '\r')" != yes ]; then
	skip "the keys" "script(1) gives no terminal here"
	done_testing
	exit
fi

# until COMMAND...: at most ten seconds.
until_true() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || return 1
		sleep 0.05
	done
}
seen() {
	grep -q -- "$1" "$scratch/screen"
}
gone() {
	! colibri list-agents | grep -q "$1"
}
# left NAME: the other screen was entered, and left last.
left() {
	is "$1" "$(grep -o '\[?1049[hl]' "$scratch/screen" | sed -n '1p;$p' | xargs)" '[?1049h [?1049l'
}
# on_tty COMMAND: with what is written to fd 3 as its keys; the screen is in a file.
on_tty() {
	script -qefc "stty rows 20 cols 100; $1; stty -a" "$scratch/screen" >/dev/null 2>&1
}

agent=$(colibri spawn-local /bin/sh --arg -c --arg 'echo said-this; exec sleep 1000' |
	sed 's/.*"agent_id":"\([^"]*\)".*/\1/')
other=$(colibri spawn-local /bin/sh --arg -c --arg 'exec sleep 1000' --jail-name zz9 |
	sed 's/.*"agent_id":"\([^"]*\)".*/\1/')
short=$(printf %.8s "$agent")
: >"$scratch/screen"
{
	until_true seen "$short"
	printf '/zz9\r'                 # only the other one is left
	until_true seen 'filter'
	printf 'x'
	until_true seen 'y/n'
	printf 'y'
	until_true gone "$other"
	printf '/\033'                  # all again
	printf 'l'
	until_true seen 'said-this'
	printf 'b'
	printf 'q'
} | on_tty 'colibri top 0.1'
screen=$(tr -d '\r' <"$scratch/screen")
ok "/ and x: the filtered one was stopped" gone "$other"
like "it still runs" "$(colibri get-agent "$agent")" '"status":"running"'
left "a screen of its own, left again"
like "l shows what it writes" "$screen" 'said-this'
like "the terminal is as before: lines, echo, signals" "$(printf '%s' "$screen" | grep -c -- ' -icanon\| -echo \| -isig')" '^0$'

for signal in TERM HUP INT; do
	: >"$scratch/screen"
	{
		until_true seen "$short"
		printf z
		until_true seen 'icanon'
	} | on_tty "sh -c 'echo \$\$ >$scratch/pid; exec colibri top 0.1 </dev/tty' & until [ -s $scratch/pid ]; do sleep 0.02; done; \
until grep -q $short $scratch/screen; do sleep 0.05; done; kill -$signal \$(cat $scratch/pid); wait"
	rm -f "$scratch/pid"
	is "$signal: the terminal is as before" "$(grep -c -- ' -icanon\| -echo \| -isig' "$scratch/screen")" 0
	left "$signal: the screen, too"
done

ok "TERM ends the daemon with 0" daemon_stop "$scratch"
done_testing
