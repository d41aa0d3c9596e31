#!/bin/sh
# api_types_test.sh - our own Lua, and docs/examples/site, checked with the types of
# lua/meta/ that `make docs` made: by lua-language-server, or by emmylua_check,
# which reads the same annotations and settings (cargo install emmylua_check).
set -u
cd "$(dirname "$0")/../.." || exit
case ${BUILD:-build} in
*/asan)
	echo "1..0 # SKIP the plain build's run has looked at the same files"
	exit 0
	;;
esac
scratch=$(mktemp -d "${TMPDIR:-/tmp}/colibri-luals.XXXXXX") || exit
trap 'rm -rf "$scratch"' EXIT
n=0
failed=0

# result NAME STATUS: one test; what the tool said is in $scratch/out.
result() {
	n=$((n + 1))
	if [ "$2" = 0 ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		sed 's/^/# /' "$scratch/out"
		failed=1
	fi
}

# check DIRECTORY CONFIG: 0 when there is no complaint.
check() {
	if [ "$tool" = lua-language-server ]; then
		lua-language-server --check="$1" --configpath="$2" --checklevel=Warning \
		    --logpath="$scratch/log" --metapath="$scratch/meta" >"$scratch/out" 2>&1
		status=$?
		[ ! -f "$scratch/log/check.json" ] || cat "$scratch/log/check.json" >>"$scratch/out"
		return $status
	fi
	emmylua_check "$1" --config "$2" --ignore 'build/**,tests/**,docs/api.lua,docs/api/**' \
	    --warnings-as-errors >"$scratch/out" 2>&1
}

# A first line "--- @return ..." would be taken for a type.
grep -rnE '^[[:space:]]*--- ?@' lua/colibri lua/commands lua/providers lua/policy hooks scripts |
	grep -v '^lua/colibri/api_luals.lua' >"$scratch/out"
result "no comment looks like an annotation by accident: begin with words, or with \"-- @\"" $((1 - $?))

tool=''
for name in lua-language-server emmylua_check; do
	command -v $name >/dev/null 2>&1 && tool=$name && break
done
if [ -z "$tool" ]; then
	n=$((n + 1))
	echo "ok $n - types # SKIP neither lua-language-server nor emmylua_check is installed"
	echo "1..$n"
	exit $failed
fi
check . "$PWD/.luarc.json"
result "our own Lua" $?

# A site sees the installed types only, by the settings that we hand out.
mkdir -p "$scratch/site/hooks/spawn_before" "$scratch/site/commands"
sed "s,/usr/local/share/colibri/lua/meta,$PWD/lua/meta," docs/examples/luarc.json >"$scratch/luarc.json"
cat >"$scratch/site/hooks/spawn_before/good.lua" <<'END'
---@type colibri.Hook
local hook = {
  api = 1,
  summary = "typed",
  run = function(ctx, event)
    local tenant, e = ctx.tenants:get(event.jail_name)
    if not tenant then
      return false, e
    end
    ctx.log.info("fine", { status = tenant.status })
  end,
}

return hook
END
check "$scratch/site" "$scratch/luarc.json"
result "a site's script with its type" $?
sed 's/tenants:get/tenants:gett/' "$scratch/site/hooks/spawn_before/good.lua" >"$scratch/site/hooks/spawn_before/bad.lua"
check "$scratch/site" "$scratch/luarc.json"
[ $? != 0 ] && grep -q gett "$scratch/out"
result "a misspelt function is found" $?
echo "1..$n"
exit $failed
