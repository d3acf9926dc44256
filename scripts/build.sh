#!/bin/sh
# build.sh FOLDER [CONFIGURE-FLAG...]: configures the project in FOLDER, unless that is done with
# the same flags already, and builds the library and the program.
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
shift

if test -f "$source/config.status"; then
    echo "build.sh: $source is configured in place; run \`make distclean\` there first" >&2
    exit 1
fi
test -x "$source/configure" || "$source/autogen.sh"
mkdir -p "$folder"
cd "$folder"
if test ! -f Makefile || test "$(cat .flags 2>/dev/null)" != "$*"; then
    "$source/configure" --quiet "$@"
    printf '%s\n' "$*" >.flags
fi
make -j"$(nproc)"
