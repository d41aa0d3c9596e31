# shellcheck shell=sh
# vault.sh - the test server and the real bw for the shell tests; sourced after
# tap.sh and scratch_make.
#
#	vault_need_bw                   skips all where the real bw cannot be had
#	vault_start "$scratch/seed.json"
#	vault_credentials "$D"          D/provider.env
#	daemon_start "$D" --vault bw --bw "$BW"
#	control fault '{"mode":"hang"}'; control clear

vault_cache=${COLIBRI_BW_DIR:-$top/build/bw}

# vault_need_bw: sets BW (2026.8.0), BW_OLD (2026.5.0) and DOTENV. Not installed
# is a reason to skip on a desk, and a failure in CI. The real bw costs seconds
# of CPU a start, and none of ours runs in it: once is enough.
vault_need_bw() {
	case $BUILD in
	*/asan*) skip_all "the plain build's run drives the real bw" ;;
	esac
	vault_versions=$(sh "$top/scripts/install-bw.sh" "$vault_cache" 2>&1)
	case $? in
	0)	;;
	3)	[ -z "${CI:-}" ] || bail_out "the real bw is needed in CI: $vault_versions"
		skip_all "$vault_versions" ;;
	*)	diag "$vault_versions"
		bail_out "bw could not be installed" ;;
	esac
	BW=$vault_cache/2026.8.0/node_modules/@bitwarden/cli/build/bw.js
	BW_OLD=$vault_cache/2026.5.0/node_modules/@bitwarden/cli/build/bw.js
	for vault_found in "$vault_cache"/dotenv-*/node_modules/dotenv; do
		DOTENV=$vault_found
	done
	export BW BW_OLD DOTENV
}

# vault_start SEED [FLAG...]: sets VAULT_URL, VAULT_CA, VAULT_CONTROL, and
# VAULT_ID, VAULT_SECRET, VAULT_PASSWORD of the first account. The server ends
# when this shell does, which holds its stdin.
vault_start() {
	vault_seed=$1
	shift
	mkfifo "$scratch/vault.in"
	node "$top/tests/vault-server/server.js" --seed "$vault_seed" \
	    --dir "$scratch/server" "$@" <"$scratch/vault.in" \
	    >"$scratch/vault.out" 2>"$scratch/vault.err" &
	exec 9>"$scratch/vault.in"
	wait_for 30 test -s "$scratch/vault.out" || {
		diag "$(cat "$scratch/vault.err")"
		bail_out "the vault server does not start"
	}
	VAULT_URL=$(field url <"$scratch/vault.out")
	VAULT_CA=$(field ca <"$scratch/vault.out")
	VAULT_CONTROL=$(field control <"$scratch/vault.out")
	VAULT_ID=$(control state | sed 's/.*"clientId":"\([^"]*\)".*/\1/')
}

# control COMMAND [JSON]
control() {
	node "$top/tests/vault-server/ctl.js" "$VAULT_CONTROL" "$@"
}

# vault_logins: how many tokens were asked for since the last reset.
vault_logins() {
	control counters | sed 's/^{"requests":[0-9]*,"logins":\([0-9]*\).*/\1/'
}

# seed_value NAME: a field of the first account in the seed.
seed_value() {
	node -p 'JSON.parse(fs.readFileSync(process.argv[1])).accounts[0][process.argv[2]]' \
	    "$vault_seed" "$1"
}

# quoted TEXT: as a value of a .env.
quoted() {
	printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"
}

# vault_credentials DIR [PASSWORD [SECRET]]: DIR/provider.env.
vault_credentials() {
	mkdir -p "$1"
	(umask 077 && cat >"$1/provider.env.new" <<-END
		BW_SERVER=$VAULT_URL
		BW_CLIENTID=$VAULT_ID
		BW_CLIENTSECRET=$(quoted "${3:-$(seed_value clientSecret)}")
		BW_PASSWORD=$(quoted "${2:-$(seed_value password)}")
		NODE_EXTRA_CA_CERTS=$VAULT_CA
	END
	) && mv "$1/provider.env.new" "$1/provider.env"
}
