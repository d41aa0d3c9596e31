#!/bin/sh
# Faults planted in the server, met by the real bw: each gives a code of its own
# that says what to do, leaves .env and status as they were, and once it is
# lifted the next provision works, without a restart. Here are the traps in which
# the CLI says success (docs of the traps: lua/colibri/vault/bw.lua).
set -u
# shellcheck source=tests/e2e/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/e2e/vault.sh
. "$(dirname "$0")/vault.sh"

SECRET2=canary-second-secret PASSWORD2='canary second password'
scratch_make faults
vault_need_bw
node "$top/tests/vault-server/readback.js" seed >"$scratch/seed.json"
vault_start "$scratch/seed.json"

# use NAME: which daemon is meant from here on.
use() {
	D=$scratch/$1
	COLIBRI_DAEMON_SOCKET=$D/run/sock
	export COLIBRI_DAEMON_SOCKET
}

# start NAME [FLAG...]: a daemon with a tenant `a`.
start() {
	use "$1"
	shift
	vault_credentials "$D"
	daemon_start "$D" --vault bw --bw "$BW" --jail-backend none \
	    --log-level debug "$@"
	mkdir -p "$D/jails/a/root"
	colibri register-tenant a "$D/jails/a/root" a >/dev/null
}

provision() {
	run colibri --timeout 150 provision-tenant a
}

# works NAME: a provision succeeds.
works() {
	provision
	like "$1" "$out$err" '"result":"(provisioned|unchanged)"'
	before=$(state)
}

# What must not change: the file itself, and what is known of the tenant.
state() {
	ls -i "$D/jails/a/root/.env"
	cat "$D/jails/a/root/.env"
	colibri list-tenants | field status
}

# refused NAME CODE [TEXT]: it fails with this code and advice, and nothing has
# changed.
refused() {
	provision
	like "$1: $2" "$out$err" "$2.*${3:-; }"
	is "$1: .env and status stay" "$(state)" "$before"
}

fault() {
	control fault "$1" >/dev/null || fail "fault $1"
}

# --- the limit of logins: begun first, since it takes its minute ---

start limited --vault-idle 0
works "limited: at first"
fault '{"mode":"ratelimit"}'
refused "too many logins" VaultRateLimited
limited_at=$(date +%s)
control clear >/dev/null
control reset >/dev/null
refused "too many logins, again at once" VaultRateLimited 'next login is in'
is "then no login is tried" "$(vault_logins)" 0

# --- a session for each provision ---

start cold --vault-idle 0 --vault-timeout 20
works "cold: at first"
control down >/dev/null
refused "the server is down" VaultUnreachable
control up >/dev/null
fault '{"mode":"sync500"}'
refused "a login whose sync fails" 'Vault(Stale|Protocol)'
control clear >/dev/null
fault '{"mode":"truncate","path":"/api/sync"}'
refused "a sync that is cut off" 'Vault(Stale|Protocol|Unreachable)'
control clear >/dev/null
fault '{"mode":"garbage","path":"connect/token"}'
refused "HTML in the place of a token" 'Vault(Protocol|AuthFailed)'
control clear >/dev/null
fault '{"mode":"hang","path":"connect/token"}'
refused "a server that does not answer" VaultTimeout
control clear >/dev/null
# What a crash, or a bw that was killed while it wrote, leaves behind: the CLI
# would silently be at bitwarden.com.
for data in "$D"/state/bw/*/data.json; do
	echo '{"cut' >"$data"
done
works "a damaged data file: at our server nevertheless"
control account '{"clientSecret":"canary-second-secret"}' >/dev/null
refused "a rotated key" VaultAuthFailed BW_CLIENTSECRET
control reset >/dev/null
refused "a rotated key, again" VaultAuthFailed 'until the configuration changes'
is "then no login is tried" "$(vault_logins)" 0
vault_credentials "$D" "" "$SECRET2"
works "the new key in provider.env"
control account '{"password":"canary second password","keepTokens":true}' >/dev/null
refused "a changed master password" VaultAuthFailed BW_PASSWORD
vault_credentials "$D" "$PASSWORD2" "$SECRET2"
works "the new password in provider.env"
chmod 644 "$D/provider.env"
refused "provider.env is readable by others" VaultNotConfigured 0600
chmod 600 "$D/provider.env"
daemon_stop "$D"

# --- one session ---

start warm --vault-idle 300 --vault-timeout 60
vault_credentials "$D" "$PASSWORD2" "$SECRET2"
works "warm: at first"
control reset >/dev/null
while read -r name code json; do
	control $json >/dev/null
	refused "$name" "$code"
	control seed "$(sed "s/canary-api-secret-93b1/$SECRET2/; s/\"canary master.*5d2e\"/\"$PASSWORD2\"/" "$scratch/seed.json")" >/dev/null
done <<'END'
a-renamed-collection CollectionNotFound collection {"name":"a","rename":"b"}
a-second-collection CollectionAmbiguous duplicate-collection {"name":"a"}
an-empty-collection CollectionEmpty items {"collection":"a","replace":[]}
a-second-item ItemAmbiguous duplicate-item {"collection":"a","item":"WHOSE"}
a-bad-key InvalidKey items {"collection":"a","add":[{"name":"b-c","password":"x"}]}
a-bad-note InvalidNote items {"collection":"a","add":[{"name":"n","type":"note","notes":"hello"}]}
a-damaged-item VaultProtocol items {"collection":"a","add":[{"name":"DAMAGED","password":"x","corrupt":"key"}]}
END
control items '{"collection":"ab","add":[{"name":"DAMAGED","password":"x","corrupt":"key"}]}' >/dev/null
works "a damaged item of another collection"
like "a damaged item of another collection is in the log" "$(cat "$D/log")" \
    'item of another collection is damaged items=[0-9a-f-]{36}'
is "all of this in one session" "$(grep -c 'bw login' "$D/log")" 1
control reset >/dev/null
control items '{"collection":"ab","remove":["DAMAGED"]}' >/dev/null
works "the damaged item is gone"
control reset >/dev/null
works "nothing has changed"
# On a busy machine the login takes too long to tell that the clocks agree; then
# each sync is forced, and costs one.
name="that costs no token, so nothing of the limit of logins"
case $(grep 'clocks_agree=' "$D/log" | tail -n 1) in
*clocks_agree=true*)
	if [ "$(vault_logins)" != 0 ]; then # the forced one of each minute
		control reset >/dev/null
		works "nothing has changed, once more"
	fi
	is "$name" "$(vault_logins)" 0
	;;
*) is "$name, or one where the clocks may differ" "$(vault_logins)" 1 ;;
esac

# The CLI would list what it has, whatever has become of the server.
control down >/dev/null
refused "the server is down in a session" 'Vault(Unreachable|Protocol)'
control up >/dev/null
works "and up again"

# The CLI says success to a sync that found itself logged out.
fault '{"mode":"unauthorized","path":"/api/"}'
refused "the token is refused" 'Vault(AuthFailed|Protocol)'
control clear >/dev/null
vault_credentials "$D" "$PASSWORD2" "$SECRET2"
works "and then a new session"

# A server whose clock is behind: an unforced sync sees no change.
daemon_stop "$D"
control clock '{"skew":-60}' >/dev/null
daemon_start "$D" --vault bw --bw "$BW" --jail-backend none --vault-idle 300 \
    --log-level debug
works "the server's clock is behind"
control items '{"collection":"a","replace":[{"name":"WHOSE","password":"changed meanwhile"}]}' >/dev/null
works "a change under a clock that is behind"
is "it is seen" "$(cat "$D/jails/a/root/.env")" "WHOSE='changed meanwhile'"
control clock '{"skew":0}' >/dev/null

# --- killed in the middle of a session ---

data=$(echo "$D"/state/bw/*/data.json)
ok "there is a login on disk" grep -q 'accessToken": *"' "$data"
kill -KILL "$(cat "$D/pid")"
wait "$(cat "$D/job")" 2>/dev/null
# shellcheck disable=SC2317 # by wait_for
logged_out() {
	! grep -qE '(accessToken|apiKeyClientSecret)": *"' "$data"
}
daemon_start "$D" --vault bw --bw "$BW" --jail-backend none --vault-idle 0
ok "after kill -9 the next start ends the login" wait_for 60 logged_out
works "and a provision works"
ok "nothing is left logged in" wait_for 60 logged_out

# --- the limit, once more ---

use limited
vault_credentials "$D" "$PASSWORD2" "$SECRET2"
before=$(state)
# shellcheck disable=SC2317 # by wait_for
limit_is_over() {
	[ $(($(date +%s) - limited_at)) -ge 76 ]
}
wait_for 80 limit_is_over
works "after its time a login is tried again"
for name in limited cold warm; do
	use $name
	is "$name: no secret in the log" \
	    "$(grep -cE 'canary|WHOSE=|changed meanwhile' "$D/log")" 0
done
done_testing
