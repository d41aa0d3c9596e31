#!/bin/sh
# The main job with nothing imitated: the runbook's command lines, a daemon with
# --vault bw, the real bw, TLS, and the Bitwarden-compatible server of
# tests/vault-server; every value is read back byte for byte by others. Then the
# proof as a whole.
set -u
# shellcheck source=tests/e2e/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/e2e/vault.sh
. "$(dirname "$0")/vault.sh"

scratch_make vault
vault_need_bw
node "$top/tests/vault-server/readback.js" seed >"$scratch/seed.json"
vault_start "$scratch/seed.json"
D=$scratch/d
T=proof0
R=$D/jails/$T/root
COLIBRI_DAEMON_SOCKET=$D/run/sock
export COLIBRI_DAEMON_SOCKET
vault_credentials "$D"

backend=none agent=$BUILD/colibri-test-agent
if bwrap --unshare-pid --bind / / --proc /proc --dev /dev true 2>/dev/null; then
	backend=bwrap agent=/usr/local/bin/colibri-test-agent
fi
daemon_start "$D" --vault bw --bw "$BW" --vault-idle 60 --jail-backend $backend \
    --log-level debug

# --- the runbook ---

mkdir -p "$R"
run sh "$top/scripts/agent-jail-bootstrap.sh" "$T" --root "$R" --bin "$BUILD" \
    --binaries-only
is "step 1: the jail holds the agent" "$status" 0
run colibri register-tenant "$T" "$R" "$T"
like "step 3: registered" "$out" '"status":"provisioned"'
run colibri --timeout 120 spawn-agent local "$agent" --jail-name "$T" \
    --jail-root "$R" --session-id "$T-proof"
like "step 4: spawned in a jail ($backend) and provisioned" "$out" \
    '"status":"running".*"provision":\{.*"result":"provisioned"'
is "step 5: .env is 0600" "$(stat -c %a "$R/.env" 2>/dev/null ||
	stat -f %Lp "$R/.env")" 600
is "step 5: the key once" "$(grep -c '^PLAIN=' "$R/.env")" 1
like "step 5: the tenant is active" "$(colibri list-tenants | grep $T)" '"active"'
like "step 5: the log" "$(cat "$D/log")" 'vault provision complete .*tenant=proof0'
run node "$top/tests/vault-server/readback.js" check "$R/.env" "$DOTENV"
is "every value read back byte for byte by sh and by dotenv" "$status:$out" "0:"

# --- collections and items that are easily mixed up ---

# provision TENANT: registers it first; the reply in $out or $err.
provision() {
	mkdir -p "$D/jails/$1/root"
	colibri register-tenant "$1" "$D/jails/$1/root" "$1" >/dev/null
	run colibri --timeout 120 provision-tenant "$1"
}

for name in a ab A a-b; do
	provision $name
	is "collection '$name' and no other" "$(cat "$D/jails/$name/root/.env")" "WHOSE=$name"
done
while read -r name code; do
	provision "$name"
	like "collection '$name': $code" "$out$err" "$code"
	ok "collection '$name': no .env" test ! -e "$D/jails/$name/root/.env"
done <<END
both CollectionAmbiguous
empty CollectionEmpty
twice ItemAmbiguous
badkey InvalidKey
badnote InvalidNote
hidden InvalidValue
nowhere CollectionNotFound
END

# --- a secret is another one in the vault ---

E=$D/jails/a/root/.env
control items '{"collection":"a","replace":[{"name":"WHOSE","password":"rotated"},{"name":"MORE","password":"m"}]}' >/dev/null
run colibri --timeout 120 provision-tenant a --dry-run
like "rotation: the dry run names the keys" "$out" '"added":\["MORE"\],"removed":\[\],"changed":\["WHOSE"\]'
unlike "rotation: and no value" "$out$err" 'rotated'
is "rotation: nothing is written by it" "$(cat "$E")" "WHOSE=a"
colibri set-policy a interval 1 >/dev/null
ok "rotation: by itself" wait_for 30 grep -q '^WHOSE=rotated$' "$E"
colibri set-policy a on-spawn >/dev/null
is "rotation: check-tenant" "$(colibri check-tenant a | field drift)" false
# sessions and syncs until now
so_far() {
	echo "$(colibri status --full | field sessions) $(grep -c 'bw serve sync code=200' "$D/log")"
}
before=$(so_far)
run colibri --timeout 120 provision-tenant --all
is "all at once: each of them" "$(printf '%s\n' "$out" | field result | sort | uniq -c | xargs)" "7 failed 5 unchanged"
is "all at once: in the session that was open, with one sync" "$(so_far)" "${before% *} $((${before#* } + 1))"
is "one device" "$(control counters | grep -o '"id":' | wc -l | tr -d ' ')" 1

# --- the end ---

colibri list-agents | field agent_id | while read -r id; do
	colibri stop-agent "$id" --grace 0 >/dev/null
done
ok "the daemon ends" daemon_stop "$D"
is "no login stays in bw's data" "$(grep -E \
    'canary|(accessToken|apiKeyClientSecret)": *"' "$D"/state/bw/*/data.json)" ""
ok "bw's data directory stays, so that a server sees one device" \
    test -s "$(echo "$D"/state/bw/*/data.json)"
ok "nothing of it runs" wait_for 10 sh -c '! ps axww -o args= | grep "[b]w.js" | grep -qF "$0"' "$scratch"

# --- the proof, as a person would run it ---

run env TMPDIR="$scratch" COLIBRI_PROVIDER_ENV="$D/provider.env" COLIBRI_BW="$BW_OLD" \
    COLIBRI_SITE_DIR="$D/site" "$BUILD/colibri-run" "$top/scripts/proof.lua" \
    --tenant a --key WHOSE --vault bw --jail-backend $backend
is "colibri-run proof.lua --vault bw, with bw 2026.5.0" "$status" 0
[ "$status" = 0 ] || diag "$out$err"
done_testing
