#!/bin/sh
# run.sh [NAME ...] - build fuzz targets with clang and libFuzzer and run each
# for FUZZ_SECONDS (5). All of them without a name. Starts from the inputs in
# tests/fuzz/corpus/NAME where there are any; what it finds on the way is kept in
# build/fuzz/corpus, what makes a target fail in build/fuzz/NAME-*.
#
# The first line of a target names the objects it links, or the whole library:
#	/* links: line loop mem */		/* links: libcolibri */
# Exits 77 when the tools are not installed.
set -eu
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-5}
out=build/fuzz
sanitizers=address,undefined
make="make"
[ "$(uname -s)" != FreeBSD ] || make="gmake"

skip() {
	echo "fuzz: skipped: $*"
	exit 77
}

command -v clang >/dev/null 2>&1 || skip "install package clang"
mkdir -p $out
cat >$out/probe.c <<'END'
int LLVMFuzzerTestOneInput(const char *data, unsigned long size);
int LLVMFuzzerTestOneInput(const char *data, unsigned long size)
{
	return data == 0 && size > 0;
}
END
clang -fsanitize=fuzzer,$sanitizers -o $out/probe $out/probe.c >/dev/null 2>&1 ||
	skip "clang has no fuzzer runtime; install package libclang-rt-14-dev" \
	    "(the number is that of clang)"
rm -f $out/probe $out/probe.c

lua=
for name in lua5.4 lua-5.4 lua54; do
	pkg-config --exists $name && lua=$name && break
done

# objects NAME: what the target links, as files.
objects() {
	# shellcheck disable=SC2013 # words are meant
	for object in $(sed -n '1s,.*links: *\(.*\) \*/,\1,p' \
	    "tests/fuzz/$1.c"); do
		case $object in
		lib*) echo "$out/$object.a" ;;
		*) echo "$out/obj/$object.o" ;;
		esac
	done
}

# finding LOG: what kind it is (a slow input is a timeout-*) and the input, so
# that the text of a failed run is enough to repeat it.
finding() {
	artifact=$(sed -n 's/.*Test unit written to //p' "$1" | tail -n 1)
	if [ ! -f "$artifact" ]; then
		echo "fuzz: no input was kept: the target ended by itself"
		return
	fi
	echo "fuzz: finding in $artifact, $(wc -c <"$artifact") bytes, as base64:"
	base64 "$artifact"
	echo "fuzz: a fix adds it to tests/fuzz/corpus"
}

# Build and run one target.
fuzz() {
	# shellcheck disable=SC2046 # lists of files and of flags
	$make --no-print-directory --silent BUILD=$out CC=clang \
	    SAN=fuzzer-no-link,$sanitizers $(objects "$1") &&
	clang -std=c11 -O1 -g -D_GNU_SOURCE -Icore \
	    -fsanitize=fuzzer,$sanitizers -fno-sanitize-recover=all \
	    $(pkg-config --cflags "$lua") -o "$out/$1" "tests/fuzz/$1.c" \
	    $(objects "$1") \
	    $(pkg-config --libs "$lua" libevent_core sqlite3) -lm || return 1
	corpus=$out/corpus/$1
	mkdir -p "$corpus"
	set -- "$1" "$corpus"
	[ ! -d "tests/fuzz/corpus/$1" ] || set -- "$@" "tests/fuzz/corpus/$1"
	target=$1
	shift
	"$out/$target" -max_total_time="$seconds" -timeout=10 -verbosity=0 \
	    -print_final_stats=1 -artifact_prefix="$out/$target-" "$@" \
	    >"$out/$target.log" 2>&1 || {
		tail -n 60 "$out/$target.log"
		finding "$out/$target.log"
		return 1
	}
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' \
	    "$out/$target.log")
	echo "fuzz: $target: $runs inputs in $seconds s, nothing found"
}

failed=0
if [ $# -eq 0 ]; then
	for file in tests/fuzz/*_fuzz.c; do
		set -- "$@" "$(basename "$file" .c)"
	done
fi
for name in "$@"; do
	fuzz "$name" || {
		echo "fuzz: $name failed"
		failed=1
	}
done
exit $failed
