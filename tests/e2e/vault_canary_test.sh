#!/bin/sh
# Canaries: the values of a collection, the master password and the API secret
# are searched for wherever they must not be, during and after a provision that
# fails at each step in turn, and after one that succeeds: log at debug level,
# database and its WAL, replies, TAP, arguments and environment of every process
# but bw, state directory, memory of the daemon. First of all the search is shown
# to find each kind of leak, planted by the test itself.
set -u
# shellcheck source=tests/e2e/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/e2e/vault.sh
. "$(dirname "$0")/vault.sh"

scratch_make canary
vault_need_bw
VALUE='canary/value 7c41 "quoted" + more'
PASSWORD='canary-master 5d2e $x'
SECRET=canary-api-93b1-secret
# What a plain search for a part of each would find in any of its forms but
# base64, and that of each by itself.
PATTERN='canary.{0,3}value|canary-master|canary-api-93b1'
for word in "$VALUE" "$PASSWORD" "$SECRET"; do
	# base64 of what begins at one of three places: without the first and the
	# last characters, which depend on what stands around.
	for shift in '' x xx; do
		PATTERN="$PATTERN|$(printf %s "$shift$word" | base64 | tr -d '\n=' | cut -c 5-20 | sed 's/[+]/\\+/g')"
	done
done

cat >"$scratch/make.js" <<'END'
const [value, password, clientSecret] = process.argv.slice(2);
process.stdout.write(JSON.stringify({
  iterations: 5000,
  accounts: [{ email: 'boot@example.test', password, clientSecret }],
  organizations: [{ name: 'T', collections: [{ name: 'a', items: [
    { name: 'KEY', password: value },
    { name: 'n', type: 'note', notes: `NOTED='${value}'\n` }] }] }],
}));
END
node "$scratch/make.js" "$VALUE" "$PASSWORD" "$SECRET" >"$scratch/seed.json"
vault_start "$scratch/seed.json"
D=$scratch/d
COLIBRI_DAEMON_SOCKET=$D/run/sock
export COLIBRI_DAEMON_SOCKET
# The search itself has the words in no argument and no environment.
printf '%s\n' "$PATTERN" >"$scratch/pattern"
replies=$scratch/replies

# search_files: names of files below the daemon's directory that hold a canary;
# the jail's .env and provider.env are where they belong, and bw's own data holds
# the API secret while it is logged in.
search_files() {
	find "$D" "$replies" -type f ! -name .env ! -name provider.env \
	    ! -path '*/state/bw/*/data.json' \
	    -exec grep -laEf "$scratch/pattern" {} + 2>/dev/null
}

# search_processes: arguments and environments of all processes but bw, the
# test server and this shell itself, which has the words in its variables only.
search_processes() {
	for dir in /proc/[0-9]*; do
		[ -r "$dir/environ" ] || continue
		case $(cat "$dir/cmdline" 2>/dev/null | tr '\0' ' ') in
		*bw.js*|*vault-server/server.js*) continue ;;
		esac
		cat "$dir/cmdline" "$dir/environ" 2>/dev/null | tr '\0' '\n' |
			grep -qaEf "$scratch/pattern" && echo "$dir"
	done
}

# dump: the daemon's memory, also what it would keep out of a core.
dump() {
	rm -f "$scratch"/core.*
	gdb -q -batch -p "$(cat "$D/pid")" -ex 'set use-coredump-filter off' \
	    -ex 'set dump-excluded-mappings on' \
	    -ex "gcore $scratch/core.d" >"$scratch/gdb.out" 2>&1
	[ -s "$scratch/core.d" ]
}

search_core() {
	grep -caEf "$scratch/pattern" "$scratch/core.d"
	rm -f "$scratch/core.d"
}

# clean WHEN: no canary in files and processes.
clean() {
	is "$1: in no file" "$(search_files)" ""
	is "$1: in no process" "$(search_processes)" ""
}

# provision NAME CODE
provision() {
	run colibri --timeout 150 provision-tenant a --json
	printf '%s\n%s\n' "$out" "$err" >>"$replies"
	like "$1" "$out$err" "$2"
}

start() {
	daemon_start "$D" --vault bw --bw "$BW" --jail-backend none \
	    --log-level debug --vault-timeout 60 "$@"
}

vault_credentials "$D"
start --vault-idle 0
mkdir -p "$D/jails/a/root"
colibri register-tenant a "$D/jails/a/root" a >"$replies"

# --- the search finds what is planted ---

for place in log state/x colibri.sqlite-note; do
	printf 'x%s\n' "$SECRET" >"$D/$place.leak"
	is "a leak in $place is found" "$(search_files)" "$D/$place.leak"
	rm "$D/$place.leak"
done
printf '{"v":"%s"}' "$(printf %s "yy$VALUE" | base64)" >"$D/b64.leak"
is "a leak in base64 is found" "$(search_files)" "$D/b64.leak"
rm "$D/b64.leak"
# shellcheck disable=SC2317 # by wait_for
found() {
	[ "$(search_processes)" = "/proc/$leak" ]
}
if [ -r /proc/self/environ ]; then
	env LEAK="$PASSWORD" sleep 100 &
	leak=$!
	ok "a leak in an environment is found" wait_for 10 found
	kill $leak
	sh -c 'sleep 100; :' "$VALUE" &
	leak=$!
	ok "a leak in arguments is found" wait_for 10 found
	kill $leak
else
	skip "arguments and environments of processes" "there is no /proc"
fi
can_dump=''
if command -v gdb >/dev/null 2>&1 && dump; then
	can_dump=yes
	is "the daemon's memory is searched: nothing yet" "$(search_core)" 0
	# A name of a tenant is kept in the daemon's memory for a moment.
	colibri delete-tenant "$SECRET" >/dev/null 2>&1
	dump
	ok "a leak in memory is found" test "$(search_core)" -gt 0
	daemon_stop "$D"
	rm -rf "$D/colibri.sqlite"* "$D/log"
	start --vault-idle 0
	colibri register-tenant a "$D/jails/a/root" a >"$replies"
fi

# --- failing at each step in turn ---

# during PATTERN: waits for a request that hangs, then searches.
during() {
	control wait "{\"path\":\"$1\",\"timeout\":60}" >/dev/null
	clean "while it waits for $1"
}

control fault '{"mode":"error500","path":"connect/token"}' >/dev/null
provision "failing at the login" '"?Vault'
control clear >/dev/null
control fault '{"mode":"sync500"}' >/dev/null
provision "failing at the first sync" '"?Vault'
control clear >/dev/null
clean "after both"
control reset >/dev/null
control fault '{"mode":"hang","path":"/api/sync"}' >/dev/null
colibri --timeout 150 provision-tenant a --json >>"$replies" 2>&1 &
asking=$!
during /api/sync
control clear >/dev/null
wait $asking
control account '{"password":"another one","keepTokens":true}' >/dev/null
provision "failing at the unlock" VaultAuthFailed
control account "$(node -p 'JSON.stringify({ password: JSON.parse(fs.readFileSync(process.argv[1])).accounts[0].password, keepTokens: true })' "$scratch/seed.json")" >/dev/null
clean "after it"
echo '# touched' >>"$D/provider.env"
control items '{"collection":"a","add":[{"name":"not a key","password":"x"}]}' >/dev/null
provision "failing at the items" InvalidKey
control items '{"collection":"a","remove":["not a key"]}' >/dev/null
clean "after it"
rm -f "$D/jails/a/root/.env"
mkdir "$D/jails/a/root/.env"
provision "failing at the write" '"code":"[A-Z]|: [A-Z][A-Za-z]*: '
rmdir "$D/jails/a/root/.env"
clean "after it"
provision "and then it works" '"result":"provisioned"'
is "the value is where it belongs" "$(grep -cF 'canary/value' "$D/jails/a/root/.env")" 2
for command in status "status --full" "audit --limit 100" list-tenants "provision-tenant a --dry-run"; do
	# shellcheck disable=SC2086 # words
	colibri --timeout 150 $command --json >>"$replies" 2>&1
done
clean "after all"
is "nor in the TAP of the proof" "$(TMPDIR=$scratch COLIBRI_BW=$BW COLIBRI_PROVIDER_ENV=$D/provider.env \
    COLIBRI_SITE_DIR="$D/site" "$BUILD/colibri-run" "$top/scripts/proof.lua" \
    --tenant a --key KEY  --vault bw --jail-backend none 2>&1 |
	grep -caEf "$scratch/pattern")" 0

# shellcheck disable=SC2317 # by wait_for
at_rest() {
	colibri status --full --json | grep -q '"open":false'
}
if [ -n "$can_dump" ]; then
	wait_for 60 at_rest
	ok "the daemon's memory can be dumped" dump
	is "in no memory of the daemon after the provisions" "$(search_core)" 0
else
	skip "the daemon's memory" "gdb cannot dump it here"
fi
daemon_stop "$D"
clean "after the end"
is "and bw's data holds nothing of it" \
    "$(grep -lEf "$scratch/pattern" "$D"/state/bw/*/*)" ""
done_testing
