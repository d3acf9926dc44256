#!/bin/sh
# Data flows one way; so do includes. Each line: a folder, then what it may use beside itself.
set -eu
cd "${srcdir:-.}"
bad=0
while read -r dir allowed; do
    test -d "$dir" || continue
    # shellcheck disable=SC2086 # a list of folders
    pattern=$(printf '%s|' $allowed "$dir")
    found=$(find "$dir" -type f \( -name '*.[ch]' -o -name '*.cu' -o -name '*.def' \) \
        -exec grep -n '^ *# *include "' /dev/null {} + |
        grep -v '"autoconf.h"' | grep -Ev "\"(${pattern%|})/" || :)
    test -z "$found" || {
        printf '%s may not include:\n%s\n' "$dir" "$found"
        bad=1
    }
done <<'LAYERS'
src/core
src/tensor  src/core
src/graph   src/core src/tensor
src/weights src/core src/tensor
backends    src/core src/tensor
blocks      src/core src/tensor src/graph
models      src/core src/tensor src/graph blocks
reader      src/core src/tensor
src/app     src/core src/tensor src/graph src/weights backends blocks models reader
LAYERS
exit $bad
