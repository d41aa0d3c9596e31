#!/bin/sh
# luals_test.sh - lua-language-server has no complaint about our own Lua, with
# the types of lua/meta/ that `make docs` made.
set -u
cd "$(dirname "$0")/../.." || exit
case ${BUILD:-build} in
*/asan)
	echo "1..0 # SKIP the plain build's run has looked at the same files"
	exit 0
	;;
esac
if ! command -v lua-language-server >/dev/null 2>&1; then
	echo "1..0 # SKIP lua-language-server is not installed"
	exit 0
fi
logs=$(mktemp -d) || exit
trap 'rm -rf "$logs"' EXIT
n=0
failed=0
for dir in lua hooks scripts; do
	n=$((n + 1))
	if report=$(lua-language-server --check="$dir" --configpath="$PWD/.luarc.json" --checklevel=Warning \
	    --logpath="$logs" --metapath="$logs/meta" 2>&1); then
		echo "ok $n - $dir"
	else
		echo "not ok $n - $dir"
		echo "$report" | sed 's/^/# /'
		[ ! -f "$logs/check.json" ] || sed 's/^/# /' "$logs/check.json"
		failed=1
	fi
done
echo "1..$n"
exit $failed
