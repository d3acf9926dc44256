#!/bin/sh
# nonlocal prepare: sizes, lists, resuming, broken videos, Ctrl-C.
set -eu
program=$NL_PROGRAM
maker=${NL_CLIPMAKER:-$(pwd)/tests/clipmaker}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
passed=0
bad=0

# is "what" WANT GOT
is() {
    if test "$2" = "$3"; then
        passed=$((passed + 1))
    else
        bad=$((bad + 1))
        echo "FAIL: $1: want \"$2\", got \"$3\""
    fi
}

# prepare STATUS ARGUMENT...: that exit status; stderr in `err`.
prepare() {
    want=$1
    shift
    status=0
    "$program" prepare "$@" >out 2>err || status=$?
    is "prepare $*: $(cat err)" "$want" "$status"
}

mkdir -p videos/a "videos/b b"
"$maker" videos/a/wide.avi 160 90 40
"$maker" "videos/b b/tall one.mp4" 48 80 30
"$maker" videos/same.mkv 64 64 10
echo "this is no video" >videos/text.mp4
cat >list.txt <<LIST
videos/a/wide.avi 3
videos/text.mp4 1
videos/b b/tall one.mp4 0
$scratch/videos/a/../same.mkv 2
videos/missing.mp4 1
videos/a/wide.avi 3
LIST

prepare 3 list.txt --to=new/set --short_side=64 --threads="$(nproc)"
is "broken ones are named" 2 "$(grep -c 'warning: left out: videos/\(text\|missing\).mp4: ' err)"
is "summary" "new/set/list.txt: 6 videos, 0 of them were there, 2 left out" "$(tail -n 1 err)"
is "new list" "new/set/videos/a/wide.avi.mp4 3
new/set/videos/b b/tall one.mp4 0
new/set$scratch/videos/a/up/same.mkv.mp4 2
new/set/videos/a/wide.avi.mp4 3" "$(cat new/set/list.txt)"

# What the new videos are, in the words of predict.
"$program" init --set MODEL.width=4 --set MODEL.num_classes=5 --set TRAIN.crop_size=64 --to=w.safetensors 2>err
shown=$("$program" predict --weights=w.safetensors --filelist=new/set/list.txt --views=1x1 2>err |
    grep frames | sed 's/.*(\([^)]*\).*/\1/; s/^[^ ]* //; s/, [0-9.]* s,/,/; s/, 1 views//')
is "sizes and frames" "114x64, 40 frames
48x80, 30 frames
64x64, 10 frames
114x64, 40 frames" "$shown"

# Again: nothing is written twice, unless a source is newer.
find new -type f -name '*.mp4' -exec ls -i --full-time {} + >before
prepare 3 list.txt --to=new/set --short_side=64
is "nothing was done" "new/set/list.txt: 6 videos, 3 of them were there, 2 left out" "$(tail -n 1 err)"
find new -type f -name '*.mp4' -exec ls -i --full-time {} + >after
is "files are as they were" "" "$(diff before after)"
cp new/set/videos/a/wide.avi.mp4 first.mp4
rm new/set/videos/a/wide.avi.mp4
prepare 3 list.txt --to=new/set --short_side=64 --threads=1
is "the same bytes" "" "$(cmp first.mp4 new/set/videos/a/wide.avi.mp4)"
sleep 0.05
touch videos/same.mkv
prepare 3 list.txt --to=new/set --short_side=64
is "a newer source is done again" "2 of them" "$(tail -n 1 err | grep -o '2 of them')"

# A folder's videos are of one spec.
for other in --short_side=32 "--short_side=64 --key_interval=6" ""; do
    # shellcheck disable=SC2086
    prepare 2 list.txt --to=new/set $other
    is "another spec: $other" 1 "$(grep -c 'new/set/.prepare: videos are of --short_side=64 --key_interval=12, want' err)"
done
prepare 3 list.txt --to=new/set --short_side=64 --key_interval=12

# Lists of one and four columns keep their form.
echo videos/same.mkv >one.txt
prepare 0 one.txt --to=columns
is "one column" "columns/videos/same.mkv.mp4" "$(cat columns/one.txt)"
printf 'videos/same.mkv 7 %s\n' '0 0' '0 1' '1 2' >four.txt
prepare 0 four.txt --to=columns
is "four columns" "$(sed 's|^videos/same.mkv|columns/videos/same.mkv.mp4|' four.txt)" "$(cat columns/four.txt)"

# What cannot be meant.
prepare 2 list.txt
prepare 2 --to=x
prepare 2 one.txt --to=.
is "the list itself" 1 "$(grep -c 'one.txt: the new list would replace it' err)"
cp videos/same.mkv videos/same.mkv.mp4
printf '%s\n' videos/same.mkv videos/same.mkv.mp4 >clash.txt
prepare 2 clash.txt --to=clash
is "two videos, one name" 1 "$(grep -c 'would become one file' err)"
: >file
prepare 1 one.txt --to=file
is "a file for a folder" 1 "$(grep -c 'file: is a file, want a folder' err)"
prepare 1 none.txt --to=x
test ! -w /dev/full || {
    mkdir -p full/videos
    ln -s /dev/full full/videos/same.mkv.mp4
    prepare 1 one.txt --to=full
    is "no room" 1 "$(grep -c 'No space left' err)"
}

# A signal: what was finished stays, nothing half is left, and the same command ends the work.
"$maker" long.mp4 320 240 60
for i in 1 2 3 4 5 6 7 8; do
    cp long.mp4 "videos/long$i.mp4"
    echo "videos/long$i.mp4 $i"
done >long.txt
"$program" prepare long.txt --to=stopped --threads=1 2>err &
pid=$!
while kill -0 $pid 2>err.kill && ! test -e stopped/videos/long2.mp4; do sleep 0.01; done
kill -TERM $pid 2>err.kill || :
status=0
wait $pid || status=$?
test $status = 0 || is "interrupted" 130 $status
is "nothing half" "" "$(find stopped -name '*.tmp')"
prepare 0 long.txt --to=stopped
is "all are there" 8 "$(find stopped -name 'long*.mp4' | wc -l)"

echo "check-prepare: $passed passed, $bad failed"
test "$bad" = 0
