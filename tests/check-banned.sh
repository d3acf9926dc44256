#!/bin/sh
# Functions that this project does not use, and where the others belong.
set -eu
cd "${srcdir:-.}"

# code FOLDERS: their C lines without comments and texts, as FILE:LINE:CODE.
code() {
    find "$@" -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' \) 2>/dev/null |
        LC_ALL=C sort | while read -r file; do
        awk -v file="$file" '{
            line = $0
            gsub(/\\./, "", line)
            gsub(/"[^"]*"/, "\"\"", line)
            if (inside) { if (!sub(/^.*\*\//, "", line)) next; inside = 0 }
            gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "", line)
            sub(/\/\/.*/, "", line)
            if (sub(/\/\*.*/, "", line)) inside = 1
            print file ":" FNR ":" line
        }' "$file"
    done
}

# calls WHY PATTERN: the lines of standard input that call a function of this pattern, with WHY.
calls() {
    grep -E "(^|[^A-Za-z0-9_>.])($2) *\(" | sed "s|^|$1: |" || :
}

library='src/core src/tensor src/graph src/weights backends blocks models reader'

# shellcheck disable=SC2086 # a list of folders
found=$(
    code $library src/app tests | calls 'unbounded or deaf to errors' \
        'strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atof|strtok|alloca'
    code $library | calls 'only src/app prints and exits' \
        'printf|vprintf|puts|putchar|exit|_exit|quick_exit'
    code $library | grep '[^A-Za-z0-9_]stdout[^A-Za-z0-9_]' | sed 's|^|only src/app prints: |' || :
    code $library src/app | grep -v '^src/core/memory\.c:' | calls 'use nl_alloc and nl_free' \
        'malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup|strndup'
)
test -z "$found" && exit 0
printf '%s\n' "$found"
exit 1
