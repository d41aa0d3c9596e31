#!/bin/sh
# guest.sh - inside the machine of scripts/check-vm.sh, as root: run the tests
# named in tests/vm/list, else those that profit from a real system.
set -u
stty -opost -F /dev/ttyS1 2>/dev/null
echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
cd /colibri || exit 1
BUILD=/colibri/build
export BUILD
list=$(cat tests/vm/list)
[ -n "$list" ] || list="tests/e2e/nspawn_test.lua tests/e2e/cgroup_test.lua
tests/e2e/agent_limits_test.lua tests/e2e/jail_inside_test.lua tests/e2e/survive_test.lua tests/e2e/gate_test.lua
tests/e2e/input_test.lua tests/vm/unit_test.sh"
echo "# $(uname -sr), $(systemctl --version | head -n 1)"
# shellcheck disable=SC2086 # a list of files
if prove --nocolor --verbose --timer --exec tests/exec.sh $list; then
	echo "check-vm: pass"
else
	echo "check-vm: FAIL"
fi
