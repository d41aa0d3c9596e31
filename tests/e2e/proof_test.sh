#!/bin/sh
# The runbook's proof, as a person would run it: with each jail launcher that
# this machine can use, with a site's own step, and with a signal in between.
# Nothing may be left behind.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-$(pwd)/build}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp" "$work/site" "$work/site/steps"
# What the host's own configuration says must not matter.
unset COLIBRI_DAEMON_SOCKET COLIBRI_DB_PATH COLIBRI_JAIL_ROOT_BASE COLIBRI_VAULT_DIR
export TMPDIR="$work/tmp" COLIBRI_SITE_DIR="$work/site" COLIBRI_PROVIDER_ENV="$work/provider.env"

n=0
failed=0
# result STATUS NAME: one TAP line; on failure what the proof printed.
result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# /' "$work/out"
		failed=1
	fi
}

# proof ARGS...: its status in $status, its output in $work/out.
proof() {
	status=0
	"$BUILD/colibri-run" scripts/proof.lua "$@" >"$work/out" 2>&1 </dev/null || status=$?
}

skip() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# expect NAME TEST...: result of a test(1).
expect() {
	name=$1
	shift
	if [ "$@" ]; then result 0 "$name"; else result 1 "$name"; fi
}

proof --vault file --jail-backend none
expect "without a jail" "$status" = 0

if bwrap --ro-bind / / true 2>/dev/null; then
	proof --tenant t-1 --vault file --jail-backend bwrap
	expect "in a jail of bubblewrap" "$status" = 0
	proof --vault file --jail-backend bwrap --provision before --value "a'b c"
	expect "provisioned before the agent may run" "$status" = 0
else
	skip "in a jail of bubblewrap" "bwrap cannot make namespaces here"
	skip "provisioned before the agent may run" "bwrap cannot make namespaces here"
fi
if [ "$(id -u)" = 0 ] || unshare --map-root-user true 2>/dev/null; then
	proof --vault file --jail-backend jexec --jexec tests/tools/jexec
	expect "through the jexec stand-in" "$status" = 0
else
	skip "through the jexec stand-in" "neither root nor user namespaces"
fi

proof --vault file --jail-backend none --value s3cret-in-no-report
expect "the value is in no report" "$(grep -c s3cret "$work/out")" = 0

proof --vault file --jail-backend no-such-backend
expect "a failed step is exit status 1" "$status" = 1
expect "and the clean-up ran" "$(grep -c "^ok 7 - clean up" "$work/out")" = 1
proof --no-such-option
expect "a usage error is exit status 2" "$status" = 2

cat >"$work/site/steps/verify.lua" <<'END'
return {
  api = 1,
  summary = "wait for a signal",
  run = function(ctx)
    ctx.out("# the site's own step\n")
    ctx.task.sleep(60)
    return true
  end,
}
END
"$BUILD/colibri-run" scripts/proof.lua --vault file --jail-backend none >"$work/out" 2>&1 </dev/null &
pid=$!
tries=0
until grep -q "the site's own step" "$work/out" || [ $tries -ge 300 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
kill -TERM $pid 2>/dev/null || :
status=0
wait $pid || status=$?
expect "a signal ends the steps, a site's too" "$status" = 1
expect "but not the clean-up" "$(grep -c "^ok 7 - clean up" "$work/out")" = 1

expect "nothing is left behind" -z "$(ls -A "$work/tmp")"
echo "1..$n"
exit $failed
