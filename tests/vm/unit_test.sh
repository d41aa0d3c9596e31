#!/bin/sh
# The shipped systemd unit, installed as docs/RUNBOOK.md says: it starts, agents
# of bwrap and nspawn run below it, and they outlive its restart, stop and
# crash; their cgroup limits. It installs into the system: only in the machine
# of scripts/check-vm.sh.
set -u
[ "$(cat /etc/hostname)" = colibri-vm ] || {
	echo "1..0 # SKIP only in the machine of scripts/check-vm.sh"
	exit 0
}
# shellcheck source=tests/e2e/tap.sh
. "$(dirname "$0")/../e2e/tap.sh"
unset COLIBRI_SHARE_DIR
PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin

T=proof0
B=/var/lib/machines
R=$B/$T/root
AGENT=/usr/local/bin/colibri-test-agent
version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')

journal() {
	diag "$(journalctl -u colibri-daemon -n 30 --no-pager -o cat)"
}

# unit VERB...: systemctl, then wait until the daemon answers.
unit() {
	systemctl reset-failed colibri-daemon 2>/dev/null # this test starts it oftener than StartLimitBurst
	systemctl "$@" || journal
	tries=0
	until colibri status >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || { journal; echo "Bail out! no daemon after systemctl $*"; exit 1; }
		sleep 0.1
	done
}

# field NAME ID: of get-agent.
field() {
	colibri get-agent "$2" --json | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"
}

# spawn [ARG...]: a test agent that stays; its id in $id.
spawn() {
	run colibri spawn-agent local $AGENT --jail-name $T --jail-root $R --arg=--step-ms --arg=10 --arg=--hold-secs \
	    --arg=1000 --json "$@"
	id=$(printf '%s\n' "$out" | sed -n 's/.*"agent_id":"\([^"]*\)".*/\1/p')
	[ -n "$id" ] || diag "spawn: $out $err"
	id=${id:-none}
}

log_of() {
	cat /var/lib/colibri/state/agents/"$1"/err.* 2>/dev/null
}

# setting NAME VALUE...: all of /etc/colibri/daemon.env.
settings() {
	mkdir -p /etc/colibri
	printf '%s\n' COLIBRI_VAULT=file "$@" >/etc/colibri/daemon.env
}

# --- as the runbook has it ---

run make -s -C "$top" -o all install
is "make install" "$status" 0
mkdir -p $R
sh /usr/local/share/colibri/scripts/agent-jail-bootstrap.sh $T >/dev/null
install -d -m 700 /etc/colibri/vault
(umask 077 && echo FIRST_PROOF_KEY=throwaway >/etc/colibri/vault/$T.env)
settings
install -m 644 "$top/scripts/systemd/colibri-daemon.service" /etc/systemd/system/
systemctl daemon-reload
run systemd-analyze verify --man=no /etc/systemd/system/colibri-daemon.service
is "systemd-analyze verify has nothing to say" "$status|$out$err" "0|"
unit enable --now colibri-daemon
is "the unit is active" "$(systemctl is-active colibri-daemon)" active
run colibri register-tenant $T $R $T
is "register-tenant" "$status" 0

for backend in bwrap nspawn; do
	settings COLIBRI_JAIL_BACKEND=$backend
	unit restart colibri-daemon
	spawn
	is "$backend: an agent runs, with its .env" "$(field status "$id")|$(cat $R/.env)" \
	    "running|FIRST_PROOF_KEY=throwaway"
	tries=0
	until grep -q '"type"' /var/lib/colibri/state/agents/"$id"/out.* 2>/dev/null || [ $tries -gt 100 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
	like "$backend: its events arrive" "$(cat /var/lib/colibri/state/agents/"$id"/out.*)" '"type"'
	pid=$(field pid "$id")
	unit restart colibri-daemon
	is "$backend: systemctl restart leaves it, and it is adopted" \
	    "$(field pid "$id")|$(field adopted "$id")|$(field status "$id")" "$pid|true|running"
	systemctl stop colibri-daemon
	ok "$backend: systemctl stop leaves it" kill -0 "$pid"
	unit start colibri-daemon
	is "$backend: systemctl start finds it" "$(field pid "$id")|$(field adopted "$id")" "$pid|true"
	main=$(systemctl show -p MainPID --value colibri-daemon)
	kill -9 "$main"
	tries=0
	while [ "$(systemctl show -p MainPID --value colibri-daemon)" = "$main" ] ||
	    ! colibri status >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || break
		sleep 0.1
	done
	is "$backend: after kill -9 systemd starts the daemon again, and it is adopted" \
	    "$(field pid "$id")|$(field adopted "$id")" "$pid|true"
	run colibri stop-agent "$id"
	is "$backend: stop-agent" "$status" 0
	is "$backend: its processes are gone" "$(pgrep -f "$AGENT")" ""
	diag "$(log_of "$id")"
done

# --- limits: a cgroup of the daemon's ---

mkdir -p /etc/systemd/system/colibri-daemon.service.d
if [ "$version" -ge 254 ]; then
	line=DelegateSubgroup=daemon
	cgroup=/sys/fs/cgroup/system.slice/colibri-daemon.service
else
	line='ExecStartPre=+/bin/mkdir -p /sys/fs/cgroup/colibri'
	cgroup=/sys/fs/cgroup/colibri
fi
printf '%s\n' '[Service]' "$line" "Environment=COLIBRI_CGROUP=$cgroup" \
    >/etc/systemd/system/colibri-daemon.service.d/limits.conf
systemctl daemon-reload
for backend in bwrap nspawn; do
	settings COLIBRI_JAIL_BACKEND=$backend
	unit restart colibri-daemon
	spawn --limit memory.max=64M --limit pids.max=20 --limit cpu.max=50%
	is "$backend: limits are set" "$(cat "$cgroup/$id/memory.max" "$cgroup/$id/pids.max" "$cgroup/$id/cpu.max")" \
	    "67108864
20
50000 100000"
	like "$backend: what is in use" "$(colibri get-agent "$id" --json)" '"used":[{]"cpu_usec":[1-9].*"memory":[1-9].*"pids":[1-9]'
	pid=$(field pid "$id")
	unit restart colibri-daemon
	is "$backend: with limits, too, it outlives a restart" \
	    "$(field pid "$id")|$(field adopted "$id")|$(systemctl is-active colibri-daemon)" "$pid|true|active"
	colibri stop-agent "$id" >/dev/null
	is "$backend: its cgroup is gone" "$(ls -d "$cgroup/$id" 2>/dev/null)" ""
done
colibri delete-tenant $T --purge-env >/dev/null
systemctl disable --now colibri-daemon 2>/dev/null
done_testing
