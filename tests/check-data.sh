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
check --bad="$folder/bad.txt" --json="$folder/lines" && fail "faults are not found"
grep -q 'val.txt:8: .*none.mp4: No such file' "$folder/out" || fail "a missing video is not named"
grep -q 'is in .*train.txt:1 too' "$folder/out" || fail "a video in two splits is not named"
grep -q '2 faults' "$folder/out" || fail "not two faults"
test "$(cat "$folder/bad.txt")" = "$folder/none.mp4 1" || fail "--bad writes other lines"
lines=$(grep -c . "$folder/lines")
test "$lines" = 32 || fail "--json: $lines lines, want 32"
grep '"frames": *6' "$folder/lines" | grep '"width": *48' | grep '"short": *true' |
    grep -q '"label": *[0-2]' || fail "--json: no video with its size and label"
grep '/none.mp4"' "$folder/lines" | grep '"line": *8' | grep -q '"error": *"[^"]*No such file' ||
    fail "--json does not say what is wrong"
grep -c '"also_in"' "$folder/lines" | grep -qx 2 ||
    fail "--json: not both lines of a video in two lists"
check "$folder/one/train.txt" --json="$folder/one/train.txt" && fail "a list is written over"
sed 's/ 2$/ 3/' "$folder/one/train.txt" >"$folder/off.txt"
check "$folder/off.txt" && fail "a label out of range passes"
grep -q 'label 3, want 0 to 2' "$folder/out" || fail "no line about the label"

# Without videos to test the configuration is one, and validation's videos are tested.
make_list --to="$folder/four" --split=80,20,0 || fail "no test videos: $(cat "$folder/out")"
"$program" check-data --config="$folder/four/config.yaml" >"$folder/out" 2>&1 ||
    fail "no test videos: $(cat "$folder/out")"
grep -q '^30 videos: 0 faults' "$folder/out" || fail "no test videos: $(tail -1 "$folder/out")"

# Kinetics' files: quotes, any order of columns, videos in folders of labels, outside, missing.
kinetics=$folder/kinetics
mkdir -p "$kinetics/air drumming" "$kinetics/playing_cards"
for name in 'air drumming/-Abc_000003_000013' 'playing_cards/x_y_000120_000130' \
    flat_000000_000010; do
    cp "$folder/videos/a/0.mp4" "$kinetics/$name.mp4"
done
printf '%s\n' label,youtube_id,time_start,time_end,split,is_cc '"air drumming",-Abc,3,13,train,0' \
    'zumba,gone,5,15,train,1' 'playing cards,x_y,120,130,train,0' >"$folder/train.csv"
printf '%s\r\n' split,time_end,time_start,youtube_id,label 'validate,10,0,flat,"abseiling"' \
    >"$folder/val.csv"
# kinetics FLAG...: make-list of them
kinetics() {
    rm -rf "$folder/lists"
    "$program" make-list "$kinetics" "$@" --to="$folder/lists" >"$folder/out" 2>&1
}
kinetics "$folder/train.csv" "$folder/val.csv" || fail "Kinetics: $(cat "$folder/out")"
grep -q '1 of 4 videos are not there' "$folder/out" || fail "Kinetics: no count of missing videos"
printf '%s\n' "$kinetics/air drumming/-Abc_000003_000013.mp4 1" \
    "$kinetics/playing_cards/x_y_000120_000130.mp4 2" | cmp -s - "$folder/lists/train.txt" ||
    fail "Kinetics: train.txt: $(cat "$folder/lists/train.txt")"
echo "$kinetics/flat_000000_000010.mp4 0" | cmp -s - "$folder/lists/val.txt" ||
    fail "Kinetics: val.txt: $(cat "$folder/lists/val.txt")"
tr -d '\n' <"$folder/lists/labels.json" |
    grep -q '\[ *"abseiling", *"air drumming", *"playing cards", *"zumba"\]' ||
    fail "Kinetics: labels.json"
"$program" check-data --config="$folder/lists/config.yaml" >"$folder/out" 2>&1 ||
    fail "Kinetics: $(cat "$folder/out")"

# csv_refused WORDS LINE...
csv_refused() {
    words=$1
    shift
    printf '%s\n' "$@" >"$folder/wrong.csv"
    kinetics "$folder/wrong.csv" && fail "$words: exit 0"
    grep '^nonlocal make-list: ' "$folder/out" | grep -q "wrong.csv:$words" ||
        fail "no line with $words: $(cat "$folder/out")"
}
header=label,youtube_id,time_start,time_end,split
csv_refused '1: no column label' youtube_id,time_start,time_end,split
csv_refused '3: 2 columns, none of them time_start' $header 'a,b,1,2,train' 'a,b'
csv_refused '2: split "maybe"; want train, val or test' $header 'a,b,1,2,maybe'
csv_refused '2: time_start "-1"; want seconds' $header 'a,b,-1,2,train'
csv_refused '2: time_end "1234567"; want seconds' $header 'a,b,1,1234567,train'
csv_refused '2: youtube_id "../b" is no name' $header 'a,../b,1,2,train'
csv_refused '2: quotes that do not end' $header '"a,b,1,2,train'
csv_refused ' no videos' $header
printf '%s\n' $header 'a,b,1,2,train' >"$folder/none.csv"
kinetics "$folder/none.csv" && fail "Kinetics: no video is there"
grep -q 'none of the 1 videos, such as b_000001_000002.mp4' "$folder/out" ||
    fail "Kinetics: none there"
kinetics "$folder/train.csv" --split=1,1,1 && fail "Kinetics: --split is taken"

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
