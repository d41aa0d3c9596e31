#!/bin/sh
# exec.sh TEST - how prove runs one test file: programs run, *.sh by sh, *.lua
# in the real host. BUILD names the directory with the programs.
set -eu
BUILD=${BUILD:-$(pwd)/build}
export BUILD
case $1 in
*.lua) exec "$BUILD/colibri-run" --log-level warn test "$1" ;;
*.pl) exec perl "$1" ;;
*.sh) exec sh "$1" ;;
*) exec "$1" ;;
esac
