#!/bin/sh
# quickstart.sh - from a fresh machine to the main job done: installs what is
# missing, builds, and runs the runbook's proof in a scratch directory with the
# embedded file vault and a real jail. Nothing is left behind but packages and
# build/. Repeats without harm; as root, or as a user with sudo.
set -eu
cd "$(dirname "$0")/.."
# Nothing runs from files that others could write to, as a clone made under
# umask 002 would have them.
umask 022
chmod go-w . 2>/dev/null || :
chmod -R go-w lua hooks scripts tests 2>/dev/null || :

say() {
	echo "colibri: $*" >&2
}

make="make"
[ "$(uname -s)" != FreeBSD ] || make="gmake"
if [ -e build ] && [ ! -w build ]; then
	say "build/ belongs to somebody else; remove it (as its owner) and try again"
	exit 1
fi

echo "==> 1/3 what is needed"
sh scripts/deps.sh build jail
echo "==> 2/3 build"
$make -s -j2 all

# The jail that this machine can make.
if [ "$(uname -s)" = FreeBSD ]; then
	if [ "$(id -u)" = 0 ]; then
		backend=jail
	else
		backend=none
		say "jails need root here; the agent runs without one (run this as root to see it in a jail)"
	fi
else
	backend=bwrap
	if ! bwrap --ro-bind / / true 2>/dev/null; then
		say "bubblewrap may not make namespaces here: run this as root, or allow them" \
		    "(sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)"
		exit 1
	fi
fi

echo "==> 3/3 the runbook, in a scratch directory: vault 'file', jail '$backend'"
status=0
build/colibri-run scripts/proof.lua --tenant proof0 --vault file --jail-backend "$backend" || status=$?
if [ "$status" != 0 ]; then
	say "the proof failed; the lines that begin with 'not ok' say where"
	exit "$status"
fi
sudo="sudo "
[ "$(id -u)" != 0 ] || sudo=
cat <<END

It works. A tenant was registered, an agent ran in a jail, and its secrets lay
beside it at 0600. What to type next:

  build/colibri-run scripts/proof.lua --help     the same against your own daemon, jail and vault
  build/colibri help                             every command of the socket CLI
  build/colibri-daemon --help                    every setting
  sh scripts/test.sh                             every test
END
printf '  %-44s   %s\n' "$sudo$make install" "then docs/RUNBOOK.md, step by step"
