#!/bin/sh
# Documents do not lie about files: relative links lead somewhere, and so do paths in backquotes.
# shellcheck disable=SC2013,SC2016 # names have no blanks; backquotes are meant
set -eu
cd "${srcdir:-.}"
bad=0
folders='src|backends|blocks|models|reader|tests|configs|scripts|docs'
for page in *.md docs/*.md docs/*/*.md; do
    folder=$(dirname "$page")
    for link in $(grep -o ']([^)#:]*[)#]' "$page" | sed 's/^](//; s/[)#]$//'); do
        test -e "$folder/$link" || {
            echo "$page: no $link"
            bad=1
        }
    done
    for path in $(grep -oE "\`($folders)/[a-z0-9_./-]+\`" "$page" | tr -d '`'); do
        test -e "$path" || {
            echo "$page: no $path"
            bad=1
        }
    done
done

# The table of commands is the program's. By hand, without a program, this is left out.
if test -n "${NL_PROGRAM-}"; then
    documented=$(sed -n 's/^| `\([a-z-]*\)` |.*/\1/p' docs/commands.md | LC_ALL=C sort)
    built=$("$NL_PROGRAM" help | sed -n 's/^  \([a-z-]*\)  .*/\1/p' | LC_ALL=C sort)
    test "$documented" = "$built" || {
        printf 'docs/commands.md has:\n%s\nthe program has:\n%s\n' "$documented" "$built"
        bad=1
    }
fi
exit $bad
