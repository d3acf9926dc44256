#!/bin/sh
# check-eval.sh: accuracy over a list equals what predict says of each video; interrupted and gone on
# it writes the same files; early stopping changes no decision; bad lists.
set -u
program=${NL_PROGRAM:?}
maker=${NL_CLIPMAKER:-$(pwd)/tests/clipmaker}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
replace= # "exec" where the program shall take the place of a shell that is killed

fail() {
    echo "FAILED: $*"
    failed=1
}

narrow="--set MODEL.width=4 --set MODEL.num_classes=4 --set TRAIN.crop_size=32
 --set TEST.crop_size=32 --set TEST.jitter_scales=[32,40] --set INFER.crop_size=32
 --set INFER.jitter_scales=[40,40] --set TEST.jitter_scales=[40,40] --set TEST.batch_size=2
 --set TEST.video_length=4 --set INFER.video_length=4 --set TEST.sample_rate=2
 --set INFER.sample_rate=2"
# shellcheck disable=SC2086 # a list of flags
"$program" init $narrow --to="$folder/w.safetensors" --seed=3 2>/dev/null || exit 1
i=0
while test $i -lt 12; do
    "$maker" "$folder/video $i.mp4" $((56 + 8 * (i % 5))) $((48 + 8 * (i % 3))) $((6 + 5 * i)) || exit 1
    echo "$folder/video $i.mp4 $((i % 4))" >>"$folder/list.txt"
    i=$((i + 1))
done
echo "$folder/none.mp4 1" >>"$folder/list.txt"

# evaluate FOLDER [FLAG...]
evaluate() {
    into=$1
    shift
    # shellcheck disable=SC2086
    $replace "$program" eval $narrow --weights="$folder/w.safetensors" --filelist="$folder/list.txt" \
        --save_dir="$into" "$@" >"$folder/out" 2>"$folder/err"
}

evaluate "$folder/a"
test $? = 3 || fail "a broken video: want exit 3"
grep -q "^TOP1_ACC: [0-9.]* ([0-9]*/13)" "$folder/out" || fail "no TOP1_ACC over 13 videos"
grep -q "broken: .*none.mp4" "$folder/err" || fail "the broken video is not named"
top1=$(sed -n 's/^TOP1_ACC: [0-9.]* (\([0-9]*\)\/.*/\1/p' "$folder/out")

# The same decisions as predict's.
# shellcheck disable=SC2086
"$program" predict $narrow --weights="$folder/w.safetensors" --filelist="$folder/list.txt" \
    --json="$folder/p.json" >/dev/null 2>&1
right=0
while read -r line; do
    video=$(echo "$line" | sed 's/.*"video":"\([^"]*\)".*/\1/')
    best=$(echo "$line" | sed 's/.*"top":\[{"class":\([0-9]*\).*/\1/')
    label=$(grep -F "$video " "$folder/list.txt" | sed 's/.* //')
    test "$best" = "$label" && right=$((right + 1))
    grep -F "$video" "$folder/a/predictions.csv" | grep -q ",[a-z]*,$best," ||
        fail "$video: eval and predict disagree"
done <"$folder/p.json"
test "$right" = "$top1" || fail "TOP1 $top1, predict's classes give $right"

# Killed and gone on, and interrupted and gone on: the same files.
for delay in 0.05 0.12 0.2; do
    (replace=exec evaluate "$folder/b") &
    sleep $delay
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
done
for what in 'going on' 'a finished evaluation, once more,'; do
    evaluate "$folder/b"
    status=$?
    test $status = 3 || fail "$what exits $status, want 3: one video is broken"
done
for file in predictions.csv summary.json confusion.csv views.safetensors; do
    cmp -s "$folder/a/$file" "$folder/b/$file" || fail "$file differs after kills"
done

evaluate "$folder/b" --set MODEL.image_mean=0 && fail "another network goes on with the journal"
grep -q 'other weights, network, views, precision or backend;' "$folder/err" || fail "no line about another network"
evaluate "$folder/b" --precision=bf16 && fail "another precision goes on with the journal"
grep -q 'views, precision or backend;' "$folder/err" || fail "no line about another precision"
mkdir "$folder/cut"
head -c 40 "$folder/b/eval.journal" >"$folder/cut/eval.journal"
evaluate "$folder/cut"
test $? = 3 || fail "a journal that was cut off at its start is not begun anew"
cmp -s "$folder/a/views.safetensors" "$folder/cut/views.safetensors" || fail "cut: other views"

evaluate "$folder/c" --early_stop
stopped=$(sed -n 's/^TOP1_ACC: [0-9.]* (\([0-9]*\)\/.*/\1/p' "$folder/out")
test "$stopped" = "$top1" || fail "early stop: TOP1 $stopped, want $top1"

"$program" eval --rescore="$folder/a/views.safetensors" >"$folder/out" 2>&1
test "$(sed -n 's/^TOP1_ACC: [0-9.]* (\([0-9]*\)\/.*/\1/p' "$folder/out")" = "$top1" ||
    fail "rescoring all views differs"
grep -q '^30 of 390 views were not evaluated' "$folder/out" ||
    fail "no word about the broken video's views: $(cat "$folder/out")"
"$program" eval --rescore="$folder/a/views.safetensors" --views=5x1 >"$folder/out" 2>&1 ||
    fail "rescoring 5x1 fails"

# The original's four columns, labels from another list.
i=0
while test $i -lt 12; do
    for t in 0 4; do echo "$folder/video $i.mp4 $i $t 1" >>"$folder/four.txt"; done
    i=$((i + 1))
done
# shellcheck disable=SC2086
"$program" eval $narrow --weights="$folder/w.safetensors" --filelist="$folder/four.txt" \
    --set TEST.filename_gt="$folder/list.txt" --save_dir="$folder/d" >"$folder/out" 2>&1 ||
    fail "four columns: $(cat "$folder/out")"
grep -q "^TOP1_ACC: .*/12)" "$folder/out" || fail "four columns: no TOP1_ACC over 12 videos"

# refused WORDS LIST [FLAG...]
refused() {
    words=$1 list=$2
    shift 2
    # shellcheck disable=SC2086
    "$program" eval $narrow --weights="$folder/w.safetensors" --filelist="$list" \
        --save_dir="$folder/e" "$@" >"$folder/out" 2>&1 && fail "$words: exit 0"
    grep '^nonlocal eval: ' "$folder/out" | grep -q -- "$words" ||
        fail "no line with \"$words\": $(cat "$folder/out")"
}
sed 's/ \([0-3]\)$/ 9/' "$folder/list.txt" >"$folder/nine.txt"
refused 'label 9, want 0 to 3' "$folder/nine.txt"
grep -v none "$folder/list.txt" | sed 's/ [0-3]$//' >"$folder/one.txt"
refused 'want PATH LABEL' "$folder/one.txt"
head -3 "$folder/list.txt" >"$folder/short.txt"
refused 'give another --save_dir' "$folder/short.txt" --save_dir="$folder/a"
refused 'want TxS' "$folder/list.txt" --views=10x2

{ head -1 "$folder/four.txt"; echo "$folder/video 1.mp4 1 99 1"; } >"$folder/far.txt"
refused 'far.txt:2: .* has a view 99 1; want positions 0 to' "$folder/far.txt"
odd=$folder/$(printf 'odd\377.txt')
if cp "$folder/list.txt" "$odd" 2>/dev/null; then
    evaluate "$folder/odd" --filelist="$odd"
    test $? = 3 || fail "a list whose name is not UTF-8: $(cat "$folder/err")"
    cmp -s "$folder/a/predictions.csv" "$folder/odd/predictions.csv" || fail "odd name: not the same"
fi

test $failed = 0 && echo "eval: all of it holds"
exit $failed
