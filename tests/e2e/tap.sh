# shellcheck shell=sh
# tap.sh - TAP and scratch daemons for the shell tests; sourced, not run.
#
#	. "$(dirname "$0")/tap.sh"
#	scratch_make example
#	daemon_start "$scratch" --jail-backend none
#	is "no tenant yet" "$(colibri --socket "$scratch/run/sock" list-tenants)" ""
#	done_testing
#
# The programs of BUILD are first in PATH, no COLIBRI_* of the caller counts,
# and at the end daemons, agents and the scratch directory are gone.

top=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${BUILD:-$top/build}
PATH=$BUILD:$PATH
for tap_name in $(env | sed -n 's/^\(COLIBRI_[A-Z_]*\)=.*/\1/p'); do
	unset "$tap_name"
done
unset MAKEFLAGS MFLAGS MAKELEVEL BW_SESSION
COLIBRI_SHARE_DIR=$top
export BUILD PATH COLIBRI_SHARE_DIR

tap_count=0 tap_failed=0 scratch='' tap_daemons=''

diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

# pass NAME, fail NAME [WHY]
pass() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

fail() {
	tap_count=$((tap_count + 1)) tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1"
	[ $# -lt 2 ] || diag "$2"
}

# ok NAME COMMAND [ARG...]: the command succeeds.
ok() {
	tap_name=$1
	shift
	if "$@"; then
		pass "$tap_name"
	else
		fail "$tap_name" "failed: $*"
	fi
}

# is NAME GOT EXPECTED
is() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "got:      $2
expected: $3"
	fi
}

# like NAME TEXT ERE: a line matches. unlike: none does.
like() {
	if printf '%s\n' "$2" | grep -Eq -e "$3"; then
		pass "$1"
	else
		fail "$1" "no line matches $3:
$2"
	fi
}

unlike() {
	if printf '%s\n' "$2" | grep -Eq -e "$3"; then
		fail "$1" "a line matches $3:
$2"
	else
		pass "$1"
	fi
}

# skip NAME WHY
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

done_testing() {
	echo "1..$tap_count"
	[ $tap_failed -eq 0 ] || exit 1
	exit 0
}

bail_out() {
	echo "Bail out! $1"
	exit 1
}

# run COMMAND...: sets status, out and err (files $scratch/out and err too).
# shellcheck disable=SC2034 # for the caller
run() {
	status=0
	"$@" >"$scratch/out" 2>"$scratch/err" || status=$?
	out=$(cat "$scratch/out")
	err=$(cat "$scratch/err")
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	tap_limit=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt $tap_limit ] || return 1
		sleep 0.02
	done
}

# field NAME: its scalar value in each JSON line of stdin.
field() {
	sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p'
}

# --- processes and the scratch directory ---

# Ids of processes that name the scratch directory in their arguments, or have
# it as their root, their directory or an open file.
scratch_processes() {
	{
		ps axww -o pid= -o args= |
			S=$scratch awk 'index($0, ENVIRON["S"]) { print $1 }'
		find /proc/[0-9]*/root /proc/[0-9]*/cwd /proc/[0-9]*/fd \
		    -lname "$scratch*" 2>/dev/null | cut -d / -f 3
	} | sort -u | grep -vx $$
}

no_processes() {
	[ -z "$(scratch_processes)" ]
}

scratch_cleanup() {
	for tap_dir in $tap_daemons; do
		daemon_stop "$tap_dir" >/dev/null 2>&1
	done
	for tap_signal in TERM KILL; do
		for tap_pid in $(scratch_processes); do
			kill -s $tap_signal "$tap_pid" 2>/dev/null
		done
		wait_for 5 no_processes && break
	done
	cd / || :
	rm -rf "$scratch"
}

# scratch_make NAME: sets scratch, a canonical path without blanks.
scratch_make() {
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/colibri-$1.XXXXXX") ||
		bail_out "no scratch directory"
	scratch=$(cd "$scratch" && pwd -P)
	trap scratch_cleanup EXIT
	trap 'exit 1' HUP INT TERM
}

# --- daemons: DIR is $scratch or a directory below it ---

# daemon_argv DIR: what all scratch daemons are started with.
daemon_argv() {
	printf '%s\n' --socket "$1/run/sock" --db "$1/colibri.sqlite" \
	    --state-dir "$1/state" --jail-root-base "$1/jails" \
	    --site-dir "$1/site" --vault file --vault-dir "$1/vault" \
	    --provider-env "$1/provider.env" --jail-priv-mode none
}

daemon_tree() {
	(umask 022 && mkdir -p "$1/jails" "$1/site")
	(umask 077 && mkdir -p "$1/vault")
}

daemon_up() {
	colibri --socket "$1/run/sock" status >"$1/status" 2>&1
}

daemon_up_or_dead() {
	daemon_up "$1" || ! kill -0 "$(cat "$1/pid")" 2>/dev/null
}

# daemon_wait DIR: until it answers; the id of the daemon goes into DIR/pid.
daemon_wait() {
	if ! wait_for 30 daemon_up_or_dead "$1" || ! daemon_up "$1"; then
		diag "$(cat "$1/status" "$1/log")"
		bail_out "the daemon does not answer"
	fi
	field pid <"$1/status" >"$1/pid"
}

# daemon_start DIR [FLAG...]: the log goes to DIR/log. DAEMON names another
# program, which the flags follow; an own COLIBRI_* may be exported before.
daemon_start() {
	tap_dir=$1
	shift
	daemon_tree "$tap_dir"
	# shellcheck disable=SC2046,SC2086 # paths without blanks
	${DAEMON:-colibri-daemon} $(daemon_argv "$tap_dir") "$@" \
	    >>"$tap_dir/log" 2>&1 </dev/null &
	tap_job=$!
	echo $tap_job >"$tap_dir/pid"
	echo $tap_job >"$tap_dir/job"
	case " $tap_daemons " in
	*" $tap_dir "*) ;;
	*) tap_daemons="$tap_daemons $tap_dir" ;;
	esac
	daemon_wait "$tap_dir"
}

# daemon_stop DIR: its agents, then the daemon; returns its exit status.
daemon_stop() {
	[ -f "$1/pid" ] || return 0
	for tap_agent in $(colibri --socket "$1/run/sock" list-agents | field agent_id); do
		colibri --socket "$1/run/sock" stop-agent "$tap_agent" --grace 0
	done
	kill "$(cat "$1/pid")"
	tap_status=0
	wait "$(cat "$1/job")" || tap_status=$?
	rm -f "$1/pid" "$1/job"
	return $tap_status
}
