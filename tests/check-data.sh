#!/bin/sh
# check-data.sh: lists made from folders are stratified and repeatable; faults of lists are found.
set -u
program=${NL_PROGRAM:?}
maker=${NL_CLIPMAKER:-$(pwd)/tests/clipmaker}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
fail() {
    echo "FAILED: $*"
    failed=1
}

for class in a 'b c' d; do
    mkdir -p "$folder/videos/$class"
    "$maker" "$folder/videos/$class/0.mp4" 48 32 6 || exit 1
    for i in 1 2 3 4 5 6 7 8 9; do cp "$folder/videos/$class/0.mp4" "$folder/videos/$class/$i.mp4"; done
done
make_list() {
    "$program" make-list "$folder/videos" --split=60,20,20 --seed=3 "$@" >"$folder/out" 2>&1
}
make_list --to="$folder/one" || fail "make-list: $(cat "$folder/out")"
make_list --to="$folder/two" || fail "make-list again"
for file in train.txt val.txt test.txt labels.json; do
    cmp -s "$folder/one/$file" "$folder/two/$file" || fail "$file is another the second time"
done
for label in 0 1 2; do
    test "$(grep -c " $label\$" "$folder/one/train.txt")" = 6 || fail "train.txt: class $label"
    test "$(grep -c " $label\$" "$folder/one/val.txt")" = 2 || fail "val.txt: class $label"
done
make_list --to="$folder/one" && fail "lists that are there are written over"
make_list --to="$folder/one" --force || fail "--force does not write"
make_list --to="$folder/three" --split=1,2 && fail "a split of two"

check() {
    "$program" check-data --config="$folder/one/config.yaml" "$@" >"$folder/out" 2>&1
}
check || fail "sound lists have faults: $(cat "$folder/out")"
head -1 "$folder/one/train.txt" >>"$folder/one/val.txt"
echo "$folder/none.mp4 1" >>"$folder/one/val.txt"
check --bad="$folder/bad.txt" && fail "faults are not found"
grep -q 'val.txt:8: .*none.mp4: No such file' "$folder/out" || fail "a missing video is not named"
grep -q 'is in .*train.txt:1 too' "$folder/out" || fail "a video in two splits is not named"
grep -q '2 faults' "$folder/out" || fail "not two faults"
test "$(cat "$folder/bad.txt")" = "$folder/none.mp4 1" || fail "--bad writes other lines"
sed 's/ 2$/ 3/' "$folder/one/train.txt" >"$folder/off.txt"
check "$folder/off.txt" && fail "a label out of range passes"
grep -q 'label 3, want 0 to 2' "$folder/out" || fail "no line about the label"

# Forms of lists: what editors add does not count, what cannot be meant is named with its line.
video="$folder/videos/d/0.mp4"
printf '\357\273\277  %s 0\r\n \t\n\t%s 1 \t\r\n\n' "$video" "$folder/videos/d/1.mp4" \
    >"$folder/form.txt"
check "$folder/form.txt" || fail "blanks and a byte order mark: $(cat "$folder/out")"
grep -q '^2 videos: 0 faults' "$folder/out" || fail "not two videos: $(cat "$folder/out")"
# refused MESSAGE: form.txt is, with that message
refused() {
    check "$folder/form.txt" && fail "passes: $1"
    grep -qF "form.txt:$1" "$folder/out" || fail "want $1, got $(cat "$folder/out")"
}
printf '%s 0\n%s\0 1\n' "$video" "$video" >"$folder/form.txt"
refused '2: a NUL byte'
printf '%s 0\n\nx.mp4 99999999999999999999\n' "$video" >"$folder/form.txt"
refused '3: 99999999999999999999 is out of range'
printf '%s 0\nx.mp4 one\n' "$video" >"$folder/form.txt"
refused '2: 1 columns where lines before have 2: "x.mp4 one"'
printf 'x.mp4 7 1\n' >"$folder/form.txt"
refused '1: 3 columns; want PATH, PATH LABEL, or PATH INDEX TEMPORAL SPATIAL: "x.mp4 7 1"'

# A file is one under all of its paths.
ln -s videos/d/0.mp4 "$folder/link.mp4"
for other in "$folder/videos/b c/../d/0.mp4" "$folder/link.mp4"; do
    printf '%s 0\n%s 0\n' "$video" "$other" >"$folder/form.txt"
    refused "2: $other is in line 1 already, as $video"
    echo "$video 0" >"$folder/first.txt"
    echo "$other 0" >"$folder/form.txt"
    check "$folder/first.txt" "$folder/form.txt" && fail "two splits share $other"
    grep -qE "(form|first).txt:1: .* is in .*(form|first).txt:1 too" "$folder/out" ||
        fail "$other in two splits is not named"
done

# Names that need quotes read back; names that no JSON or YAML holds are refused.
odd="$folder/it's \"odd\" \\ # one: $(printf '\303\244')"
mkdir -p "$folder/names/a \"b\" \\c" "$folder/names/$(printf '\303\244')"
for class in "$folder/names"/*; do
    for i in 0 1 2; do cp "$video" "$class/$i.mp4"; done
done
names() {
    "$program" make-list "$folder/names" "$@" >"$folder/out" 2>&1
}
names --to="$odd" --split=34,33,33 || fail "odd names: $(cat "$folder/out")"
"$program" check-data --config="$odd/config.yaml" >"$folder/out" 2>&1 ||
    fail "odd names do not read back: $(cat "$folder/out")"
printf '  filelist: %s\n' "'$(printf '%s' "$odd" | sed "s/'/''/")/train.txt'" >"$folder/want"
grep -qxFf "$folder/want" "$odd/config.yaml" || fail "another filelist: $(cat "$odd/config.yaml")"
test "$(tr -d '\n' <"$odd/labels.json")" = "[ \"a \\\"b\\\" \\\\c\", \"$(printf '\303\244')\"]" ||
    fail "labels.json: $(cat "$odd/labels.json")"
names --to="$folder/few" --split=1,99,0 && fail "a class without a video to train on passes"
grep -q 'none of 3 videos is left to train on' "$folder/out" || fail "no line about the split"
mkdir "$folder/names/$(printf 'x\tx')"
names --to="$folder/few" && fail "a control character passes"
grep -qF 'class "x\x09x": a control character in its name' "$folder/out" || fail "$(cat "$folder/out")"
rmdir "$folder/names/$(printf 'x\tx')"
if mkdir "$folder/names/$(printf 'x\377')" 2>"$folder/out"; then
    names --to="$folder/few" && fail "a name that is not UTF-8 passes"
    grep -q 'its name is not UTF-8' "$folder/out" || fail "$(cat "$folder/out")"
    rmdir "$folder/names/$(printf 'x\377')"
fi
mkdir "$folder/names/empty"
names --to="$folder/few" && fail "a class without videos passes"
grep -q 'empty: no video in this folder' "$folder/out" || fail "no line about the empty class"

test $failed = 0 && echo "make-list, check-data: all of it holds"
exit $failed
