#!/bin/sh
# check-demo.sh: a demo of a few videos says what it does as one can type it, and ends with its table.
set -u
program=${NL_PROGRAM:?}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

fail() {
    echo "FAILED: $*"
    failed=1
}

threads=$(nproc) # a demo of one thread where there is one processor
test "$threads" -lt 2 || threads=2
set -- --save_dir="$folder/a demo" --videos=6 --epoch=1 --threads="$threads" --precision=bf16 \
    --pairwise=dot
"$program" demo "$@" >"$folder/log" 2>&1 || fail "the demo ended with status $?"
for line in 'with non-local blocks  *[01]\.[0-9]' 'without  *[01]\.[0-9]' \
    'with, one frame repeated  *[01]\.[0-9]' 'TOP1_ACC: '; do
    grep -q "$line" "$folder/log" || fail "no line like: $line"
done
test "$(grep -c '^\$ nonlocal' "$folder/log")" = 6 || fail "six commands were to be printed"
test "$(grep -c "^[$] nonlocal.* --threads=$threads" "$folder/log")" = 6 || fail "not all have the threads"
grep -q 'precision: bf16' "$folder/a demo/config.yaml" || fail "the precision is lost"
grep -q "^NONLOCAL: {pairwise: 'dot'}" "$folder/a demo/config.yaml" || fail "the variant is lost"

# Each of its evaluations, typed again into another folder, gives the same accuracy.
# shellcheck disable=SC2016 # expanded when it is typed
grep '^\$ nonlocal eval' "$folder/log" | sed -e 's/^\$ nonlocal/"$program"/' \
    -e "s/\(--save_dir=[^']*\)/\1-again/" >"$folder/typed"
while read -r line; do
    eval "$line" >>"$folder/log2" 2>&1 || fail "this was printed, but fails: $line"
done <"$folder/typed"
grep '^TOP1_ACC' "$folder/log" >"$folder/one"
grep '^TOP1_ACC' "$folder/log2" >"$folder/two"
cmp -s "$folder/one" "$folder/two" || fail "typed again, the evaluations say something else"

"$program" demo "$@" >"$folder/log3" 2>&1 && fail "a folder that holds a demo is taken"
grep -q 'holds a demo' "$folder/log3" || fail "no line about the demo that is there"
"$program" demo --save_dir="$folder/b" --videos=2 >"$folder/log3" 2>&1 &&
    fail "two videos a class were taken"
"$program" demo --save_dir="$folder/c" --precision=f64 --backend=cpu >"$folder/out" 2>"$folder/log3" &&
    fail "a backend that does not multiply f64 is taken"
test "$(wc -l <"$folder/log3")" = 1 || fail "want one line, got: $(cat "$folder/log3")"
test ! -e "$folder/c" && test ! -s "$folder/out" || fail "videos are made for a backend that cannot run"
test "$failed" = 0 || cat "$folder/log"
exit "$failed"
