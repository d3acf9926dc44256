#!/bin/sh
# Every block, model and backend that is defined has its line in the .def file of its folder, and
# every line its definition, in the file (or, for backends, the folder) of that name.
set -eu
cd "${srcdir:-.}"
bad=0

# compare FOLDER MACRO TYPE PREFIX: definitions "const struct TYPE PREFIX<id> = {" against lines.
compare() {
    def="$1/$1.def"
    test -f "$def" || return 0
    definition="^const struct $3 $4\([a-z0-9_]*\) = {.*"
    defined=$(find "$1" -name '*.c' -exec sed -n "s/$definition/\1/p" {} + | LC_ALL=C sort)
    listed=$(sed -n "s/^$2(\([a-z0-9_]*\)).*/\1/p" "$def" | LC_ALL=C sort)
    test "$defined" = "$listed" || {
        printf '%s defines:\n%s\n%s lists:\n%s\n' "$1" "$defined" "$def" "$listed"
        bad=1
    }
}

# placed FOLDER MACRO PATTERN: each listed id has the file that PATTERN (with %s) names.
placed() {
    test -f "$1/$1.def" || return 0
    # shellcheck disable=SC2013 # ids have no blanks
    for id in $(sed -n "s/^$2(\([a-z0-9_]*\)).*/\1/p" "$1/$1.def"); do
        file="$1/$(printf '%s' "$3" | sed "s/%s/$id/g")"
        test -f "$file" || {
            printf '%s lists %s, but there is no %s\n' "$1/$1.def" "$id" "$file"
            bad=1
        }
    done
}

compare blocks NL_BLOCK nl_block nl_block_
placed blocks NL_BLOCK %s.c
compare models NL_MODEL nl_model_kind nl_model_
placed models NL_MODEL %s.c
compare backends NL_BACKEND nl_backend_ops nl_backend_
placed backends NL_BACKEND %s/%s.c

for folder in backends/*/; do
    id=$(basename "$folder")
    grep -q "^NL_BACKEND($id)" backends/backends.def || {
        printf 'backends/backends.def does not list %s\n' "$id"
        bad=1
    }
done
exit $bad
