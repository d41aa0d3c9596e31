#!/bin/sh
# The runbook that this was built for, by its own command lines (steps 1 to 5 and
# the clean-up), once with jails by the jexec stand-in and once by bubblewrap.
set -u
# shellcheck source=tests/e2e/tap.sh
. "$(dirname "$0")/tap.sh"

scratch_make runbook
T=proof0
SECRET=throwaway-$$-$(date +%s)-value

# The runbook's operator uses sudo; here the daemon is one's own.
sudo() {
	"$@"
}

can_enter_root() {
	[ "$(id -u)" = 0 ] || unshare --map-root-user true 2>/dev/null || can_bwrap
}

can_bwrap() {
	bwrap --unshare-pid --bind / / --proc /proc --dev /dev true 2>/dev/null
}

# Point the command lines at one of the two daemons.
use() {
	D=$scratch/$1
	R=$D/jails/$T/root
	COLIBRI_DAEMON_SOCKET=$D/run/sock
	COLIBRI_JAIL_ROOT_BASE=$D/jails
	export COLIBRI_DAEMON_SOCKET COLIBRI_JAIL_ROOT_BASE
}

# All that a command says is kept, to be searched for the value.
say() {
	run "$@"
	printf '%s\n' "$out" "$err" >>"$D/replies"
	[ "$status" = 0 ] || diag "$*: $status: $err"
}

# The stand-in, named by a site script that wraps the shipped launcher.
install_jexec() {
	mkdir -p "$D/bin" "$D/site/jail"
	cp "$top/tests/tools/jexec" "$D/bin/jexec"
	chmod 755 "$D/bin/jexec"
	echo "$D/jails" >"$D/bin/jexec.base"
	cat >"$D/site/jail/jexec.lua" <<-END
		return {
		  api = 1,
		  summary = "the shipped launcher with the stand-in",
		  launch = function(ctx, jail, argv, env)
		    local conf = setmetatable({ jexec = "$D/bin/jexec" }, { __index = ctx.conf })
		    return stock().launch(setmetatable({ conf = conf }, { __index = ctx }), jail, argv, env)
		  end,
		}
	END
	chmod -R go-w "$D/site"
}

steps_1_and_2() {
	mkdir -p "$R"
	say sh "$top/scripts/agent-jail-bootstrap.sh" "$T" --bin "$BUILD" --binaries-only
	is "$1: step 1: the jail holds the agent" "$status" 0
	(umask 077 && echo "FIRST_PROOF_KEY=$SECRET" >"$D/vault/$T.env")
}

step_3() {
	say sudo colibri register-tenant "$T" "$R" "$T"
	is "$1: step 3: the whole row but the times" \
	    "$(printf '%s\n' "$out" | sed 's/,"change.*//')" \
	    "{\"tenant_id\":\"proof0\",\"jail_root_path\":\"$R\",\"collection_id\":\"proof0\",\"status\":\"provisioned\""
	is "$1: step 3: list-tenants is one line of it" "$(sudo colibri list-tenants |
		grep -c '"tenant_id":"proof0".*"status":"provisioned"')" 1
}

step_4() {
	say sudo colibri spawn-agent local /usr/local/bin/colibri-test-agent \
	    --jail-name "$T" \
	    --jail-root "$R" \
	    --session-id "$T-proof"
	is "$1: step 4: the agent is spawned" "$status" 0
	like "$1: step 4: and the tenant provisioned" "$out" \
	    '"provision":\{.*"result":"provisioned"'
	agent=$(printf '%s\n' "$out" | field agent_id)
	pid=$(printf '%s\n' "$out" | field pid)
	echo "$agent $pid" >"$D/agent"
	ok "$1: the agent runs" kill -0 "$pid"
	like "$1: it is a process of the jail, under the shim" \
	    "$(ps -o args= -p "$pid")" '(bwrap .*|^)/usr/local/bin/colibri-test-agent --session-id proof0-proof'
}

step_5() {
	if stat -c '%A' / >/dev/null 2>&1; then
		mode=$(sudo stat -c '%A %n' "$R/.env")
	else
		mode=$(sudo stat -f '%Sp %N' "$R/.env")
	fi
	is "$1: step 5: .env is 0600" "$mode" "-rw------- $R/.env"
	is "$1: step 5: the key once" "$(sudo grep -c '^FIRST_PROOF_KEY=' "$R/.env")" 1
	is "$1: step 5: sh reads the value back" \
	    "$(sh -c '. "$1" && printf %s "$FIRST_PROOF_KEY"' sh "$R/.env")" "$SECRET"
	ok "$1: step 5: the tenant is active" \
	    test -n "$(sudo colibri list-tenants | grep proof0 | grep active)"
	like "$1: step 5: the log says that it began" "$(cat "$D/log")" \
	    'provisioning tenant env from vault tenant=proof0'
	like "$1: step 5: the log says that it is complete" "$(cat "$D/log")" \
	    'vault provision complete .*tenant=proof0'
	like "$1: step 5: the log says with what result" "$(cat "$D/log")" \
	    'vault provision complete .*result=provisioned'
}

# shellcheck disable=SC2317 # by wait_for
is_done() {
	say colibri get-agent "$agent" --json
	printf '%s\n' "$out" | grep -q '"state":"done"'
}

# turn_end is past; agent_end follows.
events() {
	read -r agent pid <"$D/agent"
	ok "$1: the agent's events lead to the state done" wait_for 30 is_done
	ok "$1: its last event is written down" wait_for 10 \
	    grep -q '"agent_end"' "$D/state/agents/$agent/out.0000000000000000"
	is "$1: all its events, in order" "$(field type <"$D/state/agents/$agent/out.0000000000000000" | xargs)" \
	    "session agent_start turn_start tool_execution_start message_update queue_update turn_end agent_end"
	if [ -r "/proc/$pid/environ" ]; then
		is "$1: the value is in no environment" \
		    "$(grep -cF "$SECRET" "/proc/$pid/environ")" 0
	fi
}

# shellcheck disable=SC2317 # by wait_for
is_gone() {
	! kill -0 "$1" 2>/dev/null
}

stop() {
	say colibri stop-agent "$agent"
	like "$1: stop-agent" "$out" '"status":"exited"'
	ok "$1: the agent is gone" wait_for 10 is_gone "$pid"
	is "$1: and no agent is listed" "$(colibri list-agents)" ""
}

no_secret() {
	say colibri audit --limit 100
	say colibri status --full
	is "$1: the value is in the .env" "$(grep -cF "$SECRET" "$R/.env")" 1
	is "$1: and nowhere in log, database, state and replies" \
	    "$(find "$D" -path "$D/vault" -prune -o -path "$R" -prune -o -type f \
		-exec grep -lF "$SECRET" {} +)" ""
	ok "$1: what was searched is there" \
	    test -s "$D/log" -a -s "$D/colibri.sqlite" -a -s "$D/replies"
}

# Our way, in one command.
purge() {
	say colibri delete-tenant "$T" --purge-env
	is "$1: delete-tenant --purge-env" "$out" \
	    '{"tenant_id":"proof0","deleted":true,"env":"removed"}'
	ok "$1: .env is gone" test ! -e "$R/.env"
	is "$1: the jail holds what it held" "$(cd "$R" && find . -type f)" \
	    ./usr/local/bin/colibri-test-agent
}

# The runbook's way: the row outlives the jail, hidden.
destroy() {
	sudo rm -f "$R/.env"
	rm -rf "$D/jails/$T"
	is "$1: list-tenants stops showing a destroyed jail" \
	    "$(sudo colibri list-tenants | grep -c proof0)" 0
	like "$1: --all shows it as orphaned" "$(colibri list-tenants --all)" \
	    '"tenant_id":"proof0".*"status":"orphaned"'
	say colibri unregister-tenant "$T" --purge-env
	is "$1: unregister-tenant without a jail" "$out" \
	    '{"tenant_id":"proof0","deleted":true,"env":"absent"}'
	say colibri unregister-tenant "$T"
	is "$1: again is fine" "$out" \
	    '{"tenant_id":"proof0","deleted":false,"env":"kept"}'
}

backends=''
if can_enter_root; then
	backends=jexec
else
	skip "jails by the jexec stand-in" "neither root, user namespaces nor bwrap"
fi
if can_bwrap; then
	backends="$backends bwrap"
else
	skip "jails by bwrap" "bwrap does not work here"
fi

# Both at once: the test agent takes its seconds.
for backend in $backends; do
	use "$backend"
	daemon_tree "$D"
	[ "$backend" != jexec ] || install_jexec
	daemon_start "$D" --jail-backend "$backend"
	steps_1_and_2 "$backend"
	step_3 "$backend"
	step_4 "$backend"
	step_5 "$backend"
done
for backend in $backends; do
	use "$backend"
	events "$backend"
	stop "$backend"
	no_secret "$backend"
	if [ "$backend" = jexec ]; then
		purge "$backend"
	else
		destroy "$backend"
	fi
	ok "$backend: TERM ends the daemon with 0" daemon_stop "$D"
	ok "$backend: the socket is gone" test ! -e "$D/run/sock"
done
ok "no process is left" wait_for 10 no_processes
done_testing
