#!/bin/sh
# `require "colibri"` in a stock Lua interpreter: json, fs, clock, err and params
# work there, what needs a host says so. A binding of these must not rely on a vm.
set -u
# shellcheck source=tests/e2e/tap.sh
. "$(dirname "$0")/../e2e/tap.sh"

! nm "$BUILD/libcolibri.a" 2>/dev/null | grep -q __asan_init ||
	skip_all "the sanitizers must be in the interpreter, too"
stock=''
for name in lua5.4 lua54 lua-5.4; do
	command -v $name >/dev/null 2>&1 && stock=$name && break
done
[ -n "$stock" ] || skip_all "lua5.4 is not installed"
make=$(command -v gmake || command -v make) || skip_all "make is not installed"
scratch_make stock
DEST=$scratch/dest
PREFIX=/usr/local
(umask 022 && "$make" -s -C "$top" -o all "BUILD=$BUILD" "DESTDIR=$DEST" "PREFIX=$PREFIX" install >/dev/null) ||
	diag "make install failed"
cat >"$scratch/stock.lua" <<'END'
local colibri = require "colibri"
local json, fs, err, params = colibri.json, colibri.fs, colibri.err, colibri.params
assert(package and io and os, "the interpreter's own libraries are still there")
assert(require "core.json" == json and require "colibri.err" == err)
assert(json.encode { list = json.array {}, n = 1, x = 1.5 } == '{"list":[],"n":1,"x":1.5}')
local none, e = json.decode "[1,"
assert(none == nil and e.code == "BadJson")
local dir = arg[1]
local root <close> = assert(fs.open_trusted(dir))
assert(root:write_env("x.env", { B = "it's", A = "plain" }).change == "changed")
assert(root:write_env("x.env", { A = "plain", B = "it's" }).change == "unchanged")
local list = assert(root:read_env("x.env"))
assert(#list == 2 and list[2].key == "B" and tostring(list[2].value) == "[secret]")
assert(list[2].value:reveal() == "it's")
none, e = fs.open(dir, dir .. "/../..")
assert(none == nil and (e.code == "TargetEscapesRoot" or e.code == "BadPath"), tostring(e))
none, e = params.validate({ { "n", "integer", required = true, max = 3 } }, { n = 4 })
assert(none == nil and e.code == "BadParameter")
assert(params.validate({ { "n", "integer", default = 2 } }, {}).n == 2)
local ok, text = pcall(json.array)
assert(not ok and text:find("bad argument"))
local ok2, why = pcall(require, "core.task")
assert(not ok2 and why:find("'core.task' needs a host", 1, true))
print(colibri.version, colibri.api, err.new("Some", "%d", 1))
END
unset COLIBRI_SHARE_DIR
run env "LUA_CPATH_5_4=$DEST$PREFIX/lib/lua/5.4/?.so;;" $stock "$scratch/stock.lua" "$scratch"
is "json, fs, err and params work from an installed library" "$status|$out|$err" \
    "0|$(colibri --version | awk '{ print $2 }')	1	Some: 1|"
rm "$scratch/x.env"
run env "LUA_CPATH_5_4=$BUILD/?.so;;" $stock "$scratch/stock.lua" "$scratch"
is "and from a build tree" "$status|$err" "0|"
# A state that is not ours: its extra space may hold anything.
rm "$scratch/x.env"
run env MALLOC_PERTURB_=165 "LUA_CPATH_5_4=$BUILD/?.so;;" $stock "$scratch/stock.lua" "$scratch"
is "and in memory that is not zero" "$status|$err" "0|"
is "values that sh reads back" "$(. "$scratch/x.env"; printf '%s|%s' "$A" "$B")" "plain|it's"
done_testing
