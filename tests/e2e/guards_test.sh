#!/bin/sh
# The guards of a provision, watched from outside: a refusal comes before any
# file system call names anything inside the jail root, the guards stand in
# their order, and a good provision touches .env alone.
set -u
# shellcheck source=tests/e2e/tap.sh
. "$(dirname "$0")/tap.sh"

command -v strace >/dev/null 2>&1 || skip_all "strace is not installed"
strace -f -y -e trace=%file,openat2 -o /dev/null true 2>/dev/null ||
	skip_all "strace cannot trace here"

scratch_make guards
BASE=$scratch/jails
OUT=$scratch/outside
TRACE=$scratch/trace
COLIBRI_DAEMON_SOCKET=$scratch/run/sock
# Leaks cannot be looked for in a traced process.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export COLIBRI_DAEMON_SOCKET ASAN_OPTIONS

# tenant NAME: registered, with a root, but nothing in the vault.
tenant() {
	mkdir -p "$BASE/$1/root"
	colibri register-tenant "$1" "$BASE/$1/root" "$1" >/dev/null ||
		bail_out "cannot register $1"
}

in_vault() {
	(umask 077 && printf '%s\n' "$2" >"$scratch/vault/$1.env")
}

# calls_since LINE: what was traced after it, one line a call. strace splits a
# call in two when another process reports between its start and its end.
calls_since() {
	tail -n +$(($1 + 1)) "$TRACE" | awk '
		/<unfinished \.\.\.>$/ {
			sub(/ *<unfinished \.\.\.>$/, "")
			begun[$1] = $0
			next
		}
		/^[0-9]+ +<\.\.\. [a-z0-9_]+ resumed>/ {
			pid = $1
			sub(/^[0-9]+ +<\.\.\. [a-z0-9_]+ resumed>/, "")
			print begun[pid] $0
			delete begun[pid]
			next
		}
		{ print }
		END { for (pid in begun) print begun[pid] }' >"$scratch/calls"
}

# spawn NAME ROOT: what the provision of a spawn gives; its file calls are in
# $scratch/calls.
spawn() {
	seen=$(wc -l <"$TRACE")
	run colibri spawn-agent local /bin/sh --arg -c --arg : --jail-name "$1" --jail-root "$2"
	calls_since "$seen"
	[ "$status" = 0 ] || diag "$err"
	result="$(printf '%s\n' "$out" | field result) $(printf '%s\n' "$out" | field code)"
}

# ask COMMAND...: the same for a command that is refused; result is its code.
ask() {
	seen=$(wc -l <"$TRACE")
	run colibri "$@"
	calls_since "$seen"
	result=$(printf '%s\n' "$err" | sed 's/^colibri: [^:]*: \([^:]*\): .*/\1/')
}

# inside ROOT: calls that name something below it, by path or by descriptor.
inside() {
	grep -F -e "\"$1/" -e "<$1>" -e "<$1/" -e "\"${1#"$BASE"/}/" "$scratch/calls"
}

# refused NAME RESULT ROOT...: that result, and nothing below a root was named.
refused() {
	name=$1
	is "$name" "$result" "$2"
	shift 2
	found=''
	for root in "$@"; do
		found=$found$(inside "$root")
	done
	is "$name: no call inside the root before that" "$found" ""
	is "$name: no call names a .env there" \
	    "$(grep -F '.env' "$scratch/calls" | grep -vF "$scratch/vault/")" ""
}

DAEMON="strace -f -y -e trace=%file,openat2 -o $TRACE $BUILD/colibri-daemon"
daemon_start "$scratch" --jail-backend none --vault-idle 0
unset DAEMON
grep -qF "\"$scratch/colibri.sqlite\"" "$TRACE" ||
	skip_all "strace cannot read a daemon that forbids it (run as root)"

# --- the detector: a provision that is allowed to, and what it does ---

tenant good
in_vault good 'KEY=value'
spawn good "$BASE/good/root"
is "good: provisioned" "$result" "provisioned null"
is "good: .env is written" "$(cat "$BASE/good/root/.env")" "KEY=value"
is "good: it is alone" "$(find "$BASE/good/root" -mindepth 1)" "$BASE/good/root/.env"
# All names below the root, each with its call; random digits become X.
inside "$BASE/good/root" |
	sed 's/\.env-[0-9a-f]\{16\}/.env-X/g; s/^[0-9]* *//' >"$scratch/named"
is "good: nothing else is named below the root" \
    "$(sed -n "s,.*<$BASE/good/root>\, \"\([^\"]*\)\".*,\1,p" "$scratch/named" | sort -u | xargs)" \
    ". .colibri-.env-X .env"
is "good: one file is made, exclusively, for its owner" \
    "$(grep -c O_CREAT "$scratch/named")|$(sed -n 's/.*\.colibri-\.env-X", \(.*\)) = .*/\1/p' "$scratch/named" | head -n 1)" \
    "1|O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600"
is "good: and renamed to .env" "$(grep -c '^renameat(.*X", .*, "\.env") = 0' "$scratch/named")" 1
unlike "good: no path from outside leads inside" "$(cat "$scratch/named")" \
    "(AT_FDCWD<[^>]*>, |^[a-z0-9]+\()\"$BASE/good/root/"
spawn good "$BASE/good/root//"
is "good: again" "$result" "unchanged null"
is "good: again, nothing is written" "$(inside "$BASE/good/root" | grep -c 'O_CREAT\|rename')" 0

# --- each guard by itself ---

spawn nobody "$BASE/good/root"
refused "no tenant" "skipped TenantNotFound" "$BASE/good/root" "$BASE/nobody/root"

mkdir -p "$BASE/other/root"
spawn good "$BASE/other/root"
refused "another root than the registered" "refused RootMismatch" "$BASE/good/root" "$BASE/other/root"

tenant gone
in_vault gone 'KEY=value'
rm -r "$BASE/gone/root"
spawn gone "$BASE/gone/root"
refused "the root is missing" "refused TargetMissing" "$BASE/gone/root"

mkdir -p "$OUT/root"
echo canary >"$OUT/root/canary"
tenant link
in_vault link 'KEY=value'
rmdir "$BASE/link/root"
ln -s "$OUT/root" "$BASE/link/root"
spawn link "$BASE/link/root"
refused "a symlink out of the base" "refused TargetEscapesRoot" "$BASE/link/root" "$OUT/root"

tenant above
in_vault above 'KEY=value'
rm -r "$BASE/above"
ln -s "$OUT" "$BASE/above"
spawn above "$BASE/above/root"
refused "a symlink above the root" "refused TargetEscapesRoot" "$BASE/above/root" "$OUT/root"

tenant self
in_vault self 'KEY=value'
rmdir "$BASE/self/root"
ln -s "$BASE" "$BASE/self/root"
spawn self "$BASE/self/root"
refused "the base itself" "refused TargetEscapesRoot" "$BASE/self/root"

tenant file
in_vault file 'KEY=value'
rmdir "$BASE/file/root"
: >"$BASE/file/root"
spawn file "$BASE/file/root"
refused "a root that is a file" "refused TargetEscapesRoot" "$BASE/file/root"

tenant bare
spawn bare "$BASE/bare/root"
refused "no collection in the vault" "failed CollectionNotFound" "$BASE/bare/root"
in_vault bare '1KEY=value'
spawn bare "$BASE/bare/root"
refused "a key that is none" "failed InvalidKey" "$BASE/bare/root"
chmod 755 "$scratch/vault"
spawn bare "$BASE/bare/root"
chmod 700 "$scratch/vault"
refused "a vault open to others" "failed VaultNotConfigured" "$BASE/bare/root"

# --- the same without a spawn ---

ask provision-tenant nobody
refused "provision-tenant: no tenant" TenantNotFound "$BASE/nobody/root"
ask provision-tenant link
refused "provision-tenant: a symlink out" TargetEscapesRoot "$BASE/link/root" "$OUT/root"
ask provision-tenant gone --dry-run
refused "provision-tenant: missing" TargetMissing "$BASE/gone/root"
ask provision-tenant bare
refused "provision-tenant: the vault" InvalidKey "$BASE/bare/root"
ask delete-tenant link --purge-env
refused "delete-tenant --purge-env: a symlink out" TargetEscapesRoot "$BASE/link/root" "$OUT/root"
ask register-tenant new "$OUT/root" new
refused "register-tenant: outside" TargetEscapesRoot "$OUT/root"
ask register-tenant new "$BASE" new
refused "register-tenant: the base itself" TargetEscapesRoot "$BASE/good/root"

# --- several things wrong at once: the first guard speaks ---

rm -f "$scratch/vault/"*
spawn nobody /nonexistent
refused "no tenant, no root, no collection" "skipped TenantNotFound" /nonexistent
spawn link /nonexistent
refused "another root, both bad, no collection" "refused RootMismatch" "$BASE/link/root" "$OUT/root"
spawn gone "$BASE/gone/root"
refused "root missing, no collection" "refused TargetMissing" "$BASE/gone/root"
spawn link "$BASE/link/root"
refused "a symlink out, no collection" "refused TargetEscapesRoot" "$BASE/link/root" "$OUT/root"
mkdir "$BASE/bare/root/.env"
spawn bare "$BASE/bare/root"
refused "no collection, and .env is a directory" "failed CollectionNotFound" "$BASE/bare/root"
in_vault bare 'KEY=value'
spawn bare "$BASE/bare/root"
is ".env is a directory" "$result" "refused NotRegular"
is "it is left alone, and nothing beside it" "$(find "$BASE/bare/root" -mindepth 1)" "$BASE/bare/root/.env"

is "outside nothing has changed" "$(find "$OUT" -type f -exec cat {} +)" canary
is "no tenant but the good one is active" "$(colibri list-tenants --all | grep '"status":"active"' | field tenant_id)" good
ok "TERM ends the daemon with 0" daemon_stop "$scratch"
done_testing
